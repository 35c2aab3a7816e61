// Chapter 05: informers, a local copy of what the API server has, that stays right.
//
// This file is the table of contents. Each step is a function in the file of its name; connect.go finds the cluster,
// lab.go gives the steps a namespace to write in, changes.go is what they do to it, and proxy.go is a server between
// them and the API server, which breaks what has to be broken.
package main

import (
	"context"
	"flag"
	"io"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"client-go-lab/internal/chapter"
)

func main() {
	// client-go logs through the logger in the context, and without one through klog, on stderr. The step "relist" gives
	// its informer a logger and shows what it says; the others are quiet.
	ctx := klog.NewContext(context.Background(), klog.Logger{})
	os.Exit(contents().Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func contents() chapter.Chapter {
	var follow bool
	return chapter.Chapter{
		Dir:   "05-informer",
		Title: "Chapter 05, informers: a local copy of what the API server has, that stays right.",
		Reads: "events -follow", // the others write, in the lab's namespace
		Steps: []chapter.Step{
			{
				Name: "events", Summary: "adds, updates and deletes of pods, as they happen",
				Flags: func(set *flag.FlagSet) {
					set.BoolVar(&follow, "follow", false, "go on until Ctrl-C, with what others do to pods, and change nothing")
				},
				Run: func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
					if follow {
						return reads(followPods)(ctx, flags, out)
					}
					return writes(events)(ctx, flags, out)
				},
			},
			{Name: "anatomy", Summary: "an informer put together by hand, beside the real one", Run: writesWith(anatomy)},
			{Name: "deltafifo", Summary: "the queue that older texts describe, and today's, on the same input", Run: offline(deltaFIFO)},
			{Name: "indexer", Summary: "the store: keys, indexes of your own, listers", Run: writes(indexer)},
			{Name: "sharing", Summary: "one watch and one object for many handlers, and who may change it", Run: writesWith(sharing)},
			{Name: "resync", Summary: "resync and relist: two things with one name in many texts", Run: writesWith(resync)},
			{Name: "relist", Summary: "closed, refused, too busy, too old: what the reflector does each time", Run: writesWith(relist)},
			{Name: "fresh", Summary: "read your own writes, though the cache is late", Run: writesWith(fresh)},
			{Name: "slow", Summary: "a slow handler, its neighbours, and where the memory goes", Run: writes(slow)},
			{Name: "filter", Summary: "less in the cache: namespace, selectors, transform, metadata only", Run: writesWith(filter)},
			{Name: "dynamic", Summary: "kinds known only at run time, and one that is installed meanwhile", Run: writesWith(dynamicInformers)},
		},
	}
}

// A step gets what it needs and no more: a client, or a Config to make clients of, or nothing.
type (
	clientStep  = func(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error
	configStep  = func(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error
	offlineStep = func(ctx context.Context, out io.Writer) error
)

// reads runs a step that only reads: in the namespace of the kubeconfig or of -n.
func reads(step clientStep) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		client, err := newClient(conn.config)
		if err != nil {
			return err
		}
		return conn.explain(step(ctx, client, conn.namespace, out))
	}
}

// writes runs a step that writes: past the guard, in the lab's namespace.
func writes(step clientStep) chapter.RunFunc {
	return writesWith(func(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
		client, err := newClient(config)
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
		client, err := newClient(conn.config)
		if err != nil {
			return err
		}
		return conn.explain(inLab(ctx, client, func() error {
			return step(ctx, rest.CopyConfig(conn.config), labNamespace, out)
		}))
	}
}

// offline runs a step that needs no cluster.
func offline(step offlineStep) chapter.RunFunc {
	return func(ctx context.Context, _ chapter.Flags, out io.Writer) error { return step(ctx, out) }
}
