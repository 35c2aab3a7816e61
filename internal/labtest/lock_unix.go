//go:build unix

package labtest

import (
	"os"
	"syscall"
)

// lock waits until no other process has the lock on f. The kernel gives it back when f is closed or its holder dies.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
