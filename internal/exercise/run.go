package exercise

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Strict is the environment variable that makes an exercise's tests run although the learner's file on the disk is
// untouched: with an overlay it is not what the test binary was built from.
const Strict = "LAB_STRICT"

// Runner runs the tests of exercises in the repository at Root.
type Runner struct {
	Root    string
	Go      string                                 // the go command
	Env     []string                               // on top of the environment, e.g. a cluster for tests
	Cluster string                                 // the name of the variable that gives the tests a cluster
	Timeout time.Duration                          // for one exercise's tests; 0: half a minute
	Exec    func(context.Context, *exec.Cmd) error // runs a command and what it starts; nil: Cmd.Run
	Report  func(round, rounds int)                // is called when Verify begins a round of tests; may be nil
}

// outcome is what `go test -json` said about one package.
type outcome struct {
	build string           // the compiler's output, when it does not compile
	tests map[string]*test // by name, subtests too
	names []string         // in the order in which they began
	other string           // what the package printed outside of tests: a panic, a timeout
}

type test struct{ result, output string } // result: pass, fail, skip; "" when it never ended

// run tests the exercises, with the files in overlay (paths in the repository) in place of those on the disk.
func (r Runner) run(ctx context.Context, exercises []Exercise, overlay map[string]string) (map[string]*outcome, error) {
	// -run makes the key of go's test cache another one than that of a plain `go test`: what TestMain reads from the
	// environment before the tests begin is not part of that key.
	timeout := r.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	args := []string{"test", "-json", "-run=^Test", "-timeout=" + timeout.String()}
	if len(exercises) == 1 && overlay == nil { // with several, the first failure would end the others' tests, too
		args = append(args, "-failfast") // the learner works on one failure at a time
	}
	if overlay != nil {
		tmp, err := os.MkdirTemp("", "lab-overlay-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(tmp)
		var o struct{ Replace map[string]string }
		o.Replace = map[string]string{}
		for name, text := range overlay {
			file := filepath.Join(tmp, strings.ReplaceAll(name, "/", "_"))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				return nil, err
			}
			o.Replace[filepath.Join(r.Root, filepath.FromSlash(name))] = file
		}
		data, err := json.Marshal(o)
		if err != nil {
			return nil, err
		}
		list := filepath.Join(tmp, "overlay.json")
		if err := os.WriteFile(list, data, 0o600); err != nil {
			return nil, err
		}
		// Solutions, samples and the files as they are given are packages, which go vet ./... looks at; here vet would
		// cost a tenth of the time. Tests that wait should not keep others from being compiled.
		args = append(args, "-overlay="+list, "-vet=off", fmt.Sprint("-p=", 2*runtime.NumCPU()))
	}
	found := map[string]*outcome{} // by the end of the package's path
	for _, e := range exercises {
		args = append(args, "./"+path.Dir(e.File()))
		found[path.Dir(e.File())] = &outcome{tests: map[string]*test{}}
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(r.Go, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.Root, &stdout, &stderr
	cmd.Env = append(append(os.Environ(), r.Env...), Strict+"=1")
	if overlay != nil && os.Getenv("GOGC") == "" {
		cmd.Env = append(cmd.Env, "GOGC=800") // hundreds of programs to link: fewer collections save a seventh of the CPU time
	}
	run := r.Exec
	if run == nil {
		run = func(_ context.Context, cmd *exec.Cmd) error { return cmd.Run() }
	}
	err := run(ctx, cmd)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	seen := readEvents(stdout.String(), found)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !seen) {
		return nil, fmt.Errorf("go test: %w\n%s%s", err, stderr.String(), stdout.String())
	}
	return found, nil
}

// readEvents sorts the lines of `go test -json` into the outcomes; see `go doc test2json`.
func readEvents(text string, found map[string]*outcome) (any bool) {
	builds := map[string]string{}
	for line := range strings.Lines(text) {
		var e struct{ Action, Package, Test, Output, ImportPath, FailedBuild string }
		if json.Unmarshal([]byte(line), &e) != nil {
			continue
		}
		if e.Action == "build-output" {
			builds[e.ImportPath] += e.Output
			continue
		}
		_, dir, _ := strings.Cut(e.Package, "/")
		o := found[dir]
		if o == nil {
			continue
		}
		any = true
		if e.FailedBuild != "" {
			o.build = builds[e.FailedBuild]
		}
		if e.Test == "" {
			if e.Action == "output" {
				o.other += e.Output
			}
			continue
		}
		t := o.tests[e.Test]
		if t == nil {
			t = new(test)
			o.tests[e.Test] = t
			o.names = append(o.names, e.Test)
		}
		switch e.Action {
		case "output":
			t.output += e.Output
		case "pass", "fail", "skip":
			t.result = e.Action
		}
	}
	return any
}

// State is how far a learner is with an exercise.
type State string

// The states.
const (
	Solved     State = "solved"
	NotStarted State = "not started"
	Fails      State = "fails"
)

// Result is what a check found.
type Result struct {
	ID      string `json:"id"`
	File    string `json:"file"`
	State   State  `json:"state"`
	Step    int    `json:"step,omitempty"` // the first step that fails; 0 when it does not compile
	Steps   int    `json:"steps"`
	Message string `json:"message,omitempty"` // why it fails, in the lesson's words
	NotRun  int    `json:"notRun,omitempty"`  // tests that found no cluster
}

// Check says how far the learner is, by running the tests of what is not untouched. Nothing is remembered.
func (r Runner) Check(ctx context.Context, exercises []Exercise) ([]Result, error) {
	var results []Result
	var edited []Exercise
	for _, e := range exercises {
		s, err := e.Source()
		if err != nil {
			return nil, err
		}
		result := Result{ID: e.ID, File: e.File(), State: NotStarted, Steps: len(s.Steps)}
		untouched, err := e.Untouched()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			result.State, result.Message = Fails, "The file is missing. This brings it back: go run ./lab reset "+e.ID
		case err != nil:
			return nil, err
		case !untouched:
			edited = append(edited, e)
		}
		results = append(results, result)
	}
	if len(edited) == 0 {
		return results, nil
	}
	outcomes, err := r.run(ctx, edited, nil)
	if err != nil {
		return nil, err
	}
	for _, e := range edited {
		i := slices.IndexFunc(results, func(r Result) bool { return r.ID == e.ID })
		outcomes[path.Dir(e.File())].judge(&results[i], r.Cluster)
		results[i].Message += e.importHelp(outcomes[path.Dir(e.File())].build)
	}
	return results, nil
}

