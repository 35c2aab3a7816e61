// Package labtest gives tests a real API server, where there is one.
package labtest

import (
	"os"
	"testing"
)

// Env names the environment variable that holds the path of a kubeconfig for tests. "go run ./lab test" sets it.
const Env = "LAB_TEST_KUBECONFIG"

// Kubeconfig returns the path of a kubeconfig whose current context is a cluster that tests may write to: one with the
// sample workloads of "go run ./lab up", under a name that the chapters' guard lets pass ("lab" or "kind-...").
// Without one it skips the test and says how to run it.
func Kubeconfig(t *testing.T) string {
	t.Helper()
	path := os.Getenv(Env)
	if path == "" {
		t.Skipf("not run: it needs a real API server; go run ./lab test starts one (or set %s)", Env)
	}
	return path
}
