package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeyFollowsWhatChangesTheProgram(t *testing.T) {
	l := newLab(t)
	t.Setenv("FAKE_GOVERSION", "go1.26.8")
	t.Setenv("FAKE_LOG", l.value("FAKE_LOG"))
	t.Setenv("GORACE", l.value("GORACE"))
	a := &app{root: l.root, goCmd: filepath.Join(l.value("PATH"), "go"), err: os.Stderr}
	key := func() string {
		t.Helper()
		target, err := a.clusterTarget()
		require.NoError(t, err)
		key, err := a.binaryKey(context.Background(), target)
		require.NoError(t, err)
		return key
	}
	first := key()
	assert.Equal(t, first, key(), "nothing changed")

	l.write("localcluster/main_test.go", "package main\n")
	l.write("localcluster/README.md", "words")
	l.write("localcluster/testdata/x.go", "package x\n")
	assert.Equal(t, first, key(), "tests and words are not in the program")

	seen := map[string]string{first: "the start"}
	differs := func(what string) {
		t.Helper()
		k := key()
		assert.NotContains(t, seen, k, what)
		seen[k] = what
	}
	l.write("localcluster/cluster/up.go", "package cluster\n")
	differs("a new source")
	l.write("localcluster/cluster/up.go", "package cluster // now\n")
	differs("a changed source")
	l.write("localcluster/cluster/seed.yaml", "kind: Pod\n")
	differs("an embedded file")
	l.write("localcluster/go.sum", "k8s.io/kubernetes v1.37.2 h1:x\n")
	differs("a changed go.sum")
	t.Setenv("FAKE_GOVERSION", "go1.27.0")
	differs("another Go")

	target, err := a.clusterTarget()
	require.NoError(t, err)
	target.ldflags += " -X other=flag"
	k, err := a.binaryKey(context.Background(), target)
	require.NoError(t, err)
	assert.NotContains(t, seen, k, "another flag")
}

func TestKubernetesVersionComesFromItsModule(t *testing.T) {
	l := newLab(t)
	l.write("localcluster/go.mod", strings.Replace(kubernetesModule, "v1.37.2", "v1.38.0", 1))
	target, err := (&app{root: l.root}).clusterTarget()
	require.NoError(t, err)
	assert.Contains(t, target.label, "v1.38.0")
	assert.Contains(t, target.ldflags, "gitVersion=v1.38.0 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=38 ")

	l.write("localcluster/go.mod", "module client-go-lab/localcluster\n")
	_, err = (&app{root: l.root}).clusterTarget()
	require.ErrorContains(t, err, "requires no k8s.io/kubernetes")
}

func TestProgressCountsPackages(t *testing.T) {
	var shown bytes.Buffer
	p := &progress{w: &shown, start: time.Unix(0, 0), now: func() time.Time { return time.Unix(192, 0) }}
	o := &goOutput{label: "Kubernetes v1.37.2 (once per version)", progress: p, total: 2540, done: 1200,
		stale: map[string]bool{"k8s.io/api/core/v1": true, "k8s.io/client-go/rest": true, "k8s.io/klog/v2": true,
			"client-go-lab/localcluster": true}}
	w := &lineWriter{line: o.line}
	for _, part := range []string{"go: downloading k8s.io/api v0.37.2\nk8s.io/kl", "og/v2\nk8s.io/api/co", "re/v1\n# k8s.io/client-go/rest\nrest.go:1: oh\n", "k8s.io/klog/v2\n", "k8s.io/client-go/rest\n"} {
		_, err := w.Write([]byte(part))
		require.NoError(t, err)
		p.draw()
	}
	assert.Equal(t, `Downloading Go modules (once): 1, k8s.io/api v0.37.2, 3m12s
Building Kubernetes v1.37.2 (once per version): 1201/2540 packages, 3m12s
Building Kubernetes v1.37.2 (once per version): 1202/2540 packages, 3m12s
Building Kubernetes v1.37.2 (once per version): 1202/2540 packages, 3m12s
Linking Kubernetes v1.37.2 (once per version), 3m12s
`, shown.String())
	assert.Equal(t, "# k8s.io/client-go/rest\nrest.go:1: oh\nk8s.io/klog/v2\n", o.rest.String(), "a package counts once; the rest explains a failure")
}

func TestProgressRewritesOneLineOnATerminal(t *testing.T) {
	var shown bytes.Buffer
	p := &progress{w: &shown, terminal: true, start: time.Unix(0, 0), now: func() time.Time { return time.Unix(1, 0) }}
	p.set("%s", strings.Repeat("x", 200))
	p.draw()
	assert.Equal(t, "\r\x1b[K"+strings.Repeat("x", 75)+", 1s", shown.String(), "what would wrap is cut")
	assert.False(t, isTerminal(&shown))
}

func TestUpBuildsOnce(t *testing.T) {
	l := newLab(t)
	code, _, stderr := l.run("up", "--fresh", "--nodes", "3")
	require.Zero(t, code, stderr)
	assert.Contains(t, l.log(), "localcluster up --fresh=true --nodes=3\n")
	assert.Regexp(t, `(?m)^go build -v .* -o \S+/localcluster -gcflags=k8s\.io/kubernetes/\.\.\.=-dwarf=false .* \.$`, l.log())

	code, _, stderr = l.run("up")
	require.Zero(t, code, stderr)
	assert.Equal(t, 1, strings.Count(l.log(), "go build -v"), "the second up finds the program")
}

