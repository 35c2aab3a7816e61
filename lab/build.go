package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// target is one program to build.
type target struct {
	label   string // for the progress line
	dir     string // the package's directory, inside its module
	out     string // the executable
	ldflags string
	gcflags []string // -gcflags options: part of the key of what is in Go's build cache
	tmp     string   // go's work directory; empty: go's own choice
}

// secondsPerPackage is the CPU time that compiling one package of Kubernetes takes on average, measured from an empty
// build cache. It is good enough to say "about 4 minutes" before the work starts.
const secondsPerPackage = 0.2

// allPackages is about how many there are in the cluster and a chapter.
const allPackages = 2500

// minutes is about how long it takes to compile packages on this machine.
func minutes(packages int) float64 {
	return max(float64(packages)*secondsPerPackage/float64(runtime.NumCPU())/60, 1)
}

// build compiles and links t, and shows how far it is. What was compiled stays in Go's build cache whatever happens next,
// so an interrupted build goes on where it stopped.
func (a *app) build(ctx context.Context, t target) error {
	p := newProgress(a.err)
	p.set("Looking for what %s needs", t.label)
	stop := p.every(10 * time.Second)
	defer func() { stop() }()

	o := &goOutput{label: t.label, progress: p}
	if err := a.listPackages(ctx, t, o); err != nil {
		return err
	}
	long := len(o.stale) > 20
	if long {
		stop()
		fmt.Fprintf(a.err, "Building %s: %d packages to compile, about %.0f min here.\nCtrl-C is safe: the next try goes on where this one stopped.\n",
			t.label, len(o.stale), minutes(len(o.stale)))
		stop = p.every(10 * time.Second)
	}
	o.count()
	// No VCS stamp: go refuses to build in a clone that another user owns when it cannot ask git for one.
	_, err := a.runGo(ctx, t, o, compileEnv(), slices.Concat([]string{"build", "-v", "-buildvcs=false", "-ldflags", t.ldflags, "-o", t.out}, t.gcflags, []string{"."})...)
	if err == nil && long {
		stop()
		fmt.Fprintf(a.err, "Built %s in %s.\n", t.label, time.Since(p.start).Round(time.Second))
		stop = func() {}
	}
	return err
}

// listPackages asks go which packages t is made of, and counts those to compile into o.
func (a *app) listPackages(ctx context.Context, t target, o *goOutput) error {
	list, err := a.runGo(ctx, t, o, nil, slices.Concat([]string{"list", "-deps", "-f", "{{.Stale}} {{.ImportPath}}"}, t.gcflags, []string{"."})...)
	if err != nil {
		return err
	}
	o.stale = map[string]bool{}
	for line := range strings.Lines(list) {
		stale, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		o.total++
		if stale == "true" {
			o.stale[path] = true
		}
	}
	o.done = o.total - len(o.stale)
	return nil
}

// compileEnv makes the compilers, and the linker, skip garbage collection while there is memory to spare: 12% less CPU time
// for the one, 5% for the other, measured.
func compileEnv() []string {
	memory, err := totalMemory()
	if err != nil {
		return nil
	}
	perCore := memory / 2 / uint64(runtime.NumCPU()) >> 20
	if perCore < 200 {
		return nil
	}
	return []string{"GOGC=off", fmt.Sprintf("GOMEMLIMIT=%dMiB", min(perCore, 800))}
}

// runGo runs the go command in t's module and returns its stdout. What it says on stderr feeds the progress line and,
// on failure, the error.
func (a *app) runGo(ctx context.Context, t target, o *goOutput, env []string, args ...string) (string, error) {
	var stdout strings.Builder
	stderr := &lineWriter{line: o.line}
	o.rest.Reset()
	cmd := exec.Command(a.goCmd, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.dir, append(os.Environ(), env...), &stdout, stderr
	if t.tmp != "" {
		cmd.Env = append(cmd.Env, "GOTMPDIR="+t.tmp)
	}
	err := runGroup(ctx, cmd)
	if err != nil && ctx.Err() == nil {
		output := o.rest.String() + string(stderr.rest)
		err = fmt.Errorf("building %s: go %s: %w\n%s%s", t.label, args[0], err, output, buildRemedy(output))
	}
	return stdout.String(), err
}

// buildRemedy says what to try after a build failed with output.
func buildRemedy(output string) string {
	for _, r := range []struct{ sign, remedy string }{
		{"no space left on device", "The disk is full. `go env GOCACHE` and `go env GOMODCACHE` name the directories that grow; `go run ./lab doctor` says how much a build needs."},
		{"read-only file system", "Go must be able to write to the directories that `go env GOCACHE GOMODCACHE` names."},
		{"permission denied", "Go must be able to write to the directories that `go env GOCACHE GOMODCACHE` names."},
		{"signal: killed", "The system ended a compiler, probably for want of memory. Close other programs, or compile one package at a time: GOFLAGS=-p=1 go run ./lab up"},
		{"requires go >=", "This Go is too old: https://go.dev/dl"},
		{"dial tcp", "The first build downloads Go modules. Check the network and `go env GOPROXY`, then try again."},
		{"proxyconnect", "The first build downloads Go modules. Check the network and `go env GOPROXY`, then try again."},
	} {
		if strings.Contains(output, r.sign) {
			return r.remedy
		}
	}
	return "If the message above does not say enough: `go run ./lab doctor` looks for what is missing on this machine."
}

var kubernetesLine = regexp.MustCompile(`(?m)^\s*(?:require )?k8s\.io/kubernetes v(\d+)\.(\d+)\.(\d+)`)

// clusterTarget is localcluster. Kubernetes takes its version from linker flags; without them the server would call
// itself v0.0.0-master. There is no -trimpath: it would change every package's key in Go's build cache, and the
// chapters would compile client-go again.
func (a *app) clusterTarget() (target, error) {
	dir := filepath.Join(a.root, "localcluster")
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return target{}, fmt.Errorf("the clone is not complete: %w", err)
	}
	v := kubernetesLine.FindSubmatch(mod)
	if v == nil {
		return target{}, fmt.Errorf("%s/go.mod requires no k8s.io/kubernetes", dir)
	}
	const pkg = "k8s.io/component-base/version."
	version := fmt.Sprintf("v%s.%s.%s", v[1], v[2], v[3])
	return target{
		label: "Kubernetes " + version + " (once per version)",
		dir:   dir,
		ldflags: fmt.Sprintf("-s -w -X %[1]sgitVersion=%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s -X %[1]sgitTreeState=clean",
			pkg, version, v[1], v[2]),
		gcflags: withoutDWARF,
	}, nil
}

