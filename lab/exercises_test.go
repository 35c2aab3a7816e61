package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"client-go-lab/internal/exercise"
)

const halved = `package half

// Half halves.
func Half(a int) int {
	// lab:begin 1 halve it
	return a / 2
	// lab:stub return 0
	// lab:end
}
`

// withExercises gives the repository two exercises in chapter 01, not started.
func (l *lab) withExercises() *lab {
	l.t.Helper()
	for _, dir := range []string{"1-half", "2-again"} {
		l.write("01-restclient/solutions/"+dir+"/exercise.go", halved)
		l.write("01-restclient/solutions/"+dir+"/hints.md", "## 1\nlook at it\n## 2\ncall it\n## 3\nwrite it\n")
	}
	code, _, stderr := l.run("exercises", "render")
	require.Zero(l.t, code, stderr)
	return l
}

func (l *lab) exercise(dir string) string {
	return filepath.Join(l.root, "01-restclient", "exercises", dir, "exercise.go")
}

// solve writes another program into the learner's file.
func (l *lab) solve(dir string) {
	l.t.Helper()
	l.write("01-restclient/exercises/"+dir+"/exercise.go", "package half\n\n// Half halves.\nfunc Half(a int) int {\n\treturn a >> 1\n}\n")
}

// says makes the fake go test say this of an exercise's test.
func says(dir, action, output string) string {
	var lines string
	for _, e := range []map[string]string{{"Action": "output", "Output": output}, {"Action": action}} {
		e["Package"], e["Test"] = "client-go-lab/01-restclient/exercises/"+dir, "TestStep1Half"
		data, _ := json.Marshal(e)
		lines += string(data) + "\n"
	}
	return lines
}

func TestCheckCommand(t *testing.T) {
	l := newLab(t).withExercises()
	code, stdout, stderr := l.run("check")
	assert.Equal(t, 3, code, stderr)
	assert.Equal(t, `01/half      not started          01-restclient/exercises/1-half/exercise.go
01/again     not started          01-restclient/exercises/2-again/exercise.go
0 of 2 solved. Next: edit 01-restclient/exercises/1-half/exercise.go
`, stdout)
	assert.NotContains(t, l.log(), "go test", "what is untouched needs no test")

	l.solve("2-again")
	l.env = append(l.env, "FAKE_TESTS="+says("2-again", "fail", "    exercise_test.go:9: seen: 1\n        expected: 2\n"), "FAKE_TEST_EXIT=1")
	code, stdout, stderr = l.run("check", "01")
	assert.Equal(t, 1, code, stderr)
	assert.Contains(t, stdout, "01/again     fails                01-restclient/exercises/2-again/exercise.go\n\n    seen: 1\n    expected: 2\n\n0 of 2 solved. Stuck? go run ./lab hint 01/again\n")
	assert.Contains(t, l.log(), "./01-restclient/exercises/2-again\n")

	l.env = append(l.env, "FAKE_TESTS="+says("2-again", "pass", ""), "FAKE_TEST_EXIT=0")
	code, stdout, stderr = l.run("check", "01/2")
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "01/again     solved ")
	assert.Contains(t, stdout, "1 of 1 solved. Compare with ours: go run ./lab solution 01/again\n")
	assert.NotContains(t, stdout, "next one", "it is the last one")
	assert.Equal(t, 3, first(l.run("check")), "one is not started")
	l.solve("1-half")
	l.env = append(l.env, "FAKE_TESTS="+says("1-half", "pass", ""))
	for range 2 { // the next one is begun, and then untouched
		_, stdout, _ = l.run("check", "01/half")
		assert.Contains(t, stdout, "1 of 1 solved. Compare with ours: go run ./lab solution 01/half\nThe next one in the course: 01-restclient/exercises/2-again/exercise.go\n")
		require.Zero(t, first(l.run("reset", "01/again")))
	}
	require.Zero(t, first(l.run("reset", "01/half")))
	l.solve("2-again")
	l.env = append(l.env, "FAKE_TESTS="+says("2-again", "pass", ""))

	code, stdout, _ = l.run("check", "--json")
	assert.Equal(t, 3, code)
	var results []exercise.Result
	require.NoError(t, json.Unmarshal([]byte(stdout), &results))
	assert.Equal(t, []exercise.Result{
		{ID: "01/half", File: "01-restclient/exercises/1-half/exercise.go", State: exercise.NotStarted, Steps: 1},
		{ID: "01/again", File: "01-restclient/exercises/2-again/exercise.go", State: exercise.Solved, Steps: 1},
	}, results)

	code, _, stderr = l.run("check", "01/other")
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "there are: 01/half, 01/again")
}

// The tests get the lab's cluster if it is ready, and no other.
func TestCheckUsesTheRunningCluster(t *testing.T) {
	l := newLab(t).withExercises()
	l.solve("1-half")
	l.env = append(l.env, "FAKE_TESTS="+says("1-half", "skip", "set LAB_TEST_KUBECONFIG")+says("1-half", "pass", ""))
	first(l.run("check"))
	assert.Contains(t, l.log(), "LAB_TEST_KUBECONFIG=\n")
	require.Zero(t, first(l.run("up")))
	first(l.run("check"))
	assert.Contains(t, l.log(), "LAB_TEST_KUBECONFIG="+l.cache("cluster", "admin.conf")+"\n")
}

