package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRunPassesEverythingThrough(t *testing.T) {
	for _, name := range []string{"1", "01", "01-restclient", "./01-restclient/", "restclient"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			code, stdout, stderr := l.run("run", name, "watch", "-n", "kube-system", "exit=5")
			assert.Equal(t, 5, code, "the chapter's exit code")
			assert.Equal(t, `01-restclient ["watch" "-n" "kube-system" "exit=5"] KUBECONFIG=`+l.cache("cluster", "admin.conf")+"\n", stdout,
				"stdout is the chapter's alone")
			assert.Contains(t, l.log(), "localcluster up\n", stderr)
		})
	}
}

func TestRunUsesARunningCluster(t *testing.T) {
	l := newLab(t)
	require.Zero(t, first(l.run("up")))
	require.Zero(t, first(l.run("run", "02")))
	assert.Equal(t, 1, strings.Count(l.log(), "localcluster up"))
	require.Zero(t, first(l.run("down")))
	require.Zero(t, first(l.run("run", "02")))
	assert.Equal(t, 2, strings.Count(l.log(), "localcluster up"))
}

func TestRunLeavesAnotherClusterToTheLearner(t *testing.T) {
	for _, args := range [][]string{{"-context", "kind-kind"}, {"--context=kind-kind"}, {"-kubeconfig", "x"}, {"-h"}, {"verbs", "--help"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			l := newLab(t)
			code, stdout, stderr := l.run(append([]string{"run", "01"}, args...)...)
			assert.Zero(t, code, stderr)
			assert.Contains(t, stdout, "KUBECONFIG=/learner/config")
			assert.NotContains(t, l.log(), "localcluster")
		})
	}
}

func TestRunWhenTheClusterDoesNotStart(t *testing.T) {
	l := newLab(t)
	l.env = append(l.env, "FAKE_UP=fails")
	code, stdout, stderr := l.run("run", "01")
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "no port is free\n")
	assert.NotRegexp(t, `(?m)^01-restclient `, l.log(), "no chapter without a cluster")
}

func TestRunNeedsNoContextInTheLearnersKubeconfig(t *testing.T) {
	for _, line := range []string{"run 01 exit=5", "tour 01 --no-pause"} {
		l := newLab(t)
		l.env = append(l.env, "FAKE_UP=unmerged", "FAKE_CHAPTER=exit=5")
		_, stdout, stderr := l.run(strings.Fields(line)...)
		assert.Contains(t, stderr, "its context could not be added\n", line)
		assert.Contains(t, stdout, "01-restclient [", line)
		code, _, _ := l.run("up")
		assert.Equal(t, 1, code, "whoever asks for up itself is told by the exit code")
	}
}

func TestTheFirstRunCompilesTheChapterFirst(t *testing.T) {
	l := newLab(t)
	code, stdout, stderr := l.run("run", "01")
	require.Zero(t, code, stderr)
	assert.Contains(t, stderr, "The first time, ")
	assert.Contains(t, stdout, "01-restclient []")
	assert.Equal(t, 1, strings.Count(l.log(), "compile k8s.io/a\n"), "what both need is compiled once")
	programs := regexp.MustCompile(`-o \S+/(\S+)`).FindAllStringSubmatch(l.log(), -1)
	require.GreaterOrEqual(t, len(programs), 2)
	assert.Equal(t, []string{"01-restclient", "localcluster"}, []string{programs[0][1], programs[1][1]})
	assert.Contains(t, l.log(), "go list -deps .\n", "meanwhile, the cluster's modules are downloaded")
}

func TestAChapterIsBuiltWhileTheClusterStarts(t *testing.T) {
	l := newLab(t)
	require.Zero(t, first(l.run("up")))
	require.Zero(t, first(l.run("down")))
	g := l.gate("up")
	cmd := l.command("run", "02")
	require.NoError(t, cmd.Start())
	starting := g.reached()
	assert.Eventually(t, func() bool { return exists(l.cache("chapters", "02-clientset")) }, 20*time.Second, 10*time.Millisecond)
	assert.NotRegexp(t, `(?m)^02-clientset `, l.log(), "it does not run yet")
	starting.Close()
	assert.Zero(t, exitOf(t, cmd.Wait()))
	assert.Regexp(t, `(?m)^02-clientset `, l.log())
}

