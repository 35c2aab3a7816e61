// Package cluster runs the components of a Kubernetes cluster on this machine: it makes their certificates, keeps them
// alive, and tells the learner's kubeconfig of them. What the components do is not its concern, so it needs nothing of
// Kubernetes but client-go.
package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// State is the directory that holds all of a cluster: keys, data, logs, locks. It is 0700, its files are 0600.
type State struct{ Dir string }

// DefaultState is $LAB_STATE, or client-go-lab/cluster in the user's cache directory.
func DefaultState() (State, error) {
	if dir := os.Getenv("LAB_STATE"); dir != "" {
		abs, err := filepath.Abs(dir)
		return State{abs}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return State{}, fmt.Errorf("find a place for the cluster: %w; set LAB_STATE to a directory", err)
	}
	return State{filepath.Join(cache, "client-go-lab", "cluster")}, nil
}

// File is the path of a file in the state directory.
func (s State) File(elem ...string) string {
	return filepath.Join(append([]string{s.Dir}, elem...)...)
}

// Cert is the path of an identity's certificate.
func (s State) Cert(id Identity) string { return s.File("pki", string(id)+".crt") }

// Key is the path of an identity's private key.
func (s State) Key(id Identity) string { return s.File("pki", string(id)+".key") }

// Kubeconfig is the path of an identity's kubeconfig.
func (s State) Kubeconfig(id Identity) string { return s.File(string(id) + ".conf") }

// Log is the path of a component's log.
func (s State) Log(component string) string { return s.File("logs", component+".log") }

// EtcdEndpoint is etcd's socket. The path is relative to the state directory, in which every component runs, because
// the path of a unix socket may have no more than about 100 bytes.
func (s State) EtcdEndpoint() string { return "unix://etcd.sock:0" }

// EtcdPeerEndpoint is a socket that nobody uses: etcd wants to listen for peers even when it has none.
func (s State) EtcdPeerEndpoint() string { return "unix://etcd-peer.sock:0" }

// Ports are the cluster's TCP ports, all on 127.0.0.1.
type Ports struct {
	API     int `json:"api"`
	Kubelet int `json:"kubelet"`
}

// Config is what a start decides and the components and the next start read: cluster.json.
type Config struct {
	Binary string `json:"binary"` // the executable that started the cluster
	Server string `json:"server"` // the API server's URL
	Ports  Ports  `json:"ports"`
	Nodes  int    `json:"nodes"`
}

// LoadConfig reads cluster.json; without one it returns the zero Config.
func (s State) LoadConfig() (Config, error) {
	var c Config
	err := readJSON(s.File("cluster.json"), &c)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	return c, err
}

// minFree is what etcd allocates at once for its log, and as much again for all the rest.
const minFree = 128 << 20

// prepare makes the state directory, and tells early and plainly when it cannot be used.
func (s State) prepare() error {
	for _, dir := range []string{s.Dir, s.File("pki"), s.File("logs")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return s.unusable(err)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return s.unusable(err)
		}
	}
	// A full disk accepts a directory but not a file.
	if err := writeFile(s.File("probe"), make([]byte, 64<<10)); err != nil {
		return s.unusable(err)
	}
	if err := os.Remove(s.File("probe")); err != nil && !errors.Is(err, fs.ErrNotExist) { // another up was faster
		return s.unusable(err)
	}
	return nil
}

func (s State) unusable(err error) error {
	return fmt.Errorf("the cluster's directory %s cannot be used: %w; make room or set LAB_STATE to another directory", s.Dir, err)
}

func readJSON(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

func writeJSON(file string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(file, append(data, '\n'))
}

// writeFile replaces file in one step, so that a crash leaves either the old or the new content. Mode 0600.
func writeFile(file string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
