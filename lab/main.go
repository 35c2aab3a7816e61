// Lab is the learner's command: it builds and starts a real Kubernetes API server on this machine, runs the chapters
// against it, and tests everything.
//
// It imports nothing of Kubernetes, so that `go run ./lab` compiles in seconds and can show the progress of the long
// build. What needs client-go lives in the program it builds and starts: ../localcluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
)

// app is what every command works with.
type app struct {
	root  string // the repository: the directory of the go.mod that says `module client-go-lab`
	cache string // built programs; removing it costs a build, the count of hints, and the backups that reset made
	state string // the cluster's directory, the same one localcluster chooses
	goCmd string
	in    io.Reader
	out   io.Writer
	err   io.Writer
}

// Errors that choose the exit code. Every other error is 1, an interrupt is 130.
type (
	usageError struct{ error }
	exitError  int // a child's exit code; the child has said why itself
)

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

const (
	exitUsage       = 2
	exitNotRunning  = 3
	exitInterrupted = 130
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, err: errOut}
	cmd := a.commands()
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(errOut)
	err := cmd.ExecuteContext(ctx)

	var usage usageError
	var exit exitError
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(errOut, "lab: interrupted")
		return exitInterrupted
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "lab: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(errOut, "lab: %v\n", err)
	return 1
}

// locate fills in the directories and finds go. It runs before every command, and not before --help.
func (a *app) locate() error {
	if runtime.GOOS == "windows" {
		return errors.New("the lab needs Linux or macOS; on Windows, use WSL2 (https://learn.microsoft.com/windows/wsl/install), and in it Go and this repository")
	}
	wd, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	if a.root, err = findRoot(wd); err != nil {
		return err
	}
	userCache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find a directory to keep built programs in: %w; set HOME", err)
	}
	a.cache = filepath.Join(userCache, "client-go-lab")
	a.state = filepath.Join(a.cache, "cluster")
	if dir := os.Getenv("LAB_STATE"); dir != "" {
		if a.state, err = filepath.Abs(dir); err != nil {
			return fmt.Errorf("LAB_STATE: %w", err)
		}
	}
	if a.goCmd, err = exec.LookPath("go"); err != nil {
		return fmt.Errorf("the go command is not in PATH (%w); install Go from https://go.dev/dl and put its bin directory into PATH", err)
	}
	return nil
}

var moduleLine = regexp.MustCompile(`(?m)^module client-go-lab$`)

// findRoot walks up from dir to the repository.
func findRoot(dir string) (string, error) {
	for d := dir; ; d = filepath.Dir(d) {
		if mod, err := os.ReadFile(filepath.Join(d, "go.mod")); err == nil && moduleLine.Match(mod) {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("%s is not inside the client-go-lab repository; change into your clone of it and try again", dir)
		}
	}
}