// withoutDWARF leaves debugging information out of packages that only the cluster uses: it saves a tenth of the time to
// compile them, and the linker would strip it anyway. Packages that the chapters use, too, are compiled as usual, or they
// would be compiled twice.
var withoutDWARF = func() (flags []string) {
	for _, tree := range []string{
		"k8s.io/kubernetes", "k8s.io/apiserver", "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator", "k8s.io/kubectl",
		"go.etcd.io", "sigs.k8s.io/kustomize", "sigs.k8s.io/kwok",
	} {
		flags = append(flags, "-gcflags="+tree+"/...=-dwarf=false")
	}
	return flags
}()

// binaryKey changes when a build would make another program out of t.
func (a *app) binaryKey(ctx context.Context, t target) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !isSource(d.Name()) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(t.dir, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d\n%s", rel, len(content), content)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read localcluster's sources: %w", err)
	}
	cmd := exec.CommandContext(ctx, a.goCmd, "env", "GOVERSION", "GOOS", "GOARCH", "GOFLAGS", "CGO_ENABLED")
	cmd.Dir, cmd.Stderr = t.dir, a.err
	env, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	fmt.Fprintf(h, "%s%s%s", env, t.ldflags, t.gcflags)
	return fmt.Sprintf("%x", h.Sum(nil))[:12], nil
}

func isSource(name string) bool {
	switch filepath.Ext(name) {
	case ".go":
		return !strings.HasSuffix(name, "_test.go")
	case ".yaml":
		return true
	}
	return name == "go.mod" || name == "go.sum"
}

// binaryPath is where the localcluster program of these sources is, or will be.
func (a *app) binaryPath(ctx context.Context) (t target, path string, err error) {
	if t, err = a.clusterTarget(); err != nil {
		return target{}, "", err
	}
	key, err := a.binaryKey(ctx, t)
	return t, filepath.Join(a.cache, "bin", key, "localcluster"), err
}

// binary returns the localcluster program of these sources, and builds it if nobody has.
func (a *app) binary(ctx context.Context) (string, error) {
	t, path, err := a.binaryPath(ctx)
	if err != nil {
		return "", err
	}
	bin := filepath.Join(a.cache, "bin")
	if exists(path) {
		return path, nil
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", a.cacheError(err)
	}
	unlock, err := a.lock(ctx, filepath.Join(bin, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(path) { // another lab built it while this one waited
		return path, nil
	}
	a.prune(bin)
	if t.tmp, err = os.MkdirTemp(bin, "tmp-"); err != nil {
		return "", a.cacheError(err)
	}
	defer os.RemoveAll(t.tmp)
	built := filepath.Join(t.tmp, "built")
	if err := os.Mkdir(built, 0o755); err != nil {
		return "", a.cacheError(err)
	}
	t.out = filepath.Join(built, "localcluster")
	if err := a.build(ctx, t); err != nil {
		return "", err
	}
	if err := os.Rename(built, filepath.Dir(path)); err != nil {
		return "", a.cacheError(err)
	}
	return path, nil
}

func (a *app) cacheError(err error) error {
	return fmt.Errorf("lab keeps built programs in %s: %w; make room there, make it writable, or choose another place with XDG_CACHE_HOME (Linux) or HOME (macOS)", a.cache, err)
}

// lock waits until no other lab builds.
func (a *app) lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, a.cacheError(err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for told := false; ; {
		locked, err := tryLock(f)
		if locked {
			return func() { f.Close() }, nil
		}
		if err != nil {
			f.Close()
			return nil, a.cacheError(err)
		}
		if !told {
			fmt.Fprintln(a.err, "Another lab is building; waiting for it.")
			told = true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// prune makes room for one more program: it removes what killed builds left behind and every program but the newest
// and the one that the cluster runs. The caller holds the lock. A failure costs disk space only.
func (a *app) prune(bin string) {
	for _, dir := range glob(bin, "tmp-*") {
		os.RemoveAll(dir)
	}
	running := a.clusterBinary()
	built := a.builtBinaries()
	for _, path := range built[min(1, len(built)):] {
		if path != running {
			os.RemoveAll(filepath.Dir(path))
		}
	}
}

// builtBinaries lists the cached localcluster programs, newest first.
func (a *app) builtBinaries() []string {
	paths := glob(a.cache, "bin/*/localcluster")
	modified := func(path string) time.Time {
		st, err := os.Stat(path)
		if err != nil {
			return time.Time{}
		}
		return st.ModTime()
	}
	slices.SortFunc(paths, func(x, y string) int { return modified(y).Compare(modified(x)) })
	return paths
}

// glob lists what matches pattern under dir. Unlike filepath.Glob it takes dir as it is, brackets and all.
func glob(dir, pattern string) []string {
	found, _ := fs.Glob(os.DirFS(dir), pattern) // the only error is a malformed pattern
	for i := range found {
		found[i] = filepath.Join(dir, found[i])
	}
	return found
}
