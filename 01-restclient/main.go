// Chapter 01: the RESTClient, what every other client is made of.
//
// This file is the table of contents. Each step is a function in the file of its name; connect.go finds the cluster,
// lab.go gives the steps that write a namespace to write in.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"client-go-lab/internal/chapter"
)

func main() {
	// client-go logs through the logger in the context, and without one through klog, on stderr: on Ctrl-C, say, that an
	// answer broke off in the middle. The errors that it returns tell the same, and one of the two is enough.
	ctx := klog.NewContext(context.Background(), klog.Logger{})
	os.Exit(contents().Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func contents() chapter.Chapter {
	return chapter.Chapter{
		Dir:   "01-restclient",
		Title: "Chapter 01, RESTClient: raw HTTP verbs, what every other client is made of.",
		Steps: []chapter.Step{
			{Name: "pods", Summary: "list the names of the pods, in as few lines as it takes", Run: reads(listPods)},
			{Name: "verbs", Summary: "create, get, update, patch, apply, delete, and what goes over the wire", Run: writes(verbs, showWire)},
			{Name: "result", Summary: "what a Result holds, and what an error says", Run: writes(results)},
			{Name: "table", Summary: "ask for a Table, as kubectl get does, and print it", Run: reads(table)},
			{Name: "pages", Summary: "limit and continue, and what to do when the token has expired", Run: writes(pages)},
			{Name: "watch", Summary: "events, bookmarks, the end of a stream, going on, and 410", Run: writes(watches)},
			{Name: "paths", Summary: "health, version, groups and subresources, by their paths", Run: writes(paths)},
			{Name: "config", Summary: "what the fields of rest.Config do", Run: writesWith(configFields)},
			{Name: "contexts", Summary: "kubeconfig files: load, merge, override, switch, in-cluster", Run: offline(contexts)},
		},
	}
}

// A step gets what it needs and no more: a client, or a Config to make clients of, or a directory.
type (
	clientStep = func(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error
	configStep = func(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error
	fileStep   = func(ctx context.Context, dir string, out io.Writer) error
)

// reads runs a step that only reads: in the namespace of the kubeconfig or of -n.
func reads(step clientStep) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		client, err := newCoreClient(conn.config)
		if err != nil {
			return err
		}
		return conn.explain(step(ctx, client, conn.namespace, out))
	}
}

// writes runs a step that writes: past the guard, in the lab's namespace. Options change the Config of the step's client.
func writes(step clientStep, options ...func(*rest.Config, io.Writer)) chapter.RunFunc {
	return writesWith(func(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
		for _, option := range options {
			option(config, out)
		}
		client, err := newCoreClient(config)
		if err != nil {
			return err
		}
		return step(ctx, client, namespace, out)
	})
}

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
		client, err := newCoreClient(conn.config)
		if err != nil {
			return err
		}
		return conn.explain(inLab(ctx, client, func() error {
			return step(ctx, rest.CopyConfig(conn.config), labNamespace, out)
		}))
	}
}

// offline runs a step that needs no cluster, only a directory to write in.
func offline(step fileStep) chapter.RunFunc {
	return func(ctx context.Context, _ chapter.Flags, out io.Writer) (err error) {
		dir, err := os.MkdirTemp("", "client-go-lab-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		return step(ctx, dir, out)
	}
}
