package labtest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Binary returns the localcluster executable: the cluster, and the kubectl that is linked into it. "go run ./lab test"
// names it. Where no cluster is asked for, the test is skipped, as with [Kubeconfig].
func Binary(t testing.TB) string {
	t.Helper()
	kubeconfigs(t)
	const env = "LAB_TEST_BINARY"
	binary := os.Getenv(env)
	if binary == "" {
		t.Fatalf("%s has to name the localcluster executable: go run ./lab test sets it", env)
	}
	return binary
}

// OwnCluster starts an embedded cluster without sample workloads for one test, which may break it, and returns its state
// directory: admin.conf in it is the kubeconfig. No other test has to wait for this one. The cluster goes when the test ends.
func OwnCluster(t testing.TB) (state string) {
	t.Helper()
	binary := Binary(t)
	dir, err := os.MkdirTemp("", "lab-own-") // a short path: it will have sockets in it
	if err != nil {
		t.Fatal(err)
	}
	state = filepath.Join(dir, "c")
	run := func(ctx context.Context, args ...string) {
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.Env = append(os.Environ(), "LAB_STATE="+state)
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("localcluster %s: %v\n%s", args[0], err, output)
		}
	}
	t.Cleanup(func() {
		run(context.WithoutCancel(t.Context()), "down")
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	run(t.Context(), "up", "--merge-kubeconfig=false", "--seed=false")
	return state
}
