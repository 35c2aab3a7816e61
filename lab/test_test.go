package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parse reads lines of `go test -json`, of all packages or of one. The file was recorded from go1.26.
func parse(t *testing.T, pkg string) *testLog {
	t.Helper()
	data, err := os.ReadFile("testdata/gotest.jsonl")
	require.NoError(t, err)
	log := newTestLog()
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, `"example/`+pkg) {
			log.line(strings.TrimSuffix(line, "\n"))
		}
	}
	return log
}

func TestGoTestOutput(t *testing.T) {
	for pkg, want := range map[string]struct {
		passed, failed, skipped int
		says                    []string
	}{
		"good":   {2, 0, 2, nil}, // subtests count, their parent does not; its package was cached
		"bad":    {3, 2, 0, []string{"example/bad TestSub/right\n    a_test.go:4: right is wrong", "example/bad TestParent\n    a_test.go:5: only the parent"}},
		"broken": {0, 1, 0, []string{"example/broken\n", "broken/a_test.go:3:28: undefined: undefined"}},
		"panics": {1, 1, 0, []string{"example/panics TestPanic\n", "panic: boom"}},
		"exits":  {1, 1, 0, []string{"example/exits\n"}},
		"none":   {0, 0, 0, nil},
		"empty":  {0, 0, 0, nil},
		"":       {7, 5, 2, nil},
	} {
		t.Run(pkg, func(t *testing.T) {
			passed, failures, skips := parse(t, pkg).summary(false)
			assert.Equal(t, want.passed, passed)
			assert.Len(t, failures, want.failed)
			assert.Len(t, skips, want.skipped)
			for _, text := range want.says {
				assert.Contains(t, strings.Join(failures, "\n"), text)
			}
		})
	}
}

func TestSkips(t *testing.T) {
	_, failures, skips := parse(t, "good").summary(false)
	assert.Empty(t, failures)
	assert.Contains(t, skips, "example/good TestSkip: a_test.go:4: needs a moon")

	_, failures, skips = parse(t, "good").summary(true)
	assert.Len(t, skips, 1, "a skip for another reason stays one")
	require.Len(t, failures, 1)
	assert.Contains(t, failures[0], "TestNeedsCluster", "with a cluster nothing may skip for want of one")
}

func TestATestThatNeverEnds(t *testing.T) {
	log := newTestLog()
	log.line(`{"Action":"run","Package":"p","Test":"TestHangs"}`)
	log.line(`{"Action":"output","Package":"p","Output":"exit status 2\n"}`)
	log.line(`{"Action":"fail","Package":"p"}`)
	log.line(`go: something is wrong`)
	_, failures, _ := log.summary(false)
	require.Len(t, failures, 1)
	assert.Contains(t, failures[0], "p TestHangs")
	assert.Equal(t, "go: something is wrong\n", log.stray.String())
}

const onePass = `{"Action":"pass","Package":"p","Test":"TestX"}` + "\n"

// counts are the numbers in the last line of `lab test`, which must be the sum of the lines of its checks.
func counts(t *testing.T, stdout string) (passed, failed, skipped int) {
	t.Helper()
	var sum [3]int
	for line := range strings.Lines(stdout) {
		var n [3]int
		f := strings.Fields(line)
		what := slices.Index([]string{"ok", "FAIL", "skip"}, append(f, "")[0])
		if what < 0 {
			continue
		}
		if _, err := fmt.Sscanf(strings.Join(f[max(0, len(f)-6):], " "), "%d passed, %d failed, %d skipped", &n[0], &n[1], &n[2]); err != nil {
			n[what] = 1
		}
		for i := range sum {
			sum[i] += n[i]
		}
	}
	assert.Regexp(t, fmt.Sprintf(`\n\n%d passed, %d failed, %d skipped\n$`, sum[0], sum[1], sum[2]), stdout)
	return sum[0], sum[1], sum[2]
}

