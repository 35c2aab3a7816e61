// Package labtest gives tests a real API server, where there is one.
package labtest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Env names the environment variable that holds the path of a kubeconfig for tests, or several, separated as in PATH.
// "go run ./lab test" sets it.
const Env = "LAB_TEST_KUBECONFIG"

// Kubeconfig returns the path of a kubeconfig whose current context is a cluster that tests may write to: one with the
// sample workloads of "go run ./lab up", under a name that the chapters' guard lets pass ("lab" or "kind-...").
// Without one it skips the test and says how to run it.
//
// Until the test ends, no test of another package gets the cluster: go test runs packages side by side, and what one
// chapter does to a cluster (a new kind of object, a group that does not answer) another one would see.
func Kubeconfig(t testing.TB) string {
	t.Helper()
	return reserve(t, kubeconfigs(t))
}

func kubeconfigs(t testing.TB) []string {
	t.Helper()
	paths := filepath.SplitList(os.Getenv(Env))
	if len(paths) == 0 {
		t.Skipf("not run: it needs a real API server; go run ./lab test starts one (or set %s)", Env)
	}
	return paths
}

// reserved is this process's hold on a cluster, shared by the tests that run in it at the same time.
var reserved struct {
	sync.Mutex
	tests      int
	kubeconfig string
	file       *os.File
}

// reserve keeps one of the clusters for this process until t ends: by a lock on a file that the processes share.
func reserve(t testing.TB, kubeconfigs []string) string {
	t.Helper()
	reserved.Lock()
	defer reserved.Unlock()
	if reserved.tests == 0 {
		waitForOne(t, kubeconfigs)
	}
	reserved.tests++
	t.Cleanup(func() {
		reserved.Lock()
		defer reserved.Unlock()
		if reserved.tests--; reserved.tests == 0 {
			reserved.file.Close()
		}
	})
	return reserved.kubeconfig
}

// waitForOne waits until one of the clusters is nobody's, and takes it.
func waitForOne(t testing.TB, kubeconfigs []string) {
	t.Helper()
	for {
		for _, path := range kubeconfigs {
			file, err := os.OpenFile(path+".tests", os.O_CREATE|os.O_RDWR, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			locked, err := lock(file)
			if err != nil {
				t.Fatal(err)
			}
			if locked {
				reserved.kubeconfig, reserved.file = path, file
				return
			}
			file.Close()
		}
		time.Sleep(20 * time.Millisecond) // nothing tells when a lock on any of several files is free
	}
}
