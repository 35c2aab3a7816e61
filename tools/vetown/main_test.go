package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if os.Getenv("VETOWN") != "" { // go vet runs it as its tool
		main()
		return
	}
	os.Exit(m.Run())
}

func TestVetsOwnPackagesAlone(t *testing.T) {
	dir := t.TempDir()
	const wrapper = "\n\nimport \"fmt\"\n\nfunc Infof(format string, args ...any) { fmt.Printf(format, args...) }\n"
	for name, text := range map[string]string{
		"dep/go.mod":      "module dep\n\ngo 1.26\n",
		"dep/dep.go":      "package dep" + wrapper,
		"own/go.mod":      "module own\n\ngo 1.26\n\nrequire dep v0.0.0\n\nreplace dep => ../dep\n",
		"own/log/log.go":  "package log" + wrapper,
		"own/main.go":     "package main\n\nimport (\n\t\"dep\"\n\t\"own/log\"\n)\n\nfunc main() {\n\tlog.Infof(\"%d\", \"own\")\n\tdep.Infof(\"%d\", \"of the dependency\")\n}\n",
		"own/own_test.go": "package main\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Logf(\"%d\", \"in a test\") }\n",
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	vet := func(flags ...string) string {
		cmd := exec.Command("go", append(append([]string{"vet"}, flags...), "./...")...)
		cmd.Dir, cmd.Env = filepath.Join(dir, "own"), append(os.Environ(), "VETOWN=1", "GOFLAGS=", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		require.ErrorAs(t, err, new(*exec.ExitError), string(out))
		return string(out)
	}
	self, err := os.Executable()
	require.NoError(t, err)

	first := vet()
	assert.Contains(t, first, "of the dependency", "vet itself has learned about all")
	assert.Contains(t, first, "in a test")
	ours := vet("-vettool=" + self)
	assert.Contains(t, ours, `arg "own"`)
	assert.Contains(t, ours, "in a test")
	assert.NotContains(t, ours, "of the dependency", "this is what it costs")
	assert.Equal(t, first, vet(), "what vetown knows of dependencies is not in go's cache as vet's")
	assert.NotContains(t, strings.ToLower(ours), "vetown:", "no error of its own")
}
