//go:build unix

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A lock is an flock on a file. The kernel gives it back when its holder ends, however it ends. That makes it the truth
// about who runs: a process id in a file may by now be another program's, a held lock cannot be.
type lock struct{ file *os.File }

// tryLock takes the lock if it is free; it returns nil, nil if it is not.
func tryLock(path string) (*lock, error) { return try(path, syscall.LOCK_EX) }

func try(path string, how int) (*lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
	if err == nil {
		return &lock{file}, nil
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// waitLock takes the lock as soon as it is free. It calls busy once if it has to wait.
func waitLock(ctx context.Context, path string, busy func()) (*lock, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		l, err := tryLock(path)
		if l != nil || err != nil {
			return l, err
		}
		if busy != nil {
			busy()
			busy = nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (l *lock) release() { _ = l.file.Close() }

// lost says whether the file was deleted: another may by now hold a lock on a new file of that name.
func (l *lock) lost() bool {
	now, err := os.Stat(l.file.Name())
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	mine, err := l.file.Stat()
	return err == nil && !os.SameFile(mine, now)
}

// writePID lets others find the holder.
func (l *lock) writePID() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
}

// supervisorPID is the process id of the running supervisor, 0 if none runs. It is read only while the lock is held,
// so it is never that of another program.
func (s State) supervisorPID() (int, error) {
	path := s.File("run.lock")
	if _, err := os.Stat(path); err != nil {
		return 0, nil // no file, no supervisor
	}
	// Shared: two who look at once must not take each other for a supervisor.
	l, err := try(path, syscall.LOCK_SH)
	if err != nil {
		return 0, err
	}
	if l != nil {
		l.release()
		return 0, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, nil // its holder has not written it yet
	}
	return pid, nil
}

// detached gives a child a session of its own: it outlives the terminal, and Ctrl-C does not reach it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func terminate(pid int) { _ = syscall.Kill(pid, syscall.SIGTERM) }
func kill(pid int)      { _ = syscall.Kill(pid, syscall.SIGKILL) }

// alive says whether a process with this id exists, whosever it is.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// freeSpace is what an ordinary user may still write to the file system of dir, in bytes.
func freeSpace(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}
