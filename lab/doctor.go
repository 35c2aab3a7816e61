package main

import (
	"context"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// What a machine needs, in GiB.
const (
	cacheDisk  = 5 // Go's build cache: 3.7 for what localcluster is made of, and room for linking and the chapters
	moduleDisk = 1 // the downloaded modules: 0.9
	readyDisk  = 1 // once Kubernetes is built
	wantMemory = 3 // the largest compile or link, and a running cluster
)

// Levels of a finding. With warn the lab works, perhaps only in part; with fail it cannot.
const (
	fine = "ok"
	warn = "warn"
	fail = "FAIL"
)

// finding is one line of doctor. remedy says what to do, if there is anything to do.
type finding struct{ level, name, found, remedy string }

// doctor looks at everything that the lab needs and says what is missing. It changes nothing and builds nothing.
func (a *app) doctor(ctx context.Context) error {
	findings := []finding{a.checkGo(ctx), a.checkCompiler(ctx), a.checkCache(), a.checkDisk(ctx, "GOCACHE", cacheDisk), a.checkDisk(ctx, "GOMODCACHE", moduleDisk),
		checkMemory(), checkLoopback(), checkWatching("/proc/sys/fs/inotify")}
	for _, file := range kubeconfigFiles() {
		findings = append(findings, checkKubeconfig(file)...)
	}
	failed := 0
	for _, f := range append(findings, a.checkCluster(ctx), checkDocker(ctx)) {
		fmt.Fprintf(a.out, "%-4s  %-13s %s\n", f.level, f.name, f.found)
		if f.remedy != "" {
			fmt.Fprintf(a.out, "%19s -> %s\n", "", f.remedy)
		}
		if f.level == fail {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d things are missing; the lines with -> say what to do", failed)
	}
	return ctx.Err()
}

// goEnv is one of go's settings, or "" if go does not answer.
func (a *app) goEnv(ctx context.Context, name string) string {
	cmd := exec.CommandContext(ctx, a.goCmd, "env", name)
	cmd.Dir = a.root
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

var goLine = regexp.MustCompile(`(?m)^go (\S+)$`)

func (a *app) checkGo(ctx context.Context) finding {
	mod, err := os.ReadFile(filepath.Join(a.root, "go.mod"))
	want := goLine.FindSubmatch(mod)
	if err != nil || want == nil {
		return finding{fail, "Go", "go.mod does not say which Go it needs", "clone the repository again"}
	}
	have := a.goEnv(ctx, "GOVERSION")
	found := fmt.Sprintf("%s; go.mod needs %s", have, want[1])
	if version.Compare(have, "go"+string(want[1])) < 0 {
		return finding{fail, "Go", found, "install a newer Go: https://go.dev/dl"}
	}
	return finding{fine, "Go", found, ""}
}

func (a *app) checkCompiler(ctx context.Context) finding {
	if cc := a.cCompiler(ctx); cc != "" {
		return finding{fine, "C compiler", cc, ""}
	}
	return finding{warn, "C compiler", "none; only the race detector of `lab test` needs one", getCompiler}
}

const getCompiler = "Debian: apt-get install gcc; macOS: xcode-select --install"

// cCompiler is the compiler that the race detector would use, or "".
func (a *app) cCompiler(ctx context.Context) string {
	cc := strings.Fields(a.goEnv(ctx, "CC"))
	if len(cc) == 0 {
		return ""
	}
	path, err := exec.LookPath(cc[0])
	if err != nil {
		return ""
	}
	return path
}

func (a *app) checkCache() finding {
	err := os.MkdirAll(a.cache, 0o755)
	if err == nil {
		err = probe(a.cache)
	}
	if err != nil {
		return finding{fail, "lab's cache", "not writable", a.cacheError(err).Error()}
	}
	return finding{fine, "lab's cache", a.cache + " is writable", ""}
}

// probe says whether a file can be made in dir: permissions alone do not tell of a full or read-only disk.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".lab-probe-")
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func (a *app) checkDisk(ctx context.Context, name string, need int) finding {
	dir := a.goEnv(ctx, name)
	onDisk := dir // go makes dir when it needs it: look at the disk it will be on
	for !exists(onDisk) && onDisk != filepath.Dir(onDisk) {
		onDisk = filepath.Dir(onDisk)
	}
	free, err := freeDisk(onDisk)
	if err != nil {
		return finding{warn, name, "cannot tell how much space is free: " + err.Error(), ""}
	}
	why := "for the first build"
	if len(a.builtBinaries()) > 0 {
		need, why = readyDisk, "now that Kubernetes is built"
	}
	found := fmt.Sprintf("%.1f GiB free in %s; %d needed %s", gib(free), dir, need, why)
	if gib(free) < float64(need) {
		return finding{fail, name, found, "make room, or move it to a larger disk: go env -w " + name + "=DIRECTORY"}
	}
	return finding{fine, name, found, ""}
}

func gib(bytes uint64) float64 { return float64(bytes) / (1 << 30) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func checkMemory() finding {
	total, err := totalMemory()
	if err != nil {
		return finding{warn, "memory", "cannot tell: " + err.Error(), ""}
	}
	found := fmt.Sprintf("%.1f GiB; %d wanted", gib(total), wantMemory)
	if gib(total) < wantMemory {
		return finding{warn, "memory", found, "close other programs during the first build, or compile one package at a time: GOFLAGS=-p=1 go run ./lab up"}
	}
	return finding{fine, "memory", found, ""}
}

// totalMemory is the machine's memory in bytes.
func totalMemory() (uint64, error) {
	if runtime.GOOS == "darwin" {
		out, err := exec.Command("sysctl", "-n", "hw.memsize").Output()
		if err != nil {
			return 0, err
		}
		return strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
	}
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	var kib uint64
	_, err = fmt.Sscanf(string(data), "MemTotal: %d kB", &kib)
	return kib << 10, err
}

func checkLoopback() finding {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return finding{fail, "loopback", err.Error(), "the cluster listens on 127.0.0.1 and needs free ports there; a sandbox may forbid it"}
	}
	l.Close()
	return finding{fine, "loopback", "ports on 127.0.0.1 can be opened", ""}
}

// checkWatching reads Linux's limits from dir. The components watch their certificates and configuration.
func checkWatching(dir string) finding {
	for name, want := range map[string]int{"max_user_instances": 64, "max_user_watches": 8192} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // not Linux
		}
		if n, err := strconv.Atoi(strings.TrimSpace(string(data))); err != nil || n < want {
			return finding{warn, "file watching", fmt.Sprintf("fs.inotify.%s is %s", name, strings.TrimSpace(string(data))),
				fmt.Sprintf("sudo sysctl fs.inotify.%s=%d", name, want)}
		}
	}
	return finding{fine, "file watching", "the limits are high enough", ""}
}

// kubeconfigFiles are the files that kubectl would read.
func kubeconfigFiles() []string {
	if files := strings.FieldsFunc(os.Getenv("KUBECONFIG"), func(r rune) bool { return r == filepath.ListSeparator }); len(files) > 0 {
		return files
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	return []string{filepath.Join(home, ".kube", "config")}
}

// checkKubeconfig looks for what would keep `lab up` from adding its context to file. The chapters work without it.
func checkKubeconfig(file string) []finding {
	const without = ", or: go run ./lab up --merge-kubeconfig=false"
	var found []finding
	add := func(what, remedy string) {
		found = append(found, finding{warn, "kubeconfig", file + " " + what, remedy})
	}

	// client-go's lock is a file beside the kubeconfig. A crash leaves it there, and every later change fails.
	if st, err := os.Stat(file + ".lock"); err == nil {
		add("is locked since "+st.ModTime().Format(time.DateTime), "if nothing is writing it (kubectl config, kind, lab up): rm "+file+".lock")
	}
	if dir := filepath.Dir(file); exists(dir) {
		if err := probe(dir); err != nil {
			add("cannot be changed, its directory is not writable: "+err.Error(), "chmod u+w "+dir+without)
		}
	}
	missing := false
	if _, err := os.ReadFile(file); errors.Is(err, fs.ErrNotExist) {
		missing = true
	} else if err != nil {
		add("cannot be read: "+err.Error(), "make it a file that you can read"+without)
	} else if w, err := os.OpenFile(file, os.O_WRONLY, 0); err != nil {
		add("cannot be written: "+err.Error(), "chmod u+w "+file+without)
	} else {
		st, err := w.Stat()
		w.Close()
		if err == nil && st.Mode().Perm()&0o077 != 0 {
			add(fmt.Sprintf("can be read by others (mode %04o); it holds keys", st.Mode().Perm()), "chmod 600 "+file)
		}
	}
	switch {
	case len(found) > 0:
		return found
	case missing:
		return []finding{{fine, "kubeconfig", file + " does not exist yet; lab up makes it", ""}}
	}
	return []finding{{fine, "kubeconfig", file + " can be read and written", ""}}
}

func (a *app) checkCluster(ctx context.Context) finding {
	if a.neverStarted() {
		return finding{fine, "cluster", "never started", ""}
	}
	if a.existingBinary() == "" {
		return finding{warn, "cluster", "the program that started it is gone", "go run ./lab up builds it again and finds the data"}
	}
	_, said := a.status(ctx)
	return finding{fine, "cluster", said, ""}
}

func checkDocker(ctx context.Context) finding {
	found := "running"
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := exec.CommandContext(ctx, "docker", "info").Run(); errors.Is(err, exec.ErrNotFound) {
		found = "not installed"
	} else if err != nil {
		found = "its daemon does not answer"
	}
	return finding{fine, "Docker", found + "; only the kind scripts need it", ""}
}
