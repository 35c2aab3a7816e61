package main

import (
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

const benchOutput = `goos: linux
BenchmarkLookup/by_index-2         	  847532	      1412 ns/op
BenchmarkLookup/scan-2             	    4053	    295300 ns/op	       0 B/op	       0 allocs/op
BenchmarkCache/all-2               	       1	 912345678 ns/op	       128.4 MB-allocated	        77.12 MB-kept	        53 MB-on-the-wire	     10000 pods
BenchmarkCache/all_by_LIST-2       	       1	 812345678 ns/op	        99.00 MB-kept	        54 MB-on-the-wire
BenchmarkCache/slim                	       1	 712345678 ns/op	        7.5 MB-kept
BenchmarkCache/metadata_only-2     	       1	 712345678 ns/op	        28 MB-kept	        31 MB-on-the-wire
BenchmarkCache/one_of_100_by_selector-2 	 1	 1.2e+07 ns/op	        0.81 MB-kept	         0.53 MB-on-the-wire
PASS
`

func TestReadMetrics(t *testing.T) {
	var read []string
	for _, m := range readMetrics(benchOutput) {
		read = append(read, m.what+" = "+m.String())
	}
	assert.Equal(t, []string{"Lookup: by index = 1.4 µs", "Lookup: scan = 295 µs", "Lookup: scan = 0 B/op", "Lookup: scan = 0 allocs/op",
		"Cache: all = 128 MB allocated", "Cache: all = 77.1 MB kept", "Cache: all = 53 MB on the wire", "Cache: all = 10000 pods",
		"Cache: all by LIST = 99 MB kept", "Cache: all by LIST = 54 MB on the wire", "Cache: slim = 7.5 MB kept",
		"Cache: metadata only = 28 MB kept", "Cache: metadata only = 31 MB on the wire",
		"Cache: one of 100 by selector = 0.81 MB kept", "Cache: one of 100 by selector = 0.53 MB on the wire"}, read)
	assert.Empty(t, readMetrics("goos: linux\nBenchmarkBroken-2\nPASS\nok  x  0.1s\n"))
}

func TestBenchmarkFigures(t *testing.T) {
	all := benchmark{command: "c", figures: []figure{{"took", "", "s"}, {"ready", `after ([\d.]+) s`, "s"}, {"lines", `(?m)^=`, "steps"},
		metric("kept", "Cache/all", "MB-kept")}}
	found, err := all.read("= after 2.5 s\n= x\n"+benchOutput, 1500*time.Millisecond)
	require.NoError(t, err)
	var figures []string
	for _, r := range found {
		assert.Equal(t, "c", r.command)
		figures = append(figures, r.what+" "+r.String())
	}
	assert.Equal(t, []string{"took 1.5 s", "ready 2.5 s", "lines 2 steps", "kept 77.1 MB"}, figures)

	_, err = all.read("= nothing else", 0)
	assert.ErrorContains(t, err, "c does not tell: ready\n= nothing else")
	_, err = benchmark{command: "c"}.read("PASS", 0)
	assert.ErrorContains(t, err, "c measured nothing:\nPASS")
}

func TestMedianAndExtremes(t *testing.T) {
	for want, r := range map[string]row{
		"3.0 s":                       {unit: "s", samples: []float64{3}},
		"3.1 s (2.9 to 12.0)":         {unit: "s", samples: []float64{12, 2.9, 3.1}},
		"0.25 s (0.20 to 0.30)":       {unit: "s", samples: []float64{0.3, 0.2}},
		"373 MiB (371 to 380)":        {unit: "MiB", samples: []float64{371, 373, 380}},
		"1.0 ms (0.99 to 1.1)":        {unit: "ns/op", samples: []float64{990e3, 1.02e6, 1.1e6}},
		"5.0 s":                       {unit: "ns/op", samples: []float64{4.99e9}},
		"84 ns":                       {unit: "ns/op", samples: []float64{84}},
		"1234 objects/s":              {unit: "objects/s", samples: []float64{1234.4}},
		"59 steps":                    {unit: "steps", samples: []float64{59, 59}},
		"0.53 MB on the wire":         {unit: "MB-on-the-wire", samples: []float64{0.53, 0.531}},
		"12.3 MB kept (11.0 to 13.5)": {unit: "MB-kept", samples: []float64{11.02, 12.3, 13.5}},
	} {
		assert.Equal(t, want, r.String())
	}
}

// newBench is a repository with the exercises that bench solves, and a cluster of the learner's.
func newBench(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	for _, dir := range []string{"01-restclient/solutions/1-hello", "02-clientset/solutions/1-list"} {
		l.write(dir+"/exercise.go", halved)
		l.write(dir+"/hints.md", "## 1\nlook at it\n## 2\ncall it\n## 3\nwrite it\n")
	}
	require.Zero(t, first(l.run("exercises", "render")))
	require.Zero(t, first(l.run("up")))
	truth, err := exec.LookPath("true")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(truth, filepath.Join(l.value("PATH"), "sleep")))
	solved := says("1-hello", "pass", "") + strings.ReplaceAll(says("1-list", "pass", ""), "01-restclient", "02-clientset")
	l.env = append(l.env, "FAKE_TESTS="+benchOutput+solved)
	return l
}

