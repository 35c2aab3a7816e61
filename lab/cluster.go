package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// clusterBinary is the program that started the cluster, as its cluster.json names it, or "" without one. Commands
// about a cluster use the program that started it, so that they never wait for a build.
func (a *app) clusterBinary() string {
	data, err := os.ReadFile(filepath.Join(a.state, "cluster.json"))
	if err != nil {
		return ""
	}
	var c struct{ Binary string }
	if json.Unmarshal(data, &c) != nil {
		return ""
	}
	return c.Binary
}

// existingBinary is a localcluster program that needs no build: the one that started the cluster or, when that is
// gone, the newest in the cache. "" when there is none.
func (a *app) existingBinary() string {
	for _, path := range append([]string{a.clusterBinary()}, a.builtBinaries()...) {
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

func (a *app) neverStarted() bool {
	return !exists(filepath.Join(a.state, "cluster.json"))
}

// clusterEnv is the environment of localcluster: the learner's, and which cluster it is about.
func (a *app) clusterEnv() []string { return append(os.Environ(), "LAB_STATE="+a.state) }

// kubeconfig is the file with which the chapters reach the lab's cluster, and no other.
func (a *app) kubeconfig() string { return filepath.Join(a.state, "admin.conf") }

// up builds localcluster if needed and starts the cluster. Its result goes to out.
func (a *app) up(ctx context.Context, out io.Writer, flags ...string) error {
	bin, err := a.binary(ctx)
	if err != nil {
		return err
	}
	return a.clusterCommand(ctx, bin, out, append([]string{"up"}, flags...)...)
}

// status asks the cluster, if there is one, and returns the first line of its answer.
func (a *app) status(ctx context.Context) (ready bool, said string) {
	bin := a.existingBinary()
	if bin == "" || a.neverStarted() {
		return false, "The cluster is not running."
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var out bytes.Buffer
	err := a.clusterCommand(ctx, bin, &out, "status")
	said, _, _ = strings.Cut(out.String(), "\n")
	return err == nil, said
}

// clusterCommand runs localcluster and turns its exit code into lab's: it has said on stderr what went wrong.
func (a *app) clusterCommand(ctx context.Context, bin string, out io.Writer, args ...string) error {
	cmd := exec.Command(bin, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = a.clusterEnv(), out, a.err
	return childError(ctx, runGroup(ctx, cmd), bin)
}

func childError(ctx context.Context, err error, name string) error {
	var exit *exec.ExitError
	if ctx.Err() == nil && errors.As(err, &exit) && exit.Exited() {
		return exitError(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// hand becomes `localcluster args...`, for commands that need a cluster which was started before.
func (a *app) hand(args ...string) error {
	bin := a.existingBinary()
	if bin == "" {
		return errors.New("there is no cluster yet; start it with: go run ./lab up")
	}
	return replaceProcess(bin, args, a.clusterEnv())
}
