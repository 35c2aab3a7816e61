package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// benchmark is a command and what it tells. sh runs it in a copy of the repository, after prepare, which is not measured.
type benchmark struct {
	group, prepare, command string
	figures                 []figure // nil: all that `go test -bench` reports
}

// figure is a row of the table. find says where it stands in the command's output: a regular expression whose group is the
// figure or, without a group, whose matches are counted. Empty: the figure is the time that the command takes.
type figure struct{ what, find, unit string }

var benchmarks = []benchmark{
	{"cluster", "go run ./lab down", "go run ./lab up --fresh", []figure{
		{"nothing running, to `/readyz`", `server is ready after ([\d.]+) s`, "s"},
		{"nothing running, to nine pods of the sample workloads Running", `nodes, after ([\d.]+) s`, "s"},
	}},
	{"cluster", "", "go run ./lab up", []figure{{"`up` on a running cluster", "", "s"}}},
	{"cluster", "sleep 10", "go run ./lab status", []figure{{"memory, ten seconds after the start", `(?m)^all +(\d+) MiB`, "MiB"}}},
	{"cluster", "", "go run ./lab down", []figure{{"`down`", "", "s"}}},
	{"cluster", "go run ./lab down", "go run ./lab up", []figure{{"data of an earlier cluster, to its pods Running", `nodes, after ([\d.]+) s`, "s"}}},
	exerciseBenchmark("01/hello", "01-restclient", "1-hello", "an exercise, from saving its file to the result, on its fake and on the cluster"),
	exerciseBenchmark("02/list", "02-clientset", "1-list", "the same where a whole clientset is linked"),
	{"tour", "go run ./lab down", "go run ./lab tour --no-pause", []figure{
		{"every step of every chapter, on a cluster that has to start; the first run links the programs", "", "s"},
		{"steps of that tour", `(?m)^=== \d`, "steps"},
	}},
	{"informer", "go run ./lab down", "go test -run '^$' -bench Lookup ./05-informer", []figure{
		metric("one node's 100 pods among 10,000: by index", "Lookup/by_index", "ns/op"),
		metric("one node's 100 pods among 10,000: by a scan", "Lookup/scan", "ns/op"),
	}},
	{"informer", "go run ./lab down", "go test -run '^$' -bench Cache -benchtime 1x ./05-informer", []figure{
		metric("a cache of 10,000 pods: received", "Cache/all", "MB-on-the-wire"),
		metric("a cache of 10,000 pods: kept", "Cache/all", "MB-kept"),
		metric("cut down by a transform: kept", "Cache/slim", "MB-kept"),
		metric("metadata only: received", "Cache/metadata_only", "MB-on-the-wire"),
		metric("metadata only: kept", "Cache/metadata_only", "MB-kept"),
		metric("one pod of 100, by selector: received", "Cache/one_of_100_by_selector", "MB-on-the-wire"),
		metric("one pod of 100, by selector: kept", "Cache/one_of_100_by_selector", "MB-kept"),
	}},
	{"controller", "go run ./lab up", "go test -run '^$' -bench Websites/websites=1000/qps=500 -benchtime 1x ./07-controller", nil},
}

// exerciseBenchmark saves the solution with a function that no run had before. The check before that compiles the test.
func exerciseBenchmark(id, chapter, dir, what string) benchmark {
	save := func(name string) string {
		return fmt.Sprintf(`{ cat %[1]s/solutions/%[2]s/exercise.go; echo "func %[3]s() int { return $$ }"; } >%[1]s/exercises/%[2]s/exercise.go`, chapter, dir, name)
	}
	check := "go run ./lab check " + id
	return benchmark{"exercises", save("before") + " && go run ./lab up && " + check + " && " + save("after"), check, []figure{{what, "", "s"}}}
}

// metric is what a benchmark reports in a unit. MB-kept says in the table what is kept, and how many MB.
func metric(what, name, unit string) figure {
	short, _, _ := strings.Cut(unit, "-")
	return figure{what, `(?m)^Benchmark` + name + `(?:-\d+)?[ \t].*?(\S+) ` + unit + `(?:[ \t]|$)`, short}
}

