package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// ContextName is the name of the lab's context, cluster and user in a kubeconfig.
	ContextName = "lab"
	// mark is an extension on the lab's entries, so that nobody else's entry of that name is taken for ours.
	mark = "client-go-lab"
)

// merge is what `up` did to a kubeconfig and `down` takes back.
type merge struct {
	File     string `json:"file"`
	Previous string `json:"previous"` // the current-context that `up` found in File
}

// mergeKubeconfig adds the admin's context to the user's kubeconfig and makes it current. It returns the file it wrote.
// What it is about to do is noted first, so that a crash in between leaves nothing that `down` cannot take back.
func (s State) mergeKubeconfig(ctx context.Context, server string) (file string, err error) {
	if file, err = filepath.Abs(kubeconfigFile()); err != nil {
		return "", err
	}
	admin, err := s.kubeconfigOf(Admin, server)
	if err != nil {
		return file, err
	}
	var done merge
	if err := readJSON(s.File("kubeconfig.json"), &done); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if done.File != "" && done.File != file { // it would never be taken back
		if _, _, err := s.unmergeKubeconfig(ctx); err != nil {
			return file, err
		}
	}
	return file, editKubeconfig(ctx, file, func(config *clientcmdapi.Config) error {
		if c := config.Clusters[ContextName]; c != nil && !ours(c.Extensions) ||
			config.AuthInfos[ContextName] != nil && !ours(config.AuthInfos[ContextName].Extensions) ||
			config.Contexts[ContextName] != nil && !ours(config.Contexts[ContextName].Extensions) {
			return fmt.Errorf("it already has a context, cluster or user %q that is not the lab's; rename it "+
				"(kubectl config rename-context %s NEW) or use --merge-kubeconfig=false", ContextName, ContextName)
		}
		if done.File != file || config.CurrentContext != ContextName {
			previous := config.CurrentContext
			if previous == ContextName { // left by a cluster whose directory was deleted
				previous = ""
			}
			if err := writeJSON(s.File("kubeconfig.json"), merge{file, previous}); err != nil {
				return err
			}
		}
		marked := map[string]runtime.Object{mark: &runtime.Unknown{Raw: []byte(`{"managed-by":"client-go-lab"}`), ContentType: runtime.ContentTypeJSON}}
		c, u, x := admin.Clusters[ContextName], admin.AuthInfos[ContextName], admin.Contexts[ContextName]
		c.Extensions, u.Extensions, x.Extensions = marked, marked, marked
		config.Clusters[ContextName], config.AuthInfos[ContextName], config.Contexts[ContextName] = c, u, x
		config.CurrentContext = ContextName
		return nil
	})
}

// unmergeKubeconfig takes the lab's entries out again and, where the lab is still current, gives back what was.
func (s State) unmergeKubeconfig(ctx context.Context) (changed, current string, err error) {
	var done merge
	if err := readJSON(s.File("kubeconfig.json"), &done); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", "", nil
		}
		return "", "", err
	}
	if _, err := os.Stat(done.File); err == nil {
		err := editKubeconfig(ctx, done.File, func(config *clientcmdapi.Config) error {
			if c := config.Clusters[ContextName]; c != nil && ours(c.Extensions) {
				delete(config.Clusters, ContextName)
			}
			if u := config.AuthInfos[ContextName]; u != nil && ours(u.Extensions) {
				delete(config.AuthInfos, ContextName)
			}
			if x := config.Contexts[ContextName]; x != nil && ours(x.Extensions) {
				delete(config.Contexts, ContextName)
				if config.CurrentContext == ContextName {
					config.CurrentContext = ""
					if config.Contexts[done.Previous] != nil || definedElsewhere(done.Previous) {
						config.CurrentContext = done.Previous
					}
				}
			}
			current = config.CurrentContext
			return nil
		})
		if err != nil {
			return "", "", err
		}
		changed = done.File
	}
	return changed, current, os.Remove(s.File("kubeconfig.json"))
}

// definedElsewhere says whether another file of $KUBECONFIG defines a context: current-context may name one of those.
func definedElsewhere(name string) bool {
	all, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	return err == nil && all.Contexts[name] != nil
}

func ours(extensions map[string]runtime.Object) bool {
	_, ok := extensions[mark]
	return ok
}

// kubeconfigFile chooses the file to write as kind does: the first of $KUBECONFIG that exists, else its last, else
// ~/.kube/config. The first that exists is also the one whose current-context kubectl heeds.
func kubeconfigFile() string {
	var last string
	for _, file := range filepath.SplitList(os.Getenv(clientcmd.RecommendedConfigPathEnvVar)) {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err == nil {
			return file
		}
		last = file
	}
	if last == "" {
		return clientcmd.RecommendedHomeFile
	}
	return last
}

// editKubeconfig changes one kubeconfig file: under the lock that client-go and kubectl heed, and in one step.
func editKubeconfig(ctx context.Context, file string, change func(*clientcmdapi.Config) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("kubeconfig %s is unchanged: %w", file, err)
		}
	}()
	// A link stays a link.
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	unlock, err := lockKubeconfig(ctx, file)
	if err != nil {
		return err
	}
	defer unlock()

	var before []byte
	config, mode := clientcmdapi.NewConfig(), fs.FileMode(0o600)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
		if before, err = os.ReadFile(file); err != nil {
			return err
		}
		if config, err = clientcmd.Load(before); err != nil {
			return fmt.Errorf("read it: %w", err)
		}
		// Writing goes by renaming, which would get round a file's own write protection.
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_ = f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := change(config); err != nil {
		return err
	}
	data, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	if bytes.Equal(data, before) {
		return nil
	}
	if err := writeFile(file, data); err != nil {
		return err
	}
	return os.Chmod(file, mode)
}

// lockKubeconfig makes FILE.lock as client-go does (tools/clientcmd/config.go, lockFile). client-go gives up at once
// where that file exists, and never takes away the one of a program that was killed. This waits two seconds, and takes
// away its own.
func lockKubeconfig(ctx context.Context, file string) (unlock func(), err error) {
	path := file + ".lock"
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintf(f, "%s %d", mark, os.Getpid())
			if err := errors.Join(err, f.Close()); err != nil {
				_ = os.Remove(path)
				return nil, err
			}
			return func() { _ = os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if content, err := os.ReadFile(path); err == nil {
			name, pid, _ := strings.Cut(string(content), " ")
			if n, err := strconv.Atoi(pid); err == nil && name == mark && !alive(n) {
				_ = os.Remove(path)
				continue
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("another program holds %s; if none does (one was killed while it wrote), remove that file", path)
		case <-tick.C:
		}
	}
}
