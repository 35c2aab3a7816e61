package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

type testOptions struct {
	noRace  bool
	run     string
	verbose bool
}

// testRun is one `lab test`: what its checks share, and the counts so far.
type testRun struct {
	*app
	testOptions
	env                     []string // for tests: a home that is not the learner's
	cluster                 bool     // a cluster runs for the tests
	anyTest                 bool
	passed, failed, skipped int
	notRun                  []string // what was not run, and how to run it
}

// errNotRun says why a check could not run here, and how to make it run.
type errNotRun struct{ error }

// lightPackages are those of localcluster that do not import Kubernetes's components; its main package would compile
// all of them a second time for the race detector.
const lightPackages = "./cluster/..."

func (a *app) test(ctx context.Context, o testOptions) (err error) {
	tmp, err := os.MkdirTemp(shortTemp(), "lab-test-")
	if err != nil {
		return fmt.Errorf("make a directory for the throw-away cluster: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()

	t := &testRun{app: a, testOptions: o, env: append(a.homeEnv(ctx, tmp),
		"XDG_CACHE_HOME="+filepath.Join(tmp, "cache"), "LAB_STATE="+filepath.Join(tmp, "other"), "LAB_TEST_KUBECONFIG=")}
	light := filepath.Join(a.root, "localcluster")
	if o.run == "" {
		// First, because it shows its progress and what comes later needs the same packages.
		t.check(ctx, "build the cluster", func(ctx context.Context) (string, error) {
			_, err := t.binary(ctx)
			return "", err
		})
		t.check(ctx, "gofmt", t.gofmt)
		t.check(ctx, "generated files", t.generated)
		t.check(ctx, "go vet", t.goTool(a.root, compileEnv(), "vet", "./..."))
		t.check(ctx, "go vet localcluster", func(ctx context.Context) (string, error) { return t.vetLocalcluster(ctx, light, tmp) })
		// It looks at all of client-go, too. With fewer garbage collections that takes a fifth less time.
		fewerGCs := []string{"GOGC=400", "GOMEMLIMIT=4GiB"}
		t.check(ctx, "staticcheck", t.goTool(a.root, fewerGCs, "tool", "-modfile=tools/go.mod", "staticcheck", "./..."))
		t.check(ctx, "staticcheck localcluster", t.goTool(light, nil, "tool", "-modfile=../tools/go.mod", "staticcheck", lightPackages))
		t.check(ctx, "shellcheck", t.shellcheck)
		t.check(ctx, "shfmt", t.goTool(a.root, nil, "tool", "-modfile=tools/go.mod", "shfmt", "-d", "-i", "2", "-ci", "."))
		// Files of ours differ by system, none by processor.
		t.check(ctx, "types for darwin", t.goTool(filepath.Join(t.root, "tools"), fewerGCs, "run", "./typecheck", "darwin/arm64", t.root, light))
	} else {
		t.notRun = append(t.notRun, "gofmt, generated files, vet, staticcheck, shellcheck, shfmt, types for darwin: leave out --run")
	}
	t.testOnCluster(ctx, tmp, light)
	if o.run != "" && !t.anyTest && ctx.Err() == nil {
		t.failed++
		fmt.Fprintln(a.out, "FAIL  no test matches", o.run)
	}

	t.notRun = append(t.notRun, "the kind scripts, which need Docker: run each chapter's, such as 01-restclient/kind.sh")
	fmt.Fprintln(a.out, "\nNot run:")
	for _, line := range t.notRun {
		fmt.Fprintln(a.out, " ", line)
	}
	fmt.Fprintf(a.out, "\n%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	if t.failed > 0 && ctx.Err() == nil {
		return exitError(1)
	}
	return ctx.Err()
}

// homeEnv is the environment of a user whose home is dir, with this user's caches of go.
func (a *app) homeEnv(ctx context.Context, dir string) []string {
	env := []string{"HOME=" + dir, "TMPDIR=" + dir, "KUBECONFIG=" + filepath.Join(dir, "kubeconfig")}
	// go finds these through HOME; GOENV is the file that `go env -w` writes.
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOENV"} {
		env = append(env, name+"="+a.goEnv(ctx, name))
	}
	return env
}

// testOnCluster starts clusters in tmp, runs what needs them and takes the clusters down again, whatever happens.
func (t *testRun) testOnCluster(ctx context.Context, tmp, light string) {
	clusters := []app{*t.app, *t.app} // one test has a cluster to itself: with a second one fewer wait
	if t.run != "" {
		clusters = clusters[:1]
	}
	for i := range clusters {
		clusters[i].state = filepath.Join(tmp, fmt.Sprint("s", i))
	}
	var kubeconfigs []string
	env := t.env
	t.check(ctx, "clusters up", func(ctx context.Context) (string, error) {
		bin, err := t.binary(ctx)
		if err != nil {
			return "", err
		}
		for _, one := range clusters {
			if err := one.clusterCommand(ctx, bin, t.err, "up", "--merge-kubeconfig=false"); err != nil {
				kubeconfigs = nil
				return "", err
			}
			kubeconfigs = append(kubeconfigs, one.kubeconfig())
		}
		t.cluster = true
		env = append(env, "LAB_TEST_BINARY="+bin, kubeconfigForTests+"="+kubeconfigs[0])
		return "", nil
	})
	if !clusters[0].neverStarted() { // not even half
		defer t.check(context.WithoutCancel(ctx), "clusters down", func(ctx context.Context) (string, error) {
			return "", t.downAll(ctx, tmp)
		})
	}
	race := withRace
	switch {
	case t.noRace:
		race = nil
		t.notRun = append(t.notRun, "the race detector: leave out --no-race")
	case t.cCompiler(ctx) == "":
		race = nil
		t.notRun = append(t.notRun, "the race detector: it needs a C compiler; "+getCompiler)
	}
	if race != nil {
		env = append(env, "CGO_ENABLED=1") // it needs cgo, which may be off for all others
	}
	all := kubeconfigForTests + "=" + strings.Join(kubeconfigs, string(filepath.ListSeparator))
	readmes := t.startREADMEs(ctx)
	defer readmes.wait()
	// The tests of the last chapter take longest, and mostly wait: they begin first.
	flags := slices.Clone(race)
	if t.run == "" {
		flags = append(flags, "-vet=off") // that was a check of its own
	}
	t.goTest(ctx, "go test", t.root, append(slices.Clone(env), all), flags, t.tested(ctx, "./07-controller", "./...")...)
	t.testExercises(ctx, env)
	// Each test has a cluster of its own: not as many at once as there are cores.
	t.goTest(ctx, "go test localcluster", light, env, append(race, "-parallel=2"), lightPackages)
	t.docs(ctx, readmes)
}

// withRace are the flags for the race detector. Nobody reads the debugging information of these programs: to leave it out
// saves a tenth of the time to compile them.
var withRace = []string{"-race", "-gcflags=all=-dwarf=false"}

// tested lists those packages that have tests: to compile each solution and each wrong one for the race detector, only to
// hear that it has no test file, takes a minute of CPU time. Whatever goes wrong here, go test says.
func (t *testRun) tested(ctx context.Context, packages ...string) []string {
	list, err := t.tool(ctx, t.root, nil, t.goCmd, append([]string{"list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}"}, packages...)...)
	if tested := strings.Fields(list); err == nil && len(tested) > 0 {
		return tested
	}
	return packages
}

// downAll takes down the clusters in tmp: lab's own, and those of tests that ended before they could do it themselves.
func (a *app) downAll(ctx context.Context, tmp string) (failed error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	bin := a.existingBinary()
	err := filepath.WalkDir(tmp, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cluster.json" {
			return nil // tests remove their directories while we look
		}
		one := *a
		one.state = filepath.Dir(path)
		failed = errors.Join(failed, one.clusterCommand(ctx, bin, a.err, "down")) // and the others all the same
		return nil
	})
	return errors.Join(failed, err)
}