func (a *app) benchCommand() *cobra.Command {
	groups := []string{"cluster", "exercises", "tour", "informer", "controller"}
	bench := &cobra.Command{
		Use:   "bench [GROUP...]",
		Short: "Measure what all this costs, on a throw-away cluster that never touches yours",
		Long: `Measure what all this costs, some minutes long, and print a table: the median of some runs, the least and the most, and
the command. Leave the machine alone meanwhile; the load that it had before is printed, too.
Groups of rows: ` + strings.Join(groups, ", ") + "; all of them when none is named.",
		Example: `  go run ./lab bench
  go run ./lab bench cluster exercises --runs 3
  go run ./lab bench --markdown > table.md       for docs/performance.md`,
		ValidArgs: groups,
		Args:      cobra.OnlyValidArgs,
	}
	runs := bench.Flags().Int("runs", 5, "how often to run each command")
	markdown := bench.Flags().Bool("markdown", false, "print the table in Markdown")
	bench.RunE = func(cmd *cobra.Command, chosen []string) error {
		if *runs < 1 {
			return usageError{errors.New("--runs must be 1 or more")}
		}
		todo := slices.DeleteFunc(slices.Clone(benchmarks), func(b benchmark) bool { return len(chosen) > 0 && !slices.Contains(chosen, b.group) })
		return a.bench(cmd.Context(), todo, *runs, *markdown)
	}
	return bench
}

func (a *app) bench(ctx context.Context, todo []benchmark, runs int, markdown bool) (err error) {
	load, _ := os.ReadFile("/proc/loadavg") // Linux alone has it
	bin, err := a.binary(ctx)               // shows its own progress
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(shortTemp(), "lab-bench-")
	if err != nil {
		return fmt.Errorf("make a directory for the throw-away cluster: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()

	// Beside the cluster, the commands get a copy of the repository, whose exercises they solve, and a home of their own.
	throwAway := *a
	throwAway.root, throwAway.state, throwAway.err = filepath.Join(tmp, "repo"), filepath.Join(tmp, "s"), io.Discard
	defer func() { err = errors.Join(err, throwAway.downAll(context.WithoutCancel(ctx), tmp)) }()
	caches := filepath.Join(tmp, "Library", "Caches") // macOS looks there
	env := append(a.homeEnv(ctx, tmp), "XDG_CACHE_HOME="+caches, "LAB_STATE="+throwAway.state,
		"LAB_TEST_KUBECONFIG="+throwAway.kubeconfig(), "LAB_TEST_BINARY="+bin)
	if _, err := shell(ctx, a.root, env, fmt.Sprintf("mkdir -p '%[1]s' '%[2]s' && cp -R [!.]* '%[1]s' && ln -s '%[3]s' '%[2]s'",
		throwAway.root, filepath.Join(caches, "client-go-lab"), filepath.Join(a.cache, "bin"))); err != nil {
		return err
	}
	var rows []*row
	broken := map[string]bool{}
	p := newProgress(a.err)
	for run := range runs {
		for _, b := range todo {
			if broken[b.group+b.command] {
				continue
			}
			p.set("Run %d of %d: %s", run+1, runs, b.command)
			stop := p.every(10 * time.Second)
			found, err := b.measure(ctx, throwAway.root, env)
			stop()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil { // the other rows are worth having
				broken[b.group+b.command] = true
				fmt.Fprintln(a.err, "lab:", err)
			}
			rows = gather(rows, found)
		}
	}
	fmt.Fprintf(a.out, "%s\n%s/%s, %d cores, %s", table(rows, runs, markdown), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	if minute, _, found := strings.Cut(string(load), " "); found {
		fmt.Fprintf(a.out, ", load average before: %s", minute)
	}
	fmt.Fprintln(a.out, ".")
	if len(broken) > 0 {
		return exitError(1)
	}
	return nil
}

func shell(ctx context.Context, dir string, env []string, command string) (string, error) {
	var out strings.Builder
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), env...), &out, &out
	err := runGroup(ctx, cmd)
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", command, err, out.String())
	}
	return out.String(), err
}

// measure runs b once.
func (b benchmark) measure(ctx context.Context, dir string, env []string) ([]row, error) {
	if _, err := shell(ctx, dir, env, b.prepare); err != nil {
		return nil, err
	}
	start := time.Now()
	out, err := shell(ctx, dir, env, b.command)
	if err != nil {
		return nil, err
	}
	return b.read(out, time.Since(start))
}

// read finds b's figures in what its command printed.
func (b benchmark) read(out string, took time.Duration) (found []row, err error) {
	if b.figures == nil {
		found = readMetrics(out)
	}
	for _, f := range b.figures {
		value, matches := took.Seconds(), regexp.MustCompile(f.find).FindAllStringSubmatch(out, -1)
		switch {
		case f.find == "":
		case matches == nil:
			return nil, fmt.Errorf("%s does not tell: %s\n%s", b.command, f.what, out)
		case len(matches[0]) == 1:
			value = float64(len(matches))
		default:
			if value, err = strconv.ParseFloat(matches[0][1], 64); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", b.command, f.what, err)
			}
		}
		found = append(found, row{what: f.what, unit: f.unit, samples: []float64{value}})
	}
	if len(found) == 0 {
		err = fmt.Errorf("%s measured nothing:\n%s", b.command, out)
	}
	for i := range found {
		found[i].command = b.command
	}
	return found, err
}
