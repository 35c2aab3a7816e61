package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/klog/v2"
)

// contexts works on two kubeconfig files that it writes into dir. It talks to no server: clientcmd only reads files.
func contexts(_ context.Context, dir string, out io.Writer) error {
	work, home := filepath.Join(dir, "work.yaml"), filepath.Join(dir, "home.yaml")
	if err := writeKubeconfigs(work, home); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		show  func(work, home string, out io.Writer) error
	}{
		{"load one file", loadOne},
		{"merge two: the first file wins", mergeTwo},
		{"override", override},
		{"switch", switchContext},
		{"mistakes", mistakes},
		{"BuildConfigFromFlags and $KUBECONFIG", buildFromFlags},
		{"in-cluster", inCluster},
	} {
		fmt.Fprintf(out, "-- %s\n", part.title)
		if err := part.show(work, home, out); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfig builds a kubeconfig: contexts join a cluster, a user and a namespace by their names.
func kubeconfig(current string, contexts map[string]*clientcmdapi.Context, servers map[string]string) clientcmdapi.Config {
	config := clientcmdapi.NewConfig()
	config.CurrentContext = current
	config.Contexts = contexts
	for cluster, server := range servers {
		config.Clusters[cluster] = &clientcmdapi.Cluster{Server: server}
	}
	config.AuthInfos["me"] = &clientcmdapi.AuthInfo{Token: "not-a-secret"}
	return *config
}

// writeKubeconfigs writes two files that both know a context "shop" and a cluster "shop", and mean different things.
func writeKubeconfigs(work, home string) error {
	return errors.Join(
		clientcmd.WriteToFile(kubeconfig("shop",
			map[string]*clientcmdapi.Context{
				"shop":  {Cluster: "shop", AuthInfo: "me", Namespace: "orders"},
				"stage": {Cluster: "stage", AuthInfo: "me"},
			},
			map[string]string{"shop": "https://shop.work.example:6443", "stage": "https://stage.work.example:6443"},
		), work),
		clientcmd.WriteToFile(kubeconfig("pi",
			map[string]*clientcmdapi.Context{
				"shop": {Cluster: "shop", AuthInfo: "me"},
				"pi":   {Cluster: "pi", AuthInfo: "me", Namespace: "garden"},
			},
			map[string]string{"shop": "https://shop.home.example:6443", "pi": "https://pi.home.example:6443"},
		), home),
	)
}

// loadOne reads a file into memory, as it is.
func loadOne(work, _ string, out io.Writer) error {
	config, err := clientcmd.LoadFromFile(work)
	if err != nil {
		return fmt.Errorf("load %s: %w", filepath.Base(work), err)
	}
	fmt.Fprintf(out, "contexts: %s; current: %s\n", contextNames(config.Contexts), config.CurrentContext)
	return nil
}

// load is how a program should find its Config: rules say which files, overrides what the user wants instead of what
// is in them, and nothing is read before it is asked for.
func load(rules *clientcmd.ClientConfigLoadingRules, overrides *clientcmd.ConfigOverrides, out io.Writer) error {
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	config, err := loader.ClientConfig()
	if err != nil {
		return err
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, namespace %s\n", config.Host, namespace)
	return nil
}

// files are the rules for KUBECONFIG=work.yaml:home.yaml. NewDefaultClientConfigLoadingRules would read the variable.
func files(paths ...string) *clientcmd.ClientConfigLoadingRules {
	return &clientcmd.ClientConfigLoadingRules{Precedence: paths}
}

// mergeTwo: maps are merged key by key. A key that is in both files keeps all that the first one says, and what the
// second one says is lost. current-context, too, is the first file's.
func mergeTwo(work, home string, out io.Writer) error {
	merged, err := files(work, home).Load()
	if err != nil {
		return fmt.Errorf("merge the files: %w", err)
	}
	fmt.Fprintf(out, "contexts: %s; current: %s\n", contextNames(merged.Contexts), merged.CurrentContext)

	shop := &clientcmd.ConfigOverrides{CurrentContext: "shop"}
	fmt.Fprint(out, "shop in work:home is ")
	if err := load(files(work, home), shop, out); err != nil {
		return err
	}
	fmt.Fprint(out, "shop in home:work is ")
	return load(files(home, work), shop, out)
}

// override: what -context, -n and -server would set. The files stay as they are.
func override(work, home string, out io.Writer) error {
	other := &clientcmd.ConfigOverrides{CurrentContext: "pi"}
	if err := load(files(work, home), other, out); err != nil {
		return err
	}
	other.Context.Namespace = "kitchen"
	other.ClusterInfo.Server = "https://localhost:8443"
	return load(files(work, home), other, out)
}

// switchContext does what "kubectl config use-context" does. ModifyConfig takes a lock beside each file, and writes each
// change back to the file that it came from.
func switchContext(work, home string, out io.Writer) error {
	rules := files(work, home)
	config, err := rules.GetStartingConfig()
	if err != nil {
		return err
	}
	config.CurrentContext = "stage"
	if err := clientcmd.ModifyConfig(rules, *config, false); err != nil {
		return fmt.Errorf("switch to the context stage: %w", err)
	}
	return load(rules, nil, out)
}

// mistakes shows what clientcmd says to a context that is not there, to a file that is not there, and to no file at all.
func mistakes(work, _ string, out io.Writer) error {
	err := load(files(work), &clientcmd.ConfigOverrides{CurrentContext: "sohp"}, out)
	fmt.Fprintf(out, "unknown context: %v\n", err)

	err = load(&clientcmd.ClientConfigLoadingRules{ExplicitPath: "/no/such/file"}, nil, out)
	fmt.Fprintf(out, "ExplicitPath to nowhere: os.IsNotExist is %t\n", os.IsNotExist(err))

	// A file in Precedence may be missing: it counts as empty.
	err = load(files("/no/such/file"), nil, out)
	fmt.Fprintf(out, "Precedence to nowhere: clientcmd.IsEmptyConfig is %t\n", clientcmd.IsEmptyConfig(err))
	return nil
}

// buildFromFlags calls the helper that most tutorials use. With two empty strings it tries in-cluster, and then gives up:
// it never reads $KUBECONFIG or ~/.kube/config. It also warns through klog, which we turn off meanwhile.
func buildFromFlags(work, _ string, out io.Writer) error {
	klog.LogToStderr(false)
	defer klog.LogToStderr(true) // the default. klog.CaptureState would restore all, and race with whoever logs
	klog.SetOutput(io.Discard)   // or klog would write files in the temporary directory instead
	restore, err := setenv("KUBECONFIG", work)
	if err != nil {
		return err
	}
	defer restore()

	_, err = clientcmd.BuildConfigFromFlags("", "")
	fmt.Fprintf(out, "BuildConfigFromFlags(\"\", \"\"): %v\n", err)
	fmt.Fprint(out, "NewDefaultClientConfigLoadingRules: ")
	return load(clientcmd.NewDefaultClientConfigLoadingRules(), nil, out)
}

// setenv sets an environment variable and returns a function that puts back what was there.
func setenv(key, value string) (restore func(), err error) {
	old, was := os.LookupEnv(key)
	if err := os.Setenv(key, value); err != nil {
		return nil, err
	}
	return func() {
		if was {
			os.Setenv(key, old)
		} else {
			os.Unsetenv(key)
		}
	}, nil
}

// inCluster: a pod finds the server's address in its environment, and a token and a CA in files. Deferred loading comes
// to this by itself when there is no kubeconfig.
func inCluster(_, _ string, out io.Writer) error {
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		fmt.Fprintln(out, strings.TrimPrefix(err.Error(), "unable to load in-cluster configuration, "))
		return nil
	}
	if err != nil {
		return fmt.Errorf("load the in-cluster configuration: %w", err)
	}
	fmt.Fprintf(out, "this is a pod: the API server is %s\n", config.Host)
	return nil
}
