package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// home is a new user's home directory, for the commands of one README. The author's cluster and kubeconfig stay as they
// are; Go's caches are shared, and so is the built localcluster.
type home struct {
	dir    string
	env    []string
	cache  string // lab's
	binary string // localcluster; empty: commands that need a cluster build one
}

func newHome(binary string) (*home, error) {
	tmp := "/tmp" // the path of a unix socket holds about 100 characters; macOS's own directory takes half of them
	if _, err := os.Stat(tmp); err != nil {
		tmp = ""
	}
	dir, err := os.MkdirTemp(tmp, "docs-")
	if err != nil {
		return nil, err
	}
	h := &home{dir: dir, cache: filepath.Join(dir, ".cache", "client-go-lab")}
	config := filepath.Join(dir, ".config")
	if runtime.GOOS == "darwin" {
		h.cache = filepath.Join(dir, "Library", "Caches", "client-go-lab")
		config = filepath.Join(dir, "Library", "Application Support")
	}
	// Go keeps counters there, and a process in the background would make the directory again after its end.
	if err := os.MkdirAll(filepath.Join(config, "go", "telemetry"), 0o755); err != nil {
		return h, err
	}
	if err := os.WriteFile(filepath.Join(config, "go", "telemetry", "mode"), []byte("off"), 0o644); err != nil {
		return h, err
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		ours := name == "HOME" || name == "KUBECONFIG" || strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "LAB_") || strings.HasPrefix(name, "KUBERNETES_")
		if !ours {
			h.env = append(h.env, v)
		}
	}
	h.env = append(h.env, "HOME="+dir)
	// go finds these through HOME; GOENV is the file that `go env -w` writes.
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPATH", "GOENV").Output()
	if err != nil {
		return h, fmt.Errorf("go env: %w", err)
	}
	var values map[string]string
	if err := json.Unmarshal(out, &values); err != nil {
		return h, fmt.Errorf("go env: %w", err)
	}
	for name, value := range values {
		h.env = append(h.env, name+"="+value)
	}
	if binary == "" {
		return h, nil
	}
	// lab looks for CACHE/bin/KEY/localcluster. A hard link stays when another lab tidies up its cache.
	key := filepath.Join(h.cache, "bin", filepath.Base(filepath.Dir(binary)))
	if err := os.MkdirAll(key, 0o755); err != nil {
		return h, err
	}
	h.binary = filepath.Join(key, "localcluster")
	if os.Link(binary, h.binary) != nil { // another disk
		return h, os.Symlink(binary, h.binary)
	}
	return h, nil
}

// remove stops the cluster, if a command has started one, and removes everything, even after Ctrl-C.
func (h *home) remove(ctx context.Context) error {
	var err error
	if _, started := os.Stat(filepath.Join(h.cache, "cluster", "cluster.json")); started == nil && h.binary != "" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		down := exec.CommandContext(ctx, h.binary, "down")
		down.Env = append(h.env, "LAB_STATE="+filepath.Join(h.cache, "cluster"))
		if out, failed := down.CombinedOutput(); failed != nil {
			err = fmt.Errorf("stop the cluster in %s: %w\n%s", h.dir, failed, out)
		}
	}
	return errors.Join(err, os.RemoveAll(h.dir))
}