// bench is `lab bench args...`. Its commands need a shell's programs, behind the fakes.
func (l *lab) bench(args ...string) *exec.Cmd {
	cmd := l.command(append([]string{"bench"}, args...)...)
	cmd.Env = append(l.env, "PATH="+l.value("PATH")+":/usr/bin:/bin")
	return cmd
}

func TestBenchCommand(t *testing.T) {
	l := newBench(t)
	before := learnersFiles(t, l)
	var stdout, stderr strings.Builder
	cmd := l.bench("--runs", "2", "--markdown")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.Zero(t, exitOf(t, cmd.Run()), stderr.String())

	rows := tableRows(t, stdout.String())
	assert.Equal(t, []string{"nothing running, to `/readyz`", "2.0 s", "`go run ./lab up --fresh`"}, rows[0])
	assert.Contains(t, rows, []string{"memory, ten seconds after the start", "373 MiB", "`go run ./lab status`"})
	assert.Contains(t, rows, []string{"steps of that tour", "2 steps", "`go run ./lab tour --no-pause`"})
	assert.Contains(t, rows, []string{"one node's 100 pods among 10,000: by index", "1.4 µs", "`go test -run '^$' -bench Lookup ./05-informer`"})
	assert.Contains(t, rows, []string{"Cache: slim", "7.5 MB kept", "`go test -run '^$' -bench . ./07-controller`"})
	assert.Regexp(t, `\n\n\w+/\w+, \d+ cores, go1\S+?(, load average before: [\d.]+)?\.\n$`, stdout.String())

	assert.Equal(t, 2, strings.Count(l.log(), "localcluster up --fresh=true\n"), "once a run")
	homes := regexp.MustCompile(`(?m)^test env HOME=(/tmp/lab-bench-\d+) LAB_STATE=(\S+) LAB_TEST_KUBECONFIG=(\S+)$`).FindAllStringSubmatch(l.log(), -1)
	assert.Len(t, homes, strings.Count(l.log(), "test env "), "no command sees the learner's home")
	assert.Equal(t, []string{homes[0][1] + "/s", homes[0][1] + "/s/admin.conf"}, homes[0][2:])
	assert.Equal(t, "down "+homes[0][1]+"/s", lastLine(l.log()), "the cluster is down at the end")
	assert.NoDirExists(t, homes[0][1], "nothing is left behind")
	assert.Equal(t, 1, strings.Count(l.log(), "-o "+l.cache("bin")), "the cluster is built once, by its owner's first up")
	assert.Equal(t, before, learnersFiles(t, l), "neither exercises nor cluster nor programs are touched")
}

// learnersFiles is every file of the repository and of the cache, with its content.
func learnersFiles(t *testing.T, l *lab) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, dir := range []string{l.root, l.home} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			files[path] = string(data)
			return err
		}))
	}
	require.NotEmpty(t, files)
	return files
}

