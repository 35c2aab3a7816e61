// Chapter 03: the dynamic client, for any resource, known only at run time.
//
// This file is the table of contents. Each step is a function in the file of its name; connect.go finds the cluster,
// clients.go makes the clients, lab.go gives the steps that write a namespace to write in.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	var flags applyFlags
	return chapter.Chapter{
		Dir:   "03-dynamic",
		Title: "Chapter 03, dynamic client: any resource, known only at run time.",
		Steps: []chapter.Step{
			{Name: "list", Args: "[RESOURCE]", Summary: "list any resource: po, deployments.apps, crontabs.example.com", Run: reads(
				func(ctx context.Context, c *clients, args []string, out io.Writer) error {
					return listAny(ctx, c.dynamic, c.mapper, first(args, "pods"), c.namespace, out)
				})},
			{Name: "crud", Summary: "unstructured objects: create to delete, and the helpers for nested fields", Run: writes(
				func(ctx context.Context, c *clients, out io.Writer) error {
					return crud(ctx, c.dynamic, c.namespace, out)
				})},
			{Name: "apply", Args: "[FILE]", Summary: "apply a YAML file (- for stdin) of any kinds, as kubectl apply -f does",
				Flags: func(set *flag.FlagSet) {
					set.StringVar(&flags.file, "f", "", "the `FILE`, as kubectl has it")
					set.StringVar(&flags.dryRun, "dry-run", "none", "with `MODE` server, check and store nothing; default none")
					set.BoolVar(&flags.force, "force-conflicts", false, "take over fields that other managers own")
				},
				Run: applies(&flags)},
			{Name: "mapper", Summary: "kinds and resources, short names, versions, and a mapper that has grown old", Run: writes(
				func(ctx context.Context, c *clients, out io.Writer) error {
					return mapping(ctx, c.dynamic, c.mapper, out)
				})},
			{Name: "convert", Summary: "from a Go type to unstructured and back, and what gets lost", Run: writes(
				func(ctx context.Context, c *clients, out io.Writer) error {
					return convert(ctx, c.dynamic, c.namespace, out)
				})},
			{Name: "crd", Summary: "define a resource with a schema and a rule; good objects and bad ones", Run: writes(
				func(ctx context.Context, c *clients, out io.Writer) error {
					return define(ctx, c.dynamic, c.namespace, out)
				})},
			{Name: "metadata", Summary: "lists without specs: what they save", Run: writes(
				func(ctx context.Context, c *clients, out io.Writer) error {
					return metadataOnly(ctx, c.config, c.namespace, out)
				})},
			{Name: "columns", Args: "[RESOURCE]", Summary: "columns of your own, and the server's", Run: readsOrShows(
				func(ctx context.Context, c *clients, args []string, out io.Writer) error {
					return columns(ctx, c.mapper, c.config, args[0], c.namespace, metav1.ListOptions{}, out)
				},
				func(ctx context.Context, c *clients, out io.Writer) error {
					return columnsExample(ctx, c.dynamic, c.mapper, c.config, c.namespace, out)
				})},
			{Name: "watch", Args: "[RESOURCE]", Summary: "events of any resource as lines of JSON, until Ctrl-C", Run: readsOrShows(
				func(ctx context.Context, c *clients, args []string, out io.Writer) error {
					return follow(ctx, c.dynamic, c.mapper, args[0], c.namespace, out)
				},
				func(ctx context.Context, c *clients, out io.Writer) error {
					return watchExample(ctx, c.dynamic, c.namespace, out)
				})},
		},
	}
}

// first returns the first argument, or what stands for it if there is none.
func first(args []string, otherwise string) string {
	if len(args) > 0 {
		return args[0]
	}
	return otherwise
}

// reads runs a step that only reads: in the namespace of the kubeconfig or of -n.
func reads(step func(ctx context.Context, c *clients, args []string, out io.Writer) error) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		c, err := newClients(conn.config, conn.namespace)
		if err != nil {
			return err
		}
		return conn.explain(step(ctx, c, flags.Args, out))
	}
}

// writes runs a step that writes: past the guard, in the lab's namespace, and everything is removed afterwards.
func writes(step func(ctx context.Context, c *clients, out io.Writer) error) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		if err := chapter.Guard(conn.context, flags.Context != ""); err != nil {
			return err
		}
		c, err := newClients(conn.config, labNamespace)
		if err != nil {
			return err
		}
		return conn.explain(inLab(ctx, c.dynamic, func() error { return step(ctx, c, out) }))
	}
}

// readsOrShows runs a step that reads the resource that was named, or, if none was, an example that it makes itself.
func readsOrShows(step func(ctx context.Context, c *clients, args []string, out io.Writer) error,
	example func(ctx context.Context, c *clients, out io.Writer) error,
) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		if len(flags.Args) > 0 {
			return reads(step)(ctx, flags, out)
		}
		return writes(example)(ctx, flags, out)
	}
}

// applyFlags are the flags of the step apply, as they are typed.
type applyFlags struct {
	file, dryRun string
	force        bool
}

// applies runs the example, or applies a file past the guard, into the namespace of the kubeconfig or of -n. What comes
// from a file stays.
func applies(given *applyFlags) chapter.RunFunc {
	applyStep := writes(func(ctx context.Context, c *clients, out io.Writer) error {
		return applyExample(ctx, c.dynamic, c.mapper, c.namespace, out)
	})
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		name := first(flags.Args, given.file)
		switch {
		case given.dryRun != "none" && given.dryRun != "server":
			return fmt.Errorf("-dry-run is none or server, not %q", given.dryRun)
		case len(flags.Args) > 0 && given.file != "":
			return fmt.Errorf("one file at a time, got %s and %s", given.file, name)
		case name == "" && given.dryRun != "none":
			return fmt.Errorf("-dry-run needs a file: the example shows its own dry run")
		case name == "" && given.force:
			return fmt.Errorf("-force-conflicts needs a file: the example has no conflicts")
		case name == "":
			return applyStep(ctx, flags, out)
		}
		file := io.ReadCloser(os.Stdin)
		if name != "-" {
			var err error
			if file, err = os.Open(name); err != nil {
				return fmt.Errorf("read the manifests: %w", err)
			}
			defer file.Close()
		}
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		if err := chapter.Guard(conn.context, flags.Context != ""); err != nil {
			return err
		}
		conn.config.WarningHandlerWithContext = printWarnings{out} // a field that is not in the schema, an old version
		c, err := newClients(conn.config, conn.namespace)
		if err != nil {
			return err
		}
		text, err := readAll(ctx, file)
		if err != nil {
			return fmt.Errorf("read the manifests: %w", err)
		}
		options := applyOptions{dryRun: given.dryRun == "server", force: given.force}
		return conn.explain(apply(ctx, c.dynamic, c.mapper, c.namespace, bytes.NewReader(text), options, out))
	}
}

// readAll reads to the end, or until ctx ends: nothing breaks off a read from a terminal, so it is left behind.
func readAll(ctx context.Context, file io.Reader) ([]byte, error) {
	var text []byte
	done := make(chan error, 1)
	go func() {
		all, err := io.ReadAll(file)
		text = all
		done <- err
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-done:
		return text, err
	}
}
