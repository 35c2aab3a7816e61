// Chapter 02: the Clientset, typed clients for everything built in.
//
// This file is the table of contents. Each step is a function in the file of its name; connect.go finds the cluster,
// lab.go gives the steps that write a namespace to write in.
package main

import (
	"context"
	"io"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"client-go-lab/internal/chapter"
)

func main() {
	// client-go logs through the logger in the context, and without one through klog, on stderr. The errors that it
	// returns tell the same, and one of the two is enough.
	ctx := klog.NewContext(context.Background(), klog.Logger{})
	os.Exit(contents().Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func contents() chapter.Chapter {
	return chapter.Chapter{
		Dir:   "02-clientset",
		Title: "Chapter 02, Clientset: typed clients for everything built in.",
		Steps: []chapter.Step{
			{Name: "list", Summary: "pods in one namespace, Deployments in another: two groups, one client", Run: reads(list)},
			{Name: "anatomy", Summary: "what a Clientset is made of, and what its clients share", Run: readsWith(anatomy)},
			{Name: "crud", Summary: "create, get, update, delete; generated names, preconditions, propagation", Run: writes(crud)},
			{Name: "select", Summary: "label selectors, field selectors, and lists in pages", Run: writes(selectors)},
			{Name: "patch", Summary: "three kinds of patch on the same list, and where each surprises", Run: writes(patches)},
			{Name: "apply", Summary: "server-side apply: who owns which field, conflicts, giving a field up", Run: writes(apply)},
			{Name: "conflict", Summary: "two writers: 409, and how to retry", Run: writes(conflicts)},
			{Name: "watch", Summary: "typed events, and a watch that survives its stream", Run: writes(watches)},
			{Name: "subresources", Summary: "scale, status and eviction: writes to what stands behind an object", Run: writes(subresources)},
			{Name: "streams", Summary: "logs, exec, port-forward, ephemeral containers: what needs a kubelet", Run: writesWith(streams)},
			{Name: "errors", Summary: "what went wrong, and who says so", Run: writesWith(errorKinds)},
			{Name: "incluster", Summary: "what a program in a pod has, and what it may do", Run: writesWith(inCluster)},
		},
	}
}

// A step gets what it needs and no more: a client, or a Config to make clients of.
type (
	clientStep = func(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error
	configStep = func(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error
)

// reads runs a step that only reads: in the namespace of the kubeconfig or of -n.
func reads(step clientStep) chapter.RunFunc { return readsWith(withClient(step)) }

// readsWith is reads for a step that makes its clients itself. The Config it gets is its own copy.
func readsWith(step configStep) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		return conn.explain(step(ctx, rest.CopyConfig(conn.config), conn.namespace, out))
	}
}

// writes runs a step that writes: past the guard, in the lab's namespace.
func writes(step clientStep) chapter.RunFunc { return writesWith(withClient(step)) }

// writesWith is writes for a step that makes its clients itself. The Config it gets is its own copy.
func writesWith(step configStep) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		if err := chapter.Guard(conn.context, flags.Context != ""); err != nil {
			return err
		}
		client, err := newClient(conn.config)
		if err != nil {
			return err
		}
		return conn.explain(inLab(ctx, client, func() error {
			return step(ctx, rest.CopyConfig(conn.config), labNamespace, out)
		}))
	}
}

// withClient makes the Clientset that a step wants.
func withClient(step clientStep) configStep {
	return func(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
		client, err := newClient(config)
		if err != nil {
			return err
		}
		return step(ctx, client, namespace, out)
	}
}
