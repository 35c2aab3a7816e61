//go:build linux || darwin

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// runGroup runs cmd in a process group of its own and returns when it has ended. A child that does not read the
// terminal belongs there: when ctx ends, one SIGINT reaches it and everything that it started (go build starts a
// compiler per core), and what has not left soon after is killed.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	return runGroupFor(ctx, cmd, 8*time.Second)
}

// runGroupFor is runGroup for a child that may take longer to leave. It passes a second Ctrl-C on, too.
func runGroupFor(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second // for a grandchild that keeps our pipe open
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt)
		defer signal.Stop(again)
		timeout := time.After(grace)
		for {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
			select {
			case <-ended:
				return
			case <-again:
			case <-timeout:
				syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
				return
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// replaceProcess becomes the program at path, so that terminal, signals and exit code are that program's own.
func replaceProcess(path string, args, env []string) error {
	cmd := exec.Cmd{Env: env} // Environ keeps the last of two values; a program that gets both takes the first
	return syscall.Exec(path, append([]string{path}, args...), cmd.Environ())
}

// tryLock takes the lock on f, or says that somebody else holds it. The kernel gives it back when the holder dies.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// freeDisk is the number of bytes that a user without privileges can still write under dir.
func freeDisk(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}
