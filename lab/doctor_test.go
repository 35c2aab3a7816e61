package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDoctorOnKubeconfigs(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("apiVersion: v1\n"), mode))
		return path
	}
	locked := file("locked", 0o600)
	file("locked.lock", 0o600)
	unreadable := filepath.Join(dir, "directory")
	require.NoError(t, os.Mkdir(unreadable, 0o700))

	for path, want := range map[string]finding{
		file("good", 0o600):               {fine, "", "can be read and written", ""},
		filepath.Join(dir, "missing"):     {fine, "", "does not exist yet", ""},
		filepath.Join(dir, "no", "where"): {fine, "", "does not exist yet", ""},
		locked:                            {warn, "", "is locked since", "rm " + locked + ".lock"},
		unreadable:                        {warn, "", "cannot be read", "--merge-kubeconfig=false"},
		file("open", 0o644):               {warn, "", "mode 0644", "chmod 600 "},
	} {
		found := checkKubeconfig(path)
		require.Len(t, found, 1, path)
		assert.Equal(t, want.level, found[0].level, path)
		assert.Contains(t, found[0].found, want.found)
		assert.Contains(t, found[0].remedy, want.remedy)
		assert.Equal(t, want.remedy == "", found[0].remedy == "", path)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 5, "doctor leaves no file behind")
}

func TestDoctorReadsEveryKubeconfig(t *testing.T) {
	t.Setenv("HOME", "/learner")
	t.Setenv("KUBECONFIG", "/a:/b:")
	assert.Equal(t, []string{"/a", "/b"}, kubeconfigFiles())
	t.Setenv("KUBECONFIG", "")
	assert.Equal(t, []string{"/learner/.kube/config"}, kubeconfigFiles())
}

func TestDoctorOnFileWatching(t *testing.T) {
	dir := t.TempDir()
	assert.Equal(t, fine, checkWatching(dir).level, "no such limit")
	for value, level := range map[string]string{"128": fine, "10": warn, "?": warn} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "max_user_instances"), []byte(value+"\n"), 0o644))
		f := checkWatching(dir)
		assert.Equal(t, level, f.level, value)
		assert.Equal(t, level == warn, f.remedy != "", value)
	}
}

func TestDoctorCommand(t *testing.T) {
	l := newLab(t)
	code, stdout, stderr := l.run("doctor")
	require.Zero(t, code, stdout+stderr)
	assert.Contains(t, stdout, "go1.26.8; go.mod needs 1.26.0")
	assert.Regexp(t, `warn +C compiler +none`, stdout)
	assert.Contains(t, stdout, "never started")

	l.env = append(l.env, "FAKE_GOVERSION=go1.25.9")
	code, stdout, stderr = l.run("doctor")
	assert.Equal(t, 1, code)
	assert.Regexp(t, `FAIL +Go +go1.25.9; go.mod needs 1.26.0\n +-> install a newer Go`, stdout)
	assert.Contains(t, stderr, "1 things are missing")

	file := filepath.Join(l.home, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	l.env = append(l.env, "XDG_CACHE_HOME="+file)
	_, stdout, _ = l.run("doctor")
	assert.Regexp(t, `FAIL +lab's cache +not writable`, stdout)
	assert.NotContains(t, l.log(), "go build")
	assert.NotContains(t, l.log(), "go list")
}
