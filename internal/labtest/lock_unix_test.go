//go:build unix

package labtest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// While a test has the cluster, nobody else gets it: a second open file stands for another process.
func TestKubeconfigReservesTheCluster(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	t.Setenv(Env, path)
	other, err := os.OpenFile(path+".tests", os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer other.Close()
	try := func() error { return syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

	t.Run("outer", func(t *testing.T) {
		require.Equal(t, path, Kubeconfig(t))
		t.Run("inner", func(t *testing.T) { Kubeconfig(t) })
		assert.ErrorIs(t, try(), syscall.EWOULDBLOCK, "the inner test has ended, the outer one has not")
	})
	assert.NoError(t, try(), "both have ended")
}

func TestKubeconfigTakesAClusterThatNobodyHas(t *testing.T) {
	busy, free := filepath.Join(t.TempDir(), "busy"), filepath.Join(t.TempDir(), "free")
	t.Setenv(Env, busy+string(filepath.ListSeparator)+free)
	other, err := os.OpenFile(busy+".tests", os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, syscall.Flock(int(other.Fd()), syscall.LOCK_EX))
	require.Equal(t, free, Kubeconfig(t))
	t.Run("inner", func(t *testing.T) { assert.Equal(t, free, Kubeconfig(t), "a process has one cluster at a time") })
}
