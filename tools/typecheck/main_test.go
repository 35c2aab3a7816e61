package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":        "module example\n\ngo 1.26\n",
		"main.go":       "package main\n\nfunc main() { wait() }\n",
		"wait_linux.go": "package main\n\nfunc wait() {}\n",
		"main_test.go":  "package main\n\nimport (\n\t\"syscall\"\n\t\"testing\"\n)\n\nfunc TestX(t *testing.T) { t.Log(syscall.Kill) }\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for system, want := range map[string]struct {
		errors int
		why    string
	}{
		"linux/amd64":  {0, "all is there"},
		"darwin/arm64": {2, "wait is on Linux alone; the package is looked at alone and with its test"},
		"plan9/amd64":  {3, "the test does not compile there, either"},
	} {
		errors, err := check(system, dir)
		require.NoError(t, err, system)
		assert.Equal(t, want.errors, errors, "%s: %s", system, want.why)
	}
	errors, err := check("linux/amd64", t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, 1, errors, "a directory without a module")
}