func TestMapShowsExercises(t *testing.T) {
	l := newLab(t).withExercises()
	_, stdout, _ := l.run()
	assert.Contains(t, stdout, "Exercises\n  0 of 2 solved. Next: edit 01-restclient/exercises/1-half/exercise.go\n")
	l.solve("1-half")
	l.env = append(l.env, "FAKE_TESTS="+says("1-half", "pass", ""))
	_, stdout, _ = l.run()
	assert.Contains(t, stdout, "Exercises\n  1 of 2 solved. Next: edit 01-restclient/exercises/2-again/exercise.go\n")
	l.env = append(l.env, "FAKE_TESTS=", "FAKE_TEST_EXIT=2")
	code, stdout, _ := l.run()
	assert.Zero(t, code)
	assert.Contains(t, stdout, "Exercises\n  1 of 2 begun; go run ./lab check says which are solved\n", "no state is made up")
}

func TestHintCommand(t *testing.T) {
	l := newLab(t).withExercises()
	for i, want := range []struct{ has, not string }{{"Hint 1 of 3\n    look at it\n\nAsk again", "call it"}, {"Hint 2 of 3\n    call it\n\nAsk again", "write it"}, {"Hint 3 of 3\n    write it\n\nThat was the last one", "Ask"}, {"write it", "Ask"}} {
		code, stdout, stderr := l.run("hint", "01/half")
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "look at it", i)
		assert.Contains(t, stdout, want.has, i)
		assert.NotContains(t, stdout, want.not, i)
	}
	_, stdout, _ := l.run("hint", "01/half", "2")
	assert.Equal(t, "Hint 2 of 3\n    call it\n\n", stdout, "once more, and no other")
	code, _, stderr := l.run("hint", "01/half", "4")
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "01/half has hints 1 to 3")
	require.Zero(t, first(l.run("reset", "01/half")))
	_, stdout, _ = l.run("hint", "01/half")
	assert.NotContains(t, stdout, "call it", "afresh begins at the first hint")
	_, stdout, _ = l.run("hint", "01/again")
	assert.NotContains(t, stdout, "call it", "another exercise begins at the first hint")
	require.NoError(t, os.WriteFile(l.cache("hints.json"), []byte("no JSON"), 0o644))
	code, stdout, stderr = l.run("hint", "1/1")
	assert.Zero(t, code, stderr)
	assert.NotContains(t, stdout, "call it", "losing the count is harmless")
	code, _, stderr = l.run("hint", "01")
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "say which of its exercises, such as 01/half")
}

func TestSolutionCommand(t *testing.T) {
	l := newLab(t).withExercises()
	code, stdout, stderr := l.run("solution", "01/half")
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "lab: 01/half is not solved yet, and nobody is there to ask: say --yes to see the solution all the same\n", stderr)

	code, stdout, _ = l.run("solution", "01/half", "--yes")
	assert.Zero(t, code)
	assert.Contains(t, stdout, "- \t// TODO 1: halve it\n- \treturn 0\n+ \treturn a / 2\n")

	l.solve("1-half")
	l.env = append(l.env, "FAKE_TESTS="+says("1-half", "pass", ""))
	code, stdout, stderr = l.run("solution", "01/half")
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "- \treturn a >> 1\n+ \treturn a / 2\n", "freely, once solved")
	assert.NotContains(t, stdout, "lab:")
}

func TestResetCommand(t *testing.T) {
	l := newLab(t).withExercises()
	_, stdout, _ := l.run("reset", "01/half")
	assert.Contains(t, stdout, "nothing to do")
	l.solve("1-half")
	mine, err := os.ReadFile(l.exercise("1-half"))
	require.NoError(t, err)
	code, stdout, stderr := l.run("reset", "01/half")
	require.Zero(t, code, stderr)
	_, backup, found := strings.Cut(strings.TrimSpace(stdout), "What you had: ")
	require.True(t, found, stdout)
	saved, err := os.ReadFile(backup)
	require.NoError(t, err)
	assert.Equal(t, string(mine), string(saved))
	assert.Equal(t, 3, first(l.run("check", "01/half")), "not started")
}

func TestWatchCommand(t *testing.T) {
	l := newLab(t).withExercises()
	l.env = append(l.env, "FAKE_TESTS="+says("2-again", "pass", ""))
	cmd := l.command("watch", "01")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	readUntil(t, stdout, "Watching.")
	l.solve("2-again")
	readUntil(t, stdout, "01/again     solved")
	readUntil(t, stdout, "go run ./lab solution 01/again")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(stdout)
	require.NoError(t, err)
	assert.NotContains(t, string(rest), "01/half     ", "it does not go on by itself")
	assert.Equal(t, 130, exitOf(t, cmd.Wait()))
}

