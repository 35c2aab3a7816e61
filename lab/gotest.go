package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// testEvent is a line of `go test -json`; see `go doc test2json`.
type testEvent struct {
	Action, Package, Test, Output string
	ImportPath                    string // of build-output
	FailedBuild                   string // of a package that did not compile: the ImportPath of its build-output
}

// testID names a test, or with an empty name the package itself.
type testID struct{ pkg, name string }

type testState struct {
	result string // pass, fail, skip; "" while it runs
	output strings.Builder
}

// testLog gathers what `go test -json` says. Its line method takes the lines.
type testLog struct {
	tests  map[testID]*testState
	builds map[string]*strings.Builder
	stray  strings.Builder // what is no JSON: go itself complains
	echo   func(string)    // shows what the tests print; may be nil
}

func newTestLog() *testLog {
	return &testLog{tests: map[testID]*testState{}, builds: map[string]*strings.Builder{}}
}

func (l *testLog) line(s string) {
	var e testEvent
	if json.Unmarshal([]byte(s), &e) != nil || e.Action == "" {
		l.stray.WriteString(s + "\n")
		return
	}
	if l.echo != nil {
		l.echo(e.Output)
	}
	if e.Package == "" {
		if l.builds[e.ImportPath] == nil {
			l.builds[e.ImportPath] = new(strings.Builder)
		}
		l.builds[e.ImportPath].WriteString(e.Output)
		return
	}
	id := testID{e.Package, e.Test}
	t := l.tests[id]
	if t == nil {
		t = new(testState)
		l.tests[id] = t
	}
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			t.output.WriteString(e.Output)
		}
	case "pass", "fail", "skip":
		t.result = e.Action
	}
	if b := l.builds[e.FailedBuild]; b != nil {
		t.output.WriteString(b.String())
	}
}

// summary counts tests: every subtest is one, and its parent is not, unless only the parent failed. A package that
// failed without any test of its own failing (it does not compile, it panicked between tests) is one failure.
// clusterGiven says that a test had everything it needs from `lab test`, so that skipping for want of it is a failure.
func (l *testLog) summary(clusterGiven bool) (passed int, failures, skips []string) {
	parents, failedUnder := map[testID]bool{}, map[testID]bool{}
	for id, t := range l.tests {
		if id.name != "" && t.result == "" {
			t.result = "fail"
			t.output.WriteString("    it never ended\n")
		}
		if clusterGiven && t.result == "skip" && strings.Contains(t.output.String(), "lab test") {
			t.result = "fail"
			t.output.WriteString("    it had a cluster and must not skip\n")
		}
		for i, c := range id.name {
			if c == '/' {
				parents[testID{id.pkg, id.name[:i]}] = true
			}
		}
	}
	for id, t := range l.tests {
		if t.result == "fail" && id.name != "" {
			failedUnder[testID{id.pkg, ""}] = true
			for i, c := range id.name {
				if c == '/' {
					failedUnder[testID{id.pkg, id.name[:i]}] = true
				}
			}
		}
	}
	ids := slices.SortedFunc(maps.Keys(l.tests), func(x, y testID) int {
		return strings.Compare(x.pkg+"\x00"+x.name, y.pkg+"\x00"+y.name)
	})
	for _, id := range ids {
		t := l.tests[id]
		label := strings.TrimSpace(id.pkg + " " + id.name)
		switch {
		case t.result == "fail" && !failedUnder[id]:
			failures = append(failures, label+"\n"+t.output.String())
		case id.name == "" || parents[id]:
		case t.result == "pass":
			passed++
		case t.result == "skip":
			skips = append(skips, fmt.Sprintf("%s: %s", label, skipReason(t.output.String())))
		}
	}
	return passed, failures, skips
}

// skipReason is what the test said, without go's frame: "    main_test.go:12: reason" and "--- SKIP".
func skipReason(output string) string {
	var words []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--- SKIP") {
			words = append(words, line)
		}
	}
	return strings.Join(words, " ")
}
