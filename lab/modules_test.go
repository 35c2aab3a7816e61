package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goMod is what `go mod edit -json` says of a go.mod.
type goMod struct {
	Go      string
	Require []struct{ Path, Version string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

func readMod(t *testing.T, dir string) goMod {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json", filepath.Join("..", dir, "go.mod")).Output()
	require.NoError(t, err)
	var m goMod
	require.NoError(t, json.Unmarshal(out, &m))
	return m
}

// versions are the versions that a build of the module takes.
func (m goMod) versions() map[string]string {
	v := map[string]string{}
	for _, r := range m.Require {
		v[r.Path] = r.Version
	}
	for _, r := range m.Replace {
		if _, required := v[r.Old.Path]; required {
			v[r.Old.Path] = r.New.Version
		}
	}
	return v
}

// Go's build cache serves the chapters with what localcluster's build compiled, but only packages of the same version
// whose dependencies are the same, too. Without this, everybody compiles client-go twice.
func TestModulesAgree(t *testing.T) {
	root, cluster := readMod(t, ".").versions(), readMod(t, "localcluster").versions()
	shared := 0
	for path, version := range root {
		if other, both := cluster[path]; both {
			shared++
			assert.Equal(t, other, version, "%s: go.mod and localcluster/go.mod differ", path)
		}
	}
	assert.Greater(t, shared, 20, "the two modules share client-go and what it needs")
	assert.Equal(t, root["k8s.io/client-go"][2:], cluster["k8s.io/kubernetes"][2:], "client-go v0.X.Y is Kubernetes v1.X.Y")
}

// All modules need the same Go, so that doctor, which reads the root's, speaks for all.
func TestModulesNeedTheSameGo(t *testing.T) {
	for _, dir := range []string{"localcluster", "tools"} {
		assert.Equal(t, readMod(t, ".").Go, readMod(t, dir).Go, dir)
	}
}