// watchInProcess is `lab watch` in this process, with other notifications.
func (l *lab) watchInProcess(notify notifier) (out io.Reader, stop func() error) {
	l.t.Helper()
	for _, name := range []string{"FAKE_LOG", "FAKE_TESTS"} {
		l.t.Setenv(name, l.value(name))
	}
	ctx, cancel := context.WithCancel(l.t.Context())
	r, w := io.Pipe()
	a := &app{root: l.root, cache: l.cache(), state: l.cache("cluster"), goCmd: filepath.Join(l.value("PATH"), "go"), in: strings.NewReader("q"), out: w, err: io.Discard}
	ended := make(chan error, 1)
	go func() {
		ended <- a.watchWith(ctx, "", notify)
		w.Close()
	}()
	l.t.Cleanup(func() { cancel(); r.Close() })
	return r, func() error { cancel(); go io.Copy(io.Discard, r); return <-ended }
}

func TestWatchWithoutNotifications(t *testing.T) {
	for name, c := range map[string]struct {
		notify        notifier
		before, after string // the save
	}{
		"an error": {func([]exercise.Exercise) (<-chan struct{}, func(), error) {
			return nil, func() {}, errors.New("no inotify")
		}, "No notifications about saved files here (no inotify); looking at the files every second instead.", ""},
		"just silence":  {func([]exercise.Exercise) (<-chan struct{}, func(), error) { return nil, func() {}, nil }, "", "This file system says nothing about saved files; looking at the files every second instead."},
		"notifications": {notifications, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t).withExercises()
			l.env = append(l.env, "FAKE_TESTS="+says("1-half", "pass", ""))
			out, stop := l.watchInProcess(c.notify)
			var all strings.Builder
			out = io.TeeReader(out, &all)
			readUntil(t, out, "Watching.")
			l.solve("1-half")
			if c.after == "" {
				readUntil(t, out, "1 of 2 solved.")
			} else {
				readUntil(t, out, c.after)
			}
			require.ErrorIs(t, stop(), context.Canceled)
			assert.Equal(t, c.before != "", strings.Contains(all.String(), "No notifications"), all.String())
			assert.Contains(t, all.String(), c.before)
		})
	}
}

// A newer save makes the check that runs worthless.
func TestWatchChecksTheLastSave(t *testing.T) {
	l := newLab(t).withExercises()
	l.env = append(l.env, "FAKE_TESTS="+says("1-half", "pass", "")+says("2-again", "pass", ""))
	g := l.gate("test")
	t.Setenv("FAKE_GATE", l.value("FAKE_GATE"))
	out, stop := l.watchInProcess(notifications)
	readUntil(t, out, "Watching.")
	l.solve("1-half")
	g.reached() // is interrupted
	l.solve("2-again")
	g.reached().Close()
	readUntil(t, out, "01/half      solved")
	readUntil(t, out, "2 of 2 solved.")
	require.ErrorIs(t, stop(), context.Canceled)
	assert.Contains(t, l.log(), "interrupted\n")
}

// What `lab test` makes of the proof. The proof itself is tested in ../internal/exercise.
func TestExercisesInLabTest(t *testing.T) {
	for name, c := range map[string]struct {
		edited, strict, spoiled bool
		failed                  int
		says                    string
	}{
		"as rendered":        {false, true, false, 0, "ok    exercises"},
		"a learner's file":   {true, false, false, 0, "the files that you edited were not compared"},
		"a hand-edited file": {true, true, false, 1, "01-restclient/exercises/1-half/exercise.go is not what its solution renders to; authors: go run ./lab exercises render"},
		"a spoiled test":     {false, false, true, 1, "TestStep1Half passes though step 1 is not solved: it cannot fail"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t).withExercises()
			for _, dir := range []string{"exercises", "solutions"} {
				require.NoError(t, os.RemoveAll(filepath.Join(l.root, "01-restclient", dir, "2-again")))
			}
			l.write("01-restclient/exercises/1-half/exercise_test.go", "package half\n\nfunc TestStep1Half() {}\n")
			for _, sample := range []string{"one", "two"} {
				l.write("01-restclient/wrong/1-half/"+sample+"/exercise.go", "// want: seen\npackage half\n")
			}
			if c.edited {
				l.solve("1-half")
			}
			var out strings.Builder
			a := &app{root: l.root, out: &out, err: io.Discard}
			round := 0
			r := exercise.Runner{Root: l.root, Go: "go", Exec: func(_ context.Context, cmd *exec.Cmd) error {
				round++ // nothing solved, all solved, two wrong samples
				action := "fail"
				if round == 2 || c.spoiled {
					action = "pass"
				}
				_, err := io.WriteString(cmd.Stdout, says("1-half", action, "seen\n"))
				return err
			}}
			run := &testRun{app: a}
			run.check(t.Context(), "exercises", func(ctx context.Context) (string, error) { return a.verifyExercises(ctx, "", r, c.strict) })
			assert.Equal(t, 4, round)
			assert.Equal(t, c.failed, run.failed, out.String())
			assert.Contains(t, out.String()+strings.Join(run.notRun, "\n"), c.says)
		})
	}
}
