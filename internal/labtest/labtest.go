// Package labtest gives tests a real API server, where there is one.
package labtest

import (
	"os"
	"sync"
	"testing"
)

// Env names the environment variable that holds the path of a kubeconfig for tests. "go run ./lab test" sets it.
const Env = "LAB_TEST_KUBECONFIG"

// Kubeconfig returns the path of a kubeconfig whose current context is a cluster that tests may write to: one with the
// sample workloads of "go run ./lab up", under a name that the chapters' guard lets pass ("lab" or "kind-...").
// Without one it skips the test and says how to run it.
//
// Until the test ends, no test of another package gets the cluster: go test runs packages side by side, and what one
// chapter does to a cluster (a new kind of object, a group that does not answer) another one would see.
func Kubeconfig(t testing.TB) string {
	t.Helper()
	path := kubeconfig(t)
	reserve(t, path+".tests")
	return path
}

func kubeconfig(t testing.TB) string {
	t.Helper()
	path := os.Getenv(Env)
	if path == "" {
		t.Skipf("not run: it needs a real API server; go run ./lab test starts one (or set %s)", Env)
	}
	return path
}

// reserved is this process's hold on the cluster, shared by the tests that run in it at the same time.
var reserved struct {
	sync.Mutex
	tests int
	file  *os.File
}

// reserve keeps the cluster for this process until t ends: a lock on a file that the processes share.
func reserve(t testing.TB, path string) {
	t.Helper()
	reserved.Lock()
	defer reserved.Unlock()
	if reserved.tests == 0 {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := lock(file); err != nil {
			t.Fatal(err)
		}
		reserved.file = file
	}
	reserved.tests++
	t.Cleanup(func() {
		reserved.Lock()
		defer reserved.Unlock()
		if reserved.tests--; reserved.tests == 0 {
			reserved.file.Close()
		}
	})
}