// shortTemp is where the cluster's state goes: the path of a unix socket holds about 100 characters, and macOS's own
// temporary directory takes half of them.
func shortTemp() string {
	if st, err := os.Stat("/tmp"); err == nil && st.IsDir() {
		return "/tmp"
	}
	return os.TempDir()
}

// check runs one check and prints its line. f returns what to print when it fails.
func (t *testRun) check(ctx context.Context, name string, f func(context.Context) (output string, err error)) {
	t.checkSince(ctx, name, time.Now(), f)
}

// checkSince is check for what began earlier.
func (t *testRun) checkSince(ctx context.Context, name string, start time.Time, f func(context.Context) (output string, err error)) {
	if ctx.Err() != nil {
		return
	}
	output, err := t.watched(ctx, name, f)
	var missing errNotRun
	switch {
	case errors.As(err, &missing):
		t.skipped++
		t.notRun = append(t.notRun, fmt.Sprintf("%s: %v", name, err))
		t.result("skip", name, start, "")
	case err != nil:
		t.failed++
		t.result("FAIL", name, start, "")
		fmt.Fprintf(t.out, "%s%s: %v\n", output, name, err)
	default:
		t.passed++
		t.result("ok", name, start, "")
	}
}

func (t *testRun) result(what, name string, start time.Time, counts string) {
	line := fmt.Sprintf("%-4s  %-26s %6.1fs  %s", what, name, time.Since(start).Seconds(), counts)
	fmt.Fprintln(t.out, strings.TrimRight(line, " "))
}