func TestUsageErrors(t *testing.T) {
	l := newLab(t)
	for line, want := range map[string]string{
		"run 09":           `there is no chapter "09"; the chapters are: 01-restclient, 02-clientset`,
		"run later":        "the chapters are",
		"run":              "the chapters are",
		"tour 09":          "the chapters are",
		"statsu":           "did you mean status?",
		"nonsense":         "go run ./lab --help",
		"up --nonsense":    "go run ./lab up --help",
		"up now":           "go run ./lab up --help",
		"logs":             "go run ./lab logs --help",
		"logs kube-scheme": "go run ./lab logs --help",
	} {
		code, stdout, stderr := l.run(strings.Fields(line)...)
		assert.Equal(t, 2, code, line)
		assert.Empty(t, stdout, line)
		assert.Contains(t, stderr, want, line)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
	assert.Empty(t, l.log(), "nothing was built or started")
}

func TestWithoutACluster(t *testing.T) {
	l := newLab(t)
	for line, want := range map[string]struct {
		code int
		said string
	}{
		"down":             {0, "already down"},
		"status":           {3, "go run ./lab up"},
		"status --json":    {3, `{"running": false, "ready": false}` + "\n"},
		"logs etcd":        {1, "go run ./lab up"},
		"kubectl get pods": {1, "go run ./lab up"},
		"":                 {0, "not running"},
	} {
		code, stdout, stderr := l.run(strings.Fields(line)...)
		assert.Equal(t, want.code, code, line)
		assert.Contains(t, stdout+stderr, want.said, line)
	}
	assert.Empty(t, l.log(), "none of them builds")
}

func TestWithACluster(t *testing.T) {
	l := newLab(t)
	require.Zero(t, first(l.run("up")))
	l.write("localcluster/main.go", "package main // changed since\n")
	for line, want := range map[string]struct {
		code int
		log  string
	}{
		"status --json":               {0, "localcluster status --json=true\n"},
		"logs etcd -f":                {0, "localcluster logs -f=true etcd\n"},
		"kubectl get pods -o wide -A": {7, "localcluster kubectl get pods -o wide -A\n"},
		"kubectl get --help":          {7, "localcluster kubectl get --help\n"},
	} {
		code, _, stderr := l.run(strings.Fields(line)...)
		assert.Equal(t, want.code, code, line+stderr)
		assert.Contains(t, l.log(), want.log)
	}
	_, stdout, _ := l.run()
	assert.Contains(t, stdout, "The cluster is ready.")
	assert.Contains(t, stdout, "01-restclient    Chapter one.\n")
	assert.NotContains(t, stdout, "03-later")
	require.Zero(t, first(l.run("down")))
	assert.Equal(t, 3, first(l.run("status")))
	assert.Equal(t, 1, strings.Count(l.log(), "go build -v"), "only up builds")
}

func TestTheProgramThatStartedTheClusterIsGone(t *testing.T) {
	l := newLab(t)
	require.Zero(t, first(l.run("up")))
	require.NoError(t, os.RemoveAll(l.cache("bin")))
	code, _, stderr := l.run("down")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "go run ./lab up")
	require.Zero(t, first(l.run("up")))
	assert.Zero(t, first(l.run("down")))
}

func TestTour(t *testing.T) {
	l := newLab(t)
	code, stdout, stderr := l.run("tour", "--no-pause")
	require.Zero(t, code, stderr)
	one, two := strings.Index(stdout, `01-restclient ["all"]`), strings.Index(stdout, `02-clientset ["all"]`)
	assert.Greater(t, one, 0)
	assert.Greater(t, two, one)
	assert.Contains(t, stdout, "KUBECONFIG="+l.cache("cluster", "admin.conf"))
	assert.Contains(t, stdout, "2 of 2 chapters")
	assert.Equal(t, 1, strings.Count(l.log(), "localcluster up\n"))

	code, stdout, _ = l.run("tour", "2", "--no-pause")
	assert.Zero(t, code)
	assert.NotContains(t, stdout, "01-restclient")

	l.env = append(l.env, "FAKE_CHAPTER=exit=4")
	code, stdout, stderr = l.run("tour", "--no-pause")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "the tour stops at 01-restclient")
	assert.NotContains(t, stdout, "02-clientset")
}

func TestTourPauses(t *testing.T) {
	pausing := func(l *lab) (cmd *exec.Cmd, enter io.Writer, said io.Reader) {
		cmd = l.command("tour", "--no-pause=false")
		enter, err := cmd.StdinPipe()
		require.NoError(t, err)
		said, err = cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		var read strings.Builder
		for b := make([]byte, 1); !strings.HasSuffix(read.String(), "Enter for 02-clientset, Ctrl-C to stop: "); {
			_, err := said.Read(b)
			require.NoError(t, err, read.String())
			read.Write(b)
		}
		assert.Contains(t, l.log(), "01-restclient all")
		assert.NotContains(t, l.log(), "02-clientset all")
		return cmd, enter, said
	}
	l := newLab(t)
	cmd, enter, _ := pausing(l)
	_, err := enter.Write([]byte("\n"))
	require.NoError(t, err)
	assert.Zero(t, exitOf(t, cmd.Wait()))
	assert.Contains(t, l.log(), "02-clientset all")

	l = newLab(t)
	cmd, _, said := pausing(l)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(said)
	require.NoError(t, err)
	assert.Equal(t, "\nTo go on from here: go run ./lab tour 02\nlab: interrupted\n", string(rest))
	assert.Equal(t, 130, exitOf(t, cmd.Wait()))
	assert.NotContains(t, l.log(), "02-clientset all")
}

func TestTourPassesASecondInterruptOn(t *testing.T) {
	l := newLab(t)
	l.env = append(l.env, "FAKE_CHAPTER=cleans up")
	cmd := l.command("tour", "01")
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	for _, line := range []string{`01-restclient ["all"]`, "cleaning up"} {
		readUntil(t, said, line)
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
	}
	assert.Equal(t, 130, exitOf(t, cmd.Wait()))
	assert.Contains(t, l.log(), "interrupted twice\n", "the chapter was asked to end, not killed")
}

func TestOutsideTheRepository(t *testing.T) {
	l := newLab(t)
	cmd := l.command("status")
	cmd.Dir = l.home
	out, err := cmd.CombinedOutput()
	assert.Equal(t, 1, exitOf(t, err))
	assert.Contains(t, string(out), "is not inside the client-go-lab repository")

	cmd = l.command("status")
	cmd.Dir = filepath.Join(l.root, "01-restclient")
	assert.Equal(t, 3, exitOf(t, cmd.Run()), "a directory below is fine")
}

func TestHelpHasExamples(t *testing.T) {
	for _, cmd := range append((&app{}).commands().Commands(), (&app{}).commands()) {
		assert.Contains(t, cmd.Example, "go run ./lab", cmd.Name())
	}
}

func first(code int, _, _ string) int { return code }
