// Chapter 04: discovery, what does this server serve, and which version is it.
//
// This file is the table of contents. Each step is a function in the file of its name; connect.go finds the cluster,
// lab.go gives the steps that write a namespace to write in, wire.go counts what goes over the wire.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"client-go-lab/internal/chapter"
)

func main() {
	// client-go logs through the logger in the context, and without one through klog, on stderr: a group that cannot be
	// discovered, say. The errors that it returns tell the same, and one of the two is enough.
	ctx := klog.NewContext(context.Background(), klog.Logger{})
	os.Exit(contents().Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func contents() chapter.Chapter {
	var options resourceOptions
	listResources := func(ctx context.Context, client discovery.DiscoveryInterfaceWithContext, _ []string, out io.Writer) error {
		return resources(ctx, client, options, out)
	}
	return chapter.Chapter{
		Dir:         "04-discovery",
		Title:       "Chapter 04, discovery: what does this server serve, and which version is it.",
		NoNamespace: true, // what a server serves is the same in all of them
		Steps: []chapter.Step{
			{Name: "resources", Summary: "kubectl api-resources, to the letter", Flags: options.register, Run: reads(listResources)},
			{Name: "versions", Summary: "kubectl api-versions, to the letter", Run: reads(versions)},
			{Name: "skew", Summary: "this server's version, this program's client-go, and what is promised for the pair", Run: reads(skew)},
			{Name: "preferred", Summary: "one object in several versions, and in several groups", Run: writes(preferred)},
			{Name: "aggregated", Summary: "two requests or one for each group-version: count them", Run: readsWith(aggregated)},
			{Name: "cached", Summary: "answers from memory and disk, and the custom resource that they do not know", Run: writes(cached)},
			{Name: "partial", Summary: "one API is down: which answers are still good", Run: writes(partial)},
			{Name: "explain", Args: "[PATH]", Summary: "a small kubectl explain, from OpenAPI v3", Run: readsWith(explain)},
			{Name: "supports", Summary: "does the server serve it, and may I do it: two questions", Run: readsWith(supports)},
		},
	}
}

// A step gets what it needs and no more: a discovery client, a Config to make clients of, or a Config and a directory.
type (
	discoveryStep = func(ctx context.Context, client discovery.DiscoveryInterfaceWithContext, args []string, out io.Writer) error
	configStep    = func(ctx context.Context, config *rest.Config, args []string, out io.Writer) error
	writingStep   = func(ctx context.Context, config *rest.Config, namespace, dir string, out io.Writer) error
)

// reads runs a step that only asks.
func reads(step discoveryStep) chapter.RunFunc {
	return readsWith(func(ctx context.Context, config *rest.Config, args []string, out io.Writer) error {
		client, err := newDiscoveryClient(config)
		if err != nil {
			return err
		}
		return step(ctx, client, args, out)
	})
}

// readsWith is reads for a step that makes its clients itself. The Config it gets is its own copy.
func readsWith(step configStep) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		return conn.explain(step(ctx, rest.CopyConfig(conn.config), flags.Args, out))
	}
}

// writes runs a step that writes: past the guard, in the lab's namespace, with a directory that goes away afterwards.
func writes(step writingStep) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) (err error) {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		if err := chapter.Guard(conn.context, flags.Context != ""); err != nil {
			return err
		}
		lab, err := newLab(conn.config)
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "client-go-lab-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		return conn.explain(lab.run(ctx, func() error {
			return step(ctx, rest.CopyConfig(conn.config), labNamespace, dir, out)
		}))
	}
}

// newDiscoveryClient makes a client for the paths that describe a server: /api, /apis, /version, /openapi/v3. It belongs
// to no group-version, so unlike a RESTClient it needs nothing but the Config.
func newDiscoveryClient(config *rest.Config) (*discovery.DiscoveryClient, error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	return client, nil
}