func TestTestCommand(t *testing.T) {
	l := newLab(t)
	require.Zero(t, first(l.run("up")))
	before, err := os.ReadFile(l.cache("cluster", "cluster.json"))
	require.NoError(t, err)

	l.env = append(l.env, "FAKE_TESTS="+onePass, "FAKE_ORPHAN=1")
	code, stdout, stderr := l.run("test")
	require.Zero(t, code, stdout+stderr)
	passed, failed, skipped := counts(t, stdout)
	assert.GreaterOrEqual(t, passed, 8, "vet twice, staticcheck, another system, clusters up and down, a test in each of two modules")
	assert.Zero(t, failed)
	assert.Equal(t, 2, skipped, "without git, no gofmt and no shellcheck")
	assert.Contains(t, stdout, "the race detector: it needs a C compiler")
	assert.Contains(t, l.log(), "localcluster up --merge-kubeconfig=false\n")
	assert.Regexp(t, `(?m)^down /tmp/lab-test-\d+/s0$`, l.log())
	assert.Regexp(t, `(?m)^down /tmp/lab-test-\d+/s1$`, l.log())
	assert.Regexp(t, `(?m)^down /tmp/lab-test-\d+/TestX/001/state$`, l.log(), "a cluster that a killed test left")
	assert.Equal(t, 3, strings.Count(l.log(), "localcluster down\n"))

	after, err := os.ReadFile(l.cache("cluster", "cluster.json"))
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "the learner's cluster is another one")
	assert.FileExists(t, l.cache("cluster", "running"))
	homes := regexp.MustCompile(`(?m)^test env HOME=(/tmp/lab-test-\d+) LAB_STATE=/tmp/lab-test-\d+/other LAB_TEST_KUBECONFIG=(.*)$`).FindAllStringSubmatch(l.log(), -1)
	assert.Len(t, homes, strings.Count(l.log(), "test env "), "no test sees the learner's home")
	kubeconfig := homes[0][1] + "/s0/admin.conf"
	assert.Equal(t, kubeconfig+":"+homes[0][1]+"/s1/admin.conf", homes[0][2], "a chapter's tests take a cluster that nobody has")
	assert.Equal(t, kubeconfig, homes[1][2], "those of localcluster know of one")
	assert.NoDirExists(t, homes[0][1], "nothing is left behind")
}

func TestOneClusterThatStaysUpKeepsNoOther(t *testing.T) {
	l := newLab(t)
	l.env = append(l.env, "FAKE_TESTS="+onePass, "FAKE_DOWN=fails")
	code, stdout, _ := l.run("test")
	assert.Equal(t, 1, code)
	assert.Regexp(t, `(?m)^FAIL +clusters down `, stdout)
	assert.Regexp(t, `(?m)^down /tmp/lab-test-\d+/s0$`, l.log())
	assert.Regexp(t, `(?m)^down /tmp/lab-test-\d+/s1$`, l.log())
}

func TestTestCommandFails(t *testing.T) {
	for name, c := range map[string]struct{ env, says string }{
		"a failing test":   {"FAKE_TESTS=" + `{"Action":"fail","Package":"p","Test":"TestX"}` + "\n", "--- p TestX"},
		"no test at all":   {"FAKE_TESTS=", "found no test in ./..."},
		"go test itself":   {"FAKE_TEST_EXIT=2", "go test: exit status 2"},
		"no cluster":       {"FAKE_UP=fails", "clusters up: exit status 1"},
		"no cluster build": {"FAKE_FAILURE=undefined: x", "undefined: x"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.env = append(l.env, "FAKE_TESTS="+onePass, c.env)
			code, stdout, stderr := l.run("test")
			assert.Equal(t, 1, code, stdout+stderr)
			_, failed, _ := counts(t, stdout)
			assert.NotZero(t, failed)
			assert.Contains(t, stdout, c.says)
		})
	}
}

func TestLinters(t *testing.T) {
	l := newLab(t)
	l.programs("git", "gofmt")
	l.env = append(l.env, "FAKE_TESTS="+onePass, "FAKE_git=go.mod\nremoved.sh\n")
	code, stdout, _ := l.run("test")
	assert.Zero(t, code)
	assert.Regexp(t, `(?m)^ok +gofmt `, stdout)
	assert.Regexp(t, `(?m)^skip +shellcheck `, stdout, "missing is not passed")
	assert.Contains(t, stdout, "shellcheck: install it: apt-get install shellcheck")
	counts(t, stdout)

	l.programs("shellcheck")
	code, stdout, _ = l.run("test")
	assert.Zero(t, code)
	assert.Regexp(t, `(?m)^ok +shellcheck `, stdout)
	assert.Contains(t, l.log(), "shellcheck go.mod\n", "a removed file is not checked")

	l.env = append(l.env, "FAKE_gofmt=main.go\n", "FAKE_shellcheck=SC1000\n")
	code, stdout, _ = l.run("test")
	assert.Equal(t, 1, code)
	assert.Contains(t, stdout, "main.go\ngofmt: these files are not formatted; run: gofmt -w FILE")
	assert.Contains(t, stdout, "SC1000\nshellcheck: exit status 1")
	_, failed, _ := counts(t, stdout)
	assert.Equal(t, 2, failed)
}