func TestBenchPlainTableOfSomeRows(t *testing.T) {
	l := newBench(t)
	out, err := l.bench("informer", "controller", "--runs", "1").Output()
	require.NoError(t, err)
	assert.Regexp(t, `^WHAT +ONE RUN +COMMAND\n`, string(out))
	assert.Regexp(t, `(?m)^cut down by a transform: kept +7\.5 MB +go test `, string(out))
	assert.NotContains(t, l.log(), "check", "other rows were not asked for")
}

func TestBenchGoesOnWithoutABrokenCommand(t *testing.T) {
	l := newBench(t)
	l.env = append(l.env, "FAKE_CHAPTER=exit=4")
	var stderr strings.Builder
	cmd := l.bench("tour", "informer", "--runs", "2")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	assert.Equal(t, 1, exitOf(t, err))
	assert.Contains(t, stderr.String(), "lab: go run ./lab tour --no-pause: exit status 1\n")
	assert.Contains(t, stderr.String(), "the tour stops at 01-restclient")
	assert.Equal(t, 1, strings.Count(l.log(), "01-restclient all"), "it is not tried again")
	assert.Contains(t, string(out), "by index")
	assert.NotContains(t, string(out), "tour")
}

func TestBenchUsage(t *testing.T) {
	l := newLab(t)
	for line, want := range map[string]string{"bench nonsense": `invalid argument "nonsense"`, "bench --runs 0": "--runs must be 1 or more"} {
		code, _, stderr := l.run(strings.Fields(line)...)
		assert.Equal(t, 2, code)
		assert.Contains(t, stderr, want)
	}
	assert.Empty(t, l.log())
}

func TestInterruptedBenchLeavesNothing(t *testing.T) {
	for _, where := range []string{"up", "test"} {
		t.Run(where, func(t *testing.T) {
			l := newBench(t)
			g := l.gate(where)
			cmd := l.bench("exercises")
			require.NoError(t, cmd.Start())
			g.reached()
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			assert.Equal(t, 130, exitOf(t, cmd.Wait()))
			assert.Regexp(t, `^down /tmp/lab-bench-\d+/s$`, lastLine(l.log()))
			assert.NoDirExists(t, filepath.Dir(strings.TrimPrefix(lastLine(l.log()), "down ")))
		})
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// tableRows reads a table as bench prints it, and checks its form.
func tableRows(t *testing.T, text string) (rows [][]string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	require.Greater(t, len(lines), 4)
	assert.Regexp(t, `^\| what \| median \(least to most\) of \d+ runs \| command \|$`, lines[0])
	assert.Equal(t, "| --- | --- | --- |", lines[1])
	for _, line := range lines[2 : len(lines)-2] {
		m := regexp.MustCompile("^\\| (.+) \\| ([\\d.]+ [^|]+?(?: \\([\\d.]+ to [\\d.]+\\))?) \\| (`[^`]+`) \\|$").FindStringSubmatch(line)
		require.NotNil(t, m, line)
		rows = append(rows, m[1:])
	}
	assert.Empty(t, lines[len(lines)-2])
	assert.Regexp(t, `^\w+/\w+, \d+ cores, go\S+(, load average before: [\d.]+)?\.$`, lines[len(lines)-1])
	return rows
}

// What the document shows is what bench prints today, but for the numbers.
func TestDocumentHoldsWhatBenchPrints(t *testing.T) {
	data, err := os.ReadFile("../docs/performance.md")
	require.NoError(t, err)
	_, block, _ := strings.Cut(string(data), "<!-- lab bench: begin -->\n")
	block, _, found := strings.Cut(block, "<!-- lab bench: end -->\n")
	require.True(t, found, "docs/performance.md has no block between the marks of lab bench")
	var shown, printed [][2]string
	for _, r := range tableRows(t, block) {
		if !strings.HasSuffix(r[2], "./07-controller`") { // that chapter names its metrics itself
			shown = append(shown, [2]string{r[0], r[2]})
		}
	}
	for _, b := range benchmarks {
		for _, f := range b.figures {
			printed = append(printed, [2]string{f.what, "`" + b.command + "`"})
		}
	}
	assert.Equal(t, printed, shown, "print it again: go run ./lab bench --markdown")
}