// watched runs f and shows that it still does.
func (t *testRun) watched(ctx context.Context, name string, f func(context.Context) (string, error)) (string, error) {
	if p := newProgress(t.err); name != "clusters up" { // the build has a progress line of its own
		p.set("%s", name)
		defer p.every(time.Minute)()
	}
	return f(ctx)
}

// goTool is a check that runs the go command.
func (t *testRun) goTool(dir string, env []string, args ...string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return t.tool(ctx, dir, env, t.goCmd, args...) }
}

func (t *testRun) tool(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	var out strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = dir, &out, &out, append(os.Environ(), env...)
	err := runGroup(ctx, cmd)
	return out.String(), err
}

// files lists the repository's files that match, without what git ignores.
func (t *testRun) files(ctx context.Context, patterns ...string) ([]string, error) {
	out, err := t.tool(ctx, t.root, nil, "git", append([]string{"ls-files", "--cached", "--others", "--exclude-standard", "--"}, patterns...)...)
	if err != nil {
		return nil, errNotRun{fmt.Errorf("it needs git and a clone to list the files: %w", err)}
	}
	var files []string
	for _, name := range strings.Fields(out) {
		if _, err := os.Stat(filepath.Join(t.root, name)); err == nil { // a removed file stays listed until the commit
			files = append(files, name)
		}
	}
	return files, nil
}

// vetLocalcluster vets what is ours there: go vet would also look at all of Kubernetes, which takes minutes.
func (t *testRun) vetLocalcluster(ctx context.Context, light, tmp string) (string, error) {
	vetown := filepath.Join(tmp, "vetown")
	out, err := t.tool(ctx, filepath.Join(t.root, "tools"), nil, t.goCmd, "build", "-o", vetown, "./vetown")
	if err != nil {
		return out, err
	}
	return t.tool(ctx, light, nil, t.goCmd, slices.Concat([]string{"vet", "-vettool=" + vetown}, withoutDWARF, []string{"./..."})...)
}

func (t *testRun) gofmt(ctx context.Context) (string, error) {
	files, err := t.files(ctx, "*.go")
	if err != nil {
		return "", err
	}
	out, err := t.tool(ctx, t.root, nil, filepath.Join(t.goEnv(ctx, "GOROOT"), "bin", "gofmt"), append([]string{"-l"}, files...)...)
	if err == nil && out != "" {
		err = errors.New("these files are not formatted; run: gofmt -w FILE")
	}
	return out, err
}

