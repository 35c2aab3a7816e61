// Chapter 07: a controller, with all that the earlier chapters were about.
//
// This file is the table of contents. The controller itself is in the package controller, its API in api/v1alpha1, and
// the manifests for a cluster in config. run.go puts the program around it: flags, clients, leader election (election.go),
// health and metrics (serve.go). The other steps are lessons, each in the file of its name: they run this controller, and
// look at what it does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"client-go-lab/07-controller/controller"
	"client-go-lab/internal/chapter"
)

func main() {
	// client-go logs through the logger in the context, and without one through klog, on stderr. The lessons are quiet; the
	// controller puts a logger of its own there.
	ctx := klog.NewContext(context.Background(), klog.Logger{})
	os.Exit(contents().Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func contents() chapter.Chapter {
	var o options
	var install bool
	var verbosity int
	return chapter.Chapter{
		Dir:         "07-controller",
		Title:       "Chapter 07, a controller: all of it.",
		NoNamespace: true,
		Steps: []chapter.Step{
			{
				Name: "controller", Summary: "runs the controller for Websites, until Ctrl-C", Endless: true,
				Flags: func(set *flag.FlagSet) {
					o.register(set)
					set.BoolVar(&install, "install", true, "install the CRD and the namespace first; both stay. Default true;\n-install=false in a cluster, where manifests do it")
					set.IntVar(&verbosity, "v", 0, "log up to level `N`: 2 shows conflicts, 4 the lease; default 0")
				},
				Run: func(ctx context.Context, flags chapter.Flags, _ io.Writer) error {
					logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(os.Stderr), textlogger.Verbosity(verbosity)))
					return runHere(klog.NewContext(ctx, logger), flags, o, install)
				},
			},
			{Name: "minimal", Summary: "the smallest loop that works, and three things that it gets wrong", Run: runLesson(minimal)},
			{Name: "ownership", Summary: "children made and mended, an idle resync, a name that is taken, a cascade", Run: runLesson(ownership)},
			{Name: "status", Summary: "conditions, observedGeneration, scale, a conflict, a spec that cannot be", Run: runLesson(status)},
			{Name: "events", Summary: "what a user is told, and what not", Run: runLesson(userEvents)},
			{Name: "finalizer", Summary: "an entry that no garbage collector knows, and a deletion that waits for it", Run: runLesson(finalizer)},
			{Name: "election", Summary: "two replicas: a handover, a leader that is lost, and client-go's own order", Run: runLesson(handover)},
			{Name: "metrics", Summary: "the lines of /metrics that are worth an alert, after a server that fails", Run: runLesson(alerts)},
		},
	}
}

// runHere runs the controller on the cluster that the flags name, or, in a pod, on the pod's own.
func runHere(ctx context.Context, flags chapter.Flags, o options, install bool) error {
	conn, err := connect(flags)
	if err != nil {
		return err
	}
	if conn.context != "" { // in a pod, its service account says what it may do
		if err := chapter.Guard(conn.context, flags.Context != ""); err != nil {
			return err
		}
	}
	if install {
		client, err1 := dynamic.NewForConfig(conn.config)
		kube, err2 := kubernetes.NewForConfig(conn.config)
		websites, err3 := controller.NewClient(conn.config)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if err := makeNamespace(ctx, kube, o.system); err != nil {
			return conn.explain(fmt.Errorf("make the namespace %s: %w", o.system, err))
		}
		if err := installCRD(ctx, client, websites, nil); err != nil {
			return conn.explain(err)
		}
	}
	return conn.explain(run(ctx, conn.config, o))
}