var undefined = regexp.MustCompile(`(?m)exercise\.go:\S+ undefined: (\w+)$`)

// importHelp names the packages of our solution that the compiler misses: not everybody's editor adds imports.
func (e Exercise) importHelp(build string) (help string) {
	missing := undefined.FindAllStringSubmatch(build, -1)
	if missing == nil {
		return ""
	}
	text, err := e.Solution()
	if err != nil {
		return ""
	}
	f, err := parser.ParseFile(token.NewFileSet(), "", text, parser.ImportsOnly)
	if err != nil {
		return ""
	}
	for _, i := range f.Imports {
		name := importName(i)
		if !slices.ContainsFunc(missing, func(m []string) bool { return m[1] == name }) {
			continue
		}
		line := i.Path.Value
		if i.Name != nil {
			line = name + " " + line
		}
		help += "\nIf you mean the package, import it: " + line
	}
	return help
}

var stepTest = regexp.MustCompile(`^TestStep([0-9]+)`)

func stepOf(name string) int {
	m := stepTest.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits; a number that is too large is no step either
	return n
}

// judge fills in a result: solved only when tests ran, every one passed, and only a missing cluster made one skip.
func (o *outcome) judge(result *Result, cluster string) {
	result.State = Fails
	if o.build != "" {
		result.Message = compilerSays(o.build, result.File)
		return
	}
	passed, failed := 0, strings.Contains(o.other, "FAIL")
	for _, name := range o.names {
		t := o.tests[name]
		switch {
		case t.result == "pass":
			passed++
			continue
		case t.result == "skip" && skippedForWantOf(t.output, cluster):
			result.NotRun++
			continue
		}
		failed = true
		if result.Message == "" { // one failure is enough to work on; a parent of subtests has nothing to say itself
			result.Step, result.Message = stepOf(name), words(t.output)
		}
	}
	switch {
	case passed > 0 && !failed:
		result.State = Solved
	case result.Message == "":
		result.Message = "Its tests did not run to the end:\n" + words(o.other)
	}
}

func skippedForWantOf(output, variable string) bool {
	return variable != "" && strings.Contains(output, variable)
}

// compilerSays picks the first error in the learner's file. One error hides every test of the package, and often brings
// others with it.
func compilerSays(build, file string) string {
	first, problem := "", "It does not compile:\n"
	for line := range strings.Lines(build) {
		if strings.HasPrefix(line, "# [") { // the heading of go vet
			problem = "go vet refuses it:\n"
		}
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "\t") { // a tab: more about the line before
			continue
		}
		line = strings.TrimPrefix(strings.TrimSpace(line), "vet: ")
		switch {
		case strings.Contains(line, path.Base(path.Dir(file))+"/exercise.go:"):
			return problem + strings.TrimSuffix(line, "; to add it:")
		case first == "":
			first = line
		}
	}
	switch {
	case strings.Contains(first, "exercise_test.go:"):
		first += "\nThe test calls your function as it was given: have its name, parameters or results changed?"
	case strings.Contains(first, path.Base(path.Dir(file))+"/"):
		first += "\nAn exercise is one file: move the other one out of this directory."
	}
	return problem + first
}

var (
	frame     = regexp.MustCompile(`^\s*[a-z_]+_test\.go:[0-9]+: `)
	noise     = regexp.MustCompile(`^\s*(=== |--- |FAIL\b|ok\b|PASS\b|exit status)`)
	panicAt   = regexp.MustCompile(`(?m)^\s*\S*/exercises/\S+/(exercise\.go:[0-9]+)`) // labtest has an exercise.go, too
	panicText = regexp.MustCompile(`(?m)^(?:panic|fatal error): (.*)$`)
	goroutine = regexp.MustCompile(`(?m)^goroutine [0-9]+ `) // a panic shows its stack; what only prints "panic:" does not
)

// words takes go's own words out of what a failing test printed. What ends the whole program becomes two lines.
func words(output string) string {
	if p := panicText.FindStringSubmatch(output); p != nil && goroutine.MatchString(output) {
		text := "Your code panics: " + strings.TrimSuffix(p[1], " [recovered, repanicked]")
		switch {
		case strings.HasPrefix(p[1], "test timed out"):
			text = "The test did not come to an end: is there a loop that nothing stops, or a wait for what never comes?"
		case p[1] == "stack overflow":
			text = "Your code calls itself without end."
		}
		if at := panicAt.FindStringSubmatch(output); at != nil {
			text += "\nat " + at[1]
		}
		return text
	}
	var lines []string
	for line := range strings.Lines(output) {
		if !noise.MatchString(line) {
			line = strings.TrimRight(frame.ReplaceAllString(line, ""), "\n")
			lines = append(lines, strings.TrimPrefix(line, "        "))
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