func TestGeneratedFiles(t *testing.T) {
	l := newLab(t)
	l.env = append(l.env, "FAKE_TESTS="+onePass)
	code, stdout, stderr := l.run("test")
	assert.Zero(t, code, stdout+stderr)
	assert.Regexp(t, `(?m)^ok +generated files `, stdout)
	assert.Regexp(t, `(?m)^go tool -modfile=tools/go.mod controller-gen object crd paths=./07-controller/api/v1alpha1 output:dir=/`, l.log())

	for name, c := range map[string]struct{ changed, env, says string }{
		"types changed, for the code": {changed: apiDir + "/zz.go",
			says: "07-controller/api/v1alpha1/zz.go\ngenerated files: these files are not what would be generated today; run: go generate ./07-controller/api/v1alpha1\n"},
		"types changed, for the manifest": {changed: crdDir + "/crd.yaml", says: "07-controller/config/crd.yaml\ngenerated files: "},
		"never generated":                 {env: "FAKE_GENERATES=zz.go new.yaml", says: "07-controller/config/new.yaml\ngenerated files: "},
		"nothing generated":               {env: "FAKE_GENERATES=", says: "generated files: controller-gen wrote nothing for 07-controller/api/v1alpha1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.env = append(l.env, "FAKE_TESTS="+onePass, c.env)
			if c.changed != "" {
				l.write(c.changed, "by hand")
			}
			code, stdout, _ := l.run("test")
			assert.Equal(t, 1, code)
			assert.Contains(t, stdout, c.says)
			_, failed, _ := counts(t, stdout)
			assert.Equal(t, 1, failed)
			if c.changed != "" {
				data, err := os.ReadFile(filepath.Join(l.root, c.changed))
				require.NoError(t, err)
				assert.Equal(t, "by hand", string(data), "the checkout is not changed")
			}
		})
	}
}

func TestTestCommandWithRun(t *testing.T) {
	l := newLab(t)
	l.env = append(l.env, "FAKE_TESTS="+onePass)
	code, stdout, stderr := l.run("test", "--run", "TestX", "--no-race")
	require.Zero(t, code, stdout+stderr)
	assert.Regexp(t, `(?m)^go test -json -shuffle=on -timeout=30m -p=\d+ -run TestX ./07-controller ./...$`, l.log())
	assert.NotContains(t, l.log(), "go vet")
	assert.Contains(t, stdout, "leave out --run")
	_, failed, skipped := counts(t, stdout)
	assert.Zero(t, failed+skipped)

	l.env = append(l.env, "FAKE_TESTS=")
	code, stdout, _ = l.run("test", "--run", "TestNone")
	assert.Equal(t, 1, code)
	assert.Contains(t, stdout, "no test matches TestNone")
}

// The race detector needs cgo, also where it is off, and only packages that have tests.
func TestTestCommandWithRace(t *testing.T) {
	l := newLab(t)
	l.env = append(l.env, "FAKE_TESTS="+onePass, "FAKE_CC=/bin/sh -c", "CGO_ENABLED=0", "FAKE_TESTED=client-go-lab/b\nclient-go-lab/a")
	code, stdout, stderr := l.run("test", "--run", "TestX")
	require.Zero(t, code, stdout+stderr)
	assert.Regexp(t, `(?m)^go test .* -race -gcflags=all=-dwarf=false -run TestX client-go-lab/b client-go-lab/a$`, l.log())
	assert.Contains(t, l.log(), "with race CGO_ENABLED=1\n")
	assert.NotContains(t, l.log(), "with race CGO_ENABLED=0\n")
	assert.NotContains(t, stdout, "the race detector:")
}

func TestInterruptTakesTheThrowAwayClusterDown(t *testing.T) {
	for _, where := range []string{"up", "test", "docs"} {
		t.Run(where, func(t *testing.T) {
			l := newLab(t)
			g := l.gate(where)
			cmd := l.command("test")
			require.NoError(t, cmd.Start())
			g.reached()
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			assert.Equal(t, 130, exitOf(t, cmd.Wait()))
			assert.Regexp(t, `(?m)^down /tmp/lab-test-\d+/s0$`, l.log())
			if where != "up" {
				assert.Regexp(t, `(?m)^down /tmp/lab-test-\d+/s1$`, l.log())
			}
			assert.Contains(t, l.log(), "interrupted\n", "what runs is told")
		})
	}
}
