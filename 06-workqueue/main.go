// Chapter 06: workqueues, from events to work.
//
// This file is the table of contents. Each step is a function in the file of its name. timeline.go runs on the cluster:
// connect.go finds it, lab.go gives it a namespace to write in. The other steps need none: bench.go runs their queues by a
// clock that moves only when it is told to.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"client-go-lab/internal/chapter"
)

func main() {
	// client-go logs through the logger in the context, and without one through klog, on stderr. The errors that it returns
	// tell the same, and one of the two is enough.
	ctx := klog.NewContext(context.Background(), klog.Logger{})
	os.Exit(contents().Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func contents() chapter.Chapter {
	return chapter.Chapter{
		Dir:         "06-workqueue",
		Title:       "Chapter 06, workqueue: from events to work.",
		NoNamespace: true, // the one step that needs a cluster writes, in the lab's namespace
		Steps: []chapter.Step{
			{Name: "timeline", Summary: "an informer, a queue and three workers: what happens to each key", Run: writes(timeline)},
			{Name: "dedup", Summary: "the three sets inside, and why a key is never at two workers (no cluster needed)", Run: offline(dedup)},
			{Name: "retry", Summary: "backoff, the shared bucket, Forget and Done, and five mistakes (no cluster needed)", Run: offline(retry)},
			{Name: "delay", Summary: "AddAfter: what is merged, what is not, what is lost (no cluster needed)", Run: offline(delay)},
			{Name: "fair", Summary: "a queue with an order of its own: priority, starvation, cure (no cluster needed)", Run: offline(fair)},
			{Name: "drain", Summary: "shutting down: what is still done, what is dropped, in which order (no cluster needed)", Run: offline(drain)},
			{Name: "metrics", Summary: "depth, latency, work, retries, unfinished work, for Prometheus (no cluster needed)", Run: offline(metrics)},
			{Name: "poison", Summary: "a key that always fails: limits, giving up, telling somebody (no cluster needed)", Run: offline(poison)},
			{Name: "clock", Summary: "hours in milliseconds: a fake clock, and what it does not reach (no cluster needed)", Run: offline(clocks)},
		},
	}
}

// A step gets what it needs and no more.
type (
	clusterStep = func(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error
	offlineStep = func(ctx context.Context, out io.Writer) error
)

// writes runs a step that writes: past the guard, in the lab's namespace.
func writes(step clusterStep) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		if err := chapter.Guard(conn.context, flags.Context != ""); err != nil {
			return err
		}
		client, err := kubernetes.NewForConfig(conn.config)
		if err != nil {
			return fmt.Errorf("make a clientset: %w", err)
		}
		return conn.explain(inLab(ctx, client, func() error {
			return step(ctx, client, labNamespace, out)
		}))
	}
}

// offline runs a step that needs no cluster.
func offline(step offlineStep) chapter.RunFunc {
	return func(ctx context.Context, _ chapter.Flags, out io.Writer) error { return step(ctx, out) }
}
