package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"client-go-lab/internal/chapter"
)

// connection is what a kubeconfig says: where the API server is, as whom to go there, and in which namespace to work.
type connection struct {
	config    *rest.Config
	context   string // empty in a pod
	namespace string
}

// connect finds the cluster as kubectl does: -kubeconfig, or the files in $KUBECONFIG, or ~/.kube/config, or, in a pod,
// its service account. It only reads files: nothing is sent until the first request.
func connect(flags chapter.Flags) (*connection, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = flags.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: flags.Context}
	overrides.Context.Namespace = flags.Namespace
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)

	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w (another file: -kubeconfig; a cluster of your own: go run ./lab up)", err)
	}
	name := raw.CurrentContext
	if flags.Context != "" {
		name = flags.Context
	}
	config, err := loader.ClientConfig()
	if err != nil {
		files := strings.Join(rules.GetLoadingPrecedence(), " and ")
		switch {
		case name != "" && raw.Contexts[name] == nil:
			return nil, fmt.Errorf("no context %q in %s, which has: %s (choose one with -context; go run ./lab up adds \"lab\")",
				name, files, contextNames(raw.Contexts))
		case clientcmd.IsEmptyConfig(err):
			return nil, fmt.Errorf("no cluster to talk to: looked in %s, and this is not a pod "+
				"(go run ./lab up starts a cluster; -kubeconfig names another file)", files)
		}
		return nil, fmt.Errorf("use the context %q of %s: %w (another one: -context; a cluster of your own: go run ./lab up)", name, files, err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("find the namespace of the context %q: %w", name, err)
	}

	// RESTClientFor would send none, and the server's logs and managedFields would say "Go-http-client".
	config.UserAgent = rest.DefaultKubernetesUserAgent()
	// The default, 5 requests a second after a burst of 10, would slow these steps down. Chapter 01's step "config" shows it.
	config.QPS, config.Burst = 50, 100
	return &connection{config: config, context: name, namespace: namespace}, nil
}

// contextNames lists the names in a kubeconfig, sorted.
func contextNames[T any](contexts map[string]T) string {
	var names []string
	for name := range contexts {
		names = append(names, name)
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// explain adds to an error what to try. The first question is always: did the server answer at all? An answer, even a
// "no", is an *apierrors.StatusError. No answer (refused, unknown host, bad certificate, timeout) is a *url.Error,
// as net/http made it.
func (c *connection) explain(err error) error {
	var noAnswer *url.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w (the server does not know you: are the credentials of the context %q still good?)", err, c.context)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w (the server knows you, but RBAC does not let you: kubectl auth can-i --list)", err)
	case errors.As(err, &noAnswer):
		return fmt.Errorf("no answer from %s (context %q): %w (is the cluster running? go run ./lab up starts one)", c.config.Host, c.context, err)
	}
	return err
}