func TestTwoBuildsAtOnce(t *testing.T) {
	l := newLab(t)
	first := l.command("up")
	g := l.gate("compile")
	first.Env = l.env
	require.NoError(t, first.Start())
	at := g.reached()

	l.env = append(l.env, "FAKE_GATE=")
	second := l.command("up")
	said, err := second.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, second.Start())
	readUntil(t, said, "Another lab is building")

	at.Close()
	g.reached().Close()
	assert.Zero(t, exitOf(t, first.Wait()))
	assert.Zero(t, exitOf(t, second.Wait()))
	assert.Equal(t, 1, strings.Count(l.log(), " -o "), l.log())
	assert.Equal(t, 2, strings.Count(l.log(), "localcluster up\n"), "both start the cluster")
}

func TestInterruptedBuildLeavesNothingAndResumes(t *testing.T) {
	l := newLab(t)
	g := l.gate("compile")
	cmd := l.command("up")
	require.NoError(t, cmd.Start())
	g.reached()
	require.NotEmpty(t, glob(l.cache("bin"), "tmp-*/go-build1"), "go works in lab's directory")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	assert.Equal(t, 130, exitOf(t, cmd.Wait()))
	assert.Contains(t, l.log(), "interrupted\n", "go was asked to end, not killed")
	assert.Empty(t, glob(l.cache("bin"), "*/*"))

	l.env = append(l.env, "FAKE_GATE=")
	code, _, stderr := l.run("up")
	require.Zero(t, code, stderr)
	assert.Equal(t, 1, strings.Count(l.log(), "compile k8s.io/a\n"), "not again")
	assert.Equal(t, 1, strings.Count(l.log(), "compile k8s.io/b\n"))
}

func TestKilledBuildIsCleanedUpByTheNext(t *testing.T) {
	l := newLab(t)
	left := l.cache("bin", "tmp-1", "half")
	require.NoError(t, os.MkdirAll(left, 0o755))
	code, _, stderr := l.run("up")
	require.Zero(t, code, stderr)
	assert.NoDirExists(t, left)
}

func TestOldBinariesGoButNotTheRunningOne(t *testing.T) {
	l := newLab(t)
	build := func(version string) string {
		t.Helper()
		l.write("localcluster/main.go", "package main // "+version+"\n")
		before := glob(l.cache("bin"), "*/localcluster")
		a := &app{root: l.root, cache: l.cache(), state: l.cache("cluster"), goCmd: filepath.Join(l.value("PATH"), "go"), err: os.Stderr}
		for _, name := range []string{"FAKE_LOG", "GOCACHE", "GORACE"} {
			t.Setenv(name, l.value(name))
		}
		path, err := a.binary(context.Background())
		require.NoError(t, err)
		require.NotContains(t, before, path)
		return path
	}
	aged := func(path string, seconds int64) string { // the link to the test binary has its target's time
		t.Helper()
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(path, nil, 0o755))
		require.NoError(t, os.Chtimes(path, time.Unix(seconds, 0), time.Unix(seconds, 0)))
		return path
	}
	running := aged(build("1"), 1)
	require.NoError(t, os.MkdirAll(l.cache("cluster"), 0o755))
	require.NoError(t, os.WriteFile(l.cache("cluster", "cluster.json"), []byte(`{"binary":"`+running+`"}`), 0o644))
	older := aged(build("2"), 2)
	second := aged(build("3"), 3)
	newest := build("4")
	assert.NoFileExists(t, older)
	assert.ElementsMatch(t, []string{running, second, newest}, glob(l.cache("bin"), "*/localcluster"))
}

func TestBuildFailures(t *testing.T) {
	for name, c := range map[string]struct{ said, remedy string }{
		"compiler":  {"# k8s.io/a\na.go:3: undefined: x", "doctor"},
		"full disk": {"write /x: no space left on device", "The disk is full"},
		"network":   {"go: k8s.io/a@v1.0.0: dial tcp: lookup proxy.golang.org", "GOPROXY"},
		"memory":    {"/go/compile: signal: killed", "GOFLAGS=-p=1"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.env = append(l.env, "FAKE_FAILURE="+c.said)
			code, _, stderr := l.run("up")
			assert.Equal(t, 1, code)
			assert.Contains(t, stderr, c.said)
			assert.Contains(t, stderr, c.remedy)
			assert.Empty(t, glob(l.cache("bin"), "*/*"), "nothing is left")
		})
	}
}

func TestUnusableCacheDirectory(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(l.home, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	l.env = append(l.env, "XDG_CACHE_HOME="+file)
	code, _, stderr := l.run("up")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "XDG_CACHE_HOME")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
}

func TestNoGo(t *testing.T) {
	l := newLab(t)
	cmd := l.command("up")
	cmd.Env = append(l.env, "PATH="+l.home)
	out, err := cmd.CombinedOutput()
	assert.Equal(t, 1, exitOf(t, err))
	assert.Contains(t, string(out), "https://go.dev/dl")
}

func TestIncompleteClone(t *testing.T) {
	l := newLab(t)
	require.NoError(t, os.RemoveAll(filepath.Join(l.root, "localcluster")))
	code, _, stderr := l.run("up")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "the clone is not complete")
}