// apiDir holds the types that controller-gen makes its files from, beside them and in crdDir.
const (
	apiDir = "07-controller/api/v1alpha1"
	crdDir = "07-controller/config"
)

// generated generates once more, elsewhere, and compares.
func (t *testRun) generated(ctx context.Context) (string, error) {
	tmp, err := os.MkdirTemp("", "lab-generated-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	// The line in doc.go, but for where to.
	out, err := t.tool(ctx, t.root, nil, t.goCmd, "tool", "-modfile=tools/go.mod", "controller-gen", "object", "crd", "paths=./"+apiDir, "output:dir="+tmp)
	if err != nil {
		return out, err
	}
	fresh, err := os.ReadDir(tmp)
	if err != nil || len(fresh) == 0 {
		return out, errors.Join(err, errors.New("controller-gen wrote nothing for "+apiDir))
	}
	var stale strings.Builder
	for _, file := range fresh {
		name := filepath.Join(apiDir, file.Name())
		if filepath.Ext(name) == ".yaml" {
			name = filepath.Join(crdDir, file.Name())
		}
		want, err1 := os.ReadFile(filepath.Join(tmp, file.Name()))
		got, err2 := os.ReadFile(filepath.Join(t.root, name))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, want) {
			fmt.Fprintln(&stale, name)
		}
	}
	if stale.Len() > 0 {
		err = errors.New("these files are not what would be generated today; run: go generate ./" + apiDir)
	}
	return stale.String(), err
}

func (t *testRun) shellcheck(ctx context.Context) (string, error) {
	files, err := t.files(ctx, "*.sh", ".ci/*")
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", errNotRun{errors.New("there is no shell script")}
	}
	if _, err := exec.LookPath("shellcheck"); err != nil {
		return "", errNotRun{errors.New("install it: apt-get install shellcheck, or brew install shellcheck")}
	}
	return t.tool(ctx, t.root, nil, "shellcheck", files...)
}

// packagesAtOnce is how many packages' tests run side by side: on a small machine more than go's own choice, because they
// mostly wait for a cluster, or to have one.
func packagesAtOnce() int { return max(6, runtime.NumCPU()) }

// goTest runs the tests of one module, prints what failed and counts the tests.
func (t *testRun) goTest(ctx context.Context, name, dir string, env, flags []string, packages ...string) {
	if ctx.Err() != nil {
		return
	}
	args := append([]string{"test", "-json", "-shuffle=on", "-timeout=30m", fmt.Sprint("-p=", packagesAtOnce())}, flags...)
	if t.run != "" {
		args = append(args, "-run", t.run)
	}
	start, log := time.Now(), newTestLog()
	if t.verbose {
		log.echo = func(s string) { fmt.Fprint(t.out, s) }
	}
	_, err := t.watched(ctx, name, func(ctx context.Context) (string, error) {
		cmd := exec.Command(t.goCmd, append(args, packages...)...)
		w := &lineWriter{line: log.line}
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), env...), w, w
		return "", runGroup(ctx, cmd)
	})
	passed, failures, skips := log.summary(t.cluster)
	switch {
	case err != nil && len(failures) == 0:
		failures = append(failures, fmt.Sprintf("%s: %v\n%s", name, err, log.stray.String()))
	case passed+len(failures)+len(skips) == 0 && t.run == "":
		failures = append(failures, name+": found no test in "+strings.Join(packages, " ")+"\n")
	}
	what := "ok"
	if len(failures) > 0 {
		what = "FAIL"
	}
	t.anyTest = t.anyTest || passed+len(failures)+len(skips) > 0
	t.result(what, name, start, fmt.Sprintf("%d passed, %d failed, %d skipped", passed, len(failures), len(skips)))
	for _, f := range failures {
		fmt.Fprintf(t.out, "\n--- %s", f)
	}
	t.passed, t.failed, t.skipped = t.passed+passed, t.failed+len(failures), t.skipped+len(skips)
	t.notRun = append(t.notRun, skips...)
}
