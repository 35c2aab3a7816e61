//go:build unix

package labtest

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the lock on f, unless another process has it. The kernel gives it back when f is closed or its holder dies.
func lock(f *os.File) (locked bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
