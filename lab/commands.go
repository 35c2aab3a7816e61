package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands is the command line: names, flags, help. What the commands do is in the other files.
func (a *app) commands() *cobra.Command {
	root := &cobra.Command{
		Use:   "lab",
		Short: "A real Kubernetes API server on this machine, and seven chapters that use it",
		Example: `  go run ./lab             the map: the cluster, the chapters, what to do next
  go run ./lab run 01      build and start Kubernetes if needed, then run chapter 01
  go run ./lab tour        every step of every chapter
  go run ./lab doctor      what is missing on this machine, and the remedy`,
		Args:                       cobra.ArbitraryArgs,
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE:          func(*cobra.Command, []string) error { return a.locate() },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				hint := "go run ./lab --help lists the commands"
				if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
					hint = "did you mean " + strings.Join(near, " or ") + "?"
				}
				return usageError{fmt.Errorf("there is no command %q; %s", args[0], hint)}
			}
			return a.showMap(cmd.Context())
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see: go run ./%s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(a.clusterCommands()...)
	root.AddCommand(a.chapterCommands()...)
	root.AddCommand(a.exerciseCommands()...)
	root.AddCommand(a.docsCommand(), a.benchCommand())
	for _, cmd := range root.Commands() {
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return usageError{fmt.Errorf("%w; see: go run ./%s --help", err, cmd.CommandPath())}
				}
				return nil
			}
		}
	}
	return root
}

func (a *app) clusterCommands() []*cobra.Command {
	up := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, and build it first if nobody has",
		Long: `Start a real Kubernetes in the background: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and
simulated nodes, all listening on loopback only. The first time, its sources are downloaded and compiled.
The cluster's context, lab, goes into your kubeconfig as kind would do it; down takes it out again.
With --provider kind, start a kind cluster instead, in Docker: its context is kind-client-go-lab.`,
		Example: `  go run ./lab up
  go run ./lab up --fresh --nodes 5
  go run ./lab up --merge-kubeconfig=false
  go run ./lab up --provider kind --image kindest/node:v1.37.2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.up(cmd.Context(), a.out, passed(cmd, "up")[1:]...)
		},
	}
	up.Flags().Bool("fresh", false, "forget what the cluster held and start empty")
	up.Flags().Int("nodes", 0, "number of simulated nodes (default: as before, or 2)")
	up.Flags().Int("port", 0, "port of the API server on 127.0.0.1 (default: as before, or any that is free)")
	up.Flags().Bool("merge-kubeconfig", true, "put the context lab into your kubeconfig and switch to it")
	up.Flags().String("image", "", "kind: the node image (default: $KIND_NODE_IMAGE, or kind's own)")
	up.Flags().String("image-file", "", "kind: a file to load the node image from, for a room without network")

	down := &cobra.Command{
		Use:     "down",
		Short:   "Stop the cluster; its data stays for the next up",
		Example: "  go run ./lab down\n  go run ./lab down --provider kind      deletes the kind cluster",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.neverStarted() {
				fmt.Fprintln(a.out, "The cluster is already down.")
				return nil
			}
			return a.hand("down")
		},
	}
	var asJSON bool
	status := &cobra.Command{
		Use:     "status",
		Short:   "Say whether the cluster runs (exit code 0: ready, 3: not running)",
		Example: "  go run ./lab status\n  go run ./lab status --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.neverStarted() || a.existingBinary() == "" {
				if asJSON {
					fmt.Fprintln(a.out, `{"running": false, "ready": false}`)
				} else {
					fmt.Fprintln(a.out, "The cluster is not running. Start it with: go run ./lab up")
				}
				return exitError(exitNotRunning)
			}
			return a.hand(passed(cmd, "status")...)
		},
	}
	status.Flags().BoolVar(&asJSON, "json", false, "print JSON")

	logs := &cobra.Command{
		Use:       "logs NAME",
		Short:     "Print the log of a component",
		ValidArgs: []string{"supervisor", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"},
		Example:   "  go run ./lab logs kube-apiserver\n  go run ./lab logs supervisor -f",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.neverStarted() {
				return errors.New("there is no cluster yet; start it with: go run ./lab up")
			}
			return a.hand(append(passed(cmd, "logs"), args...)...)
		},
	}
	logs.Long = logs.Short + ". NAME is one of: " + strings.Join(logs.ValidArgs, ", ")
	logs.Flags().BoolP("follow", "f", false, "go on as the log grows")
	logs.Flags().Int("tail", 0, "print only the last N lines")

	kubectl := &cobra.Command{
		Use:                "kubectl ARGS...",
		Short:              "Run kubectl, which is built in, on the lab's cluster",
		Example:            "  go run ./lab kubectl get pods -A\n  go run ./lab kubectl exec nginx-pod-node1 -- hostname",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && hasFlag(args, "h", "help") {
				return cmd.Help()
			}
			return a.hand(append([]string{"kubectl"}, args...)...)
		},
	}
	return []*cobra.Command{a.withKind(up, "kind-up.sh", "image", "image-file"), a.withKind(down, "kind-down.sh"), status, logs, kubectl}
}

// passed is the command line for localcluster: name and the flags that were given.
func passed(cmd *cobra.Command, name string) []string {
	line := []string{name}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name == "provider" {
			return // lab's own
		}
		if f.Shorthand != "" {
			line = append(line, "-"+f.Shorthand+"="+f.Value.String())
		} else {
			line = append(line, "--"+f.Name+"="+f.Value.String())
		}
	})
	return line
}

func (a *app) chapterCommands() []*cobra.Command {
	runCmd := &cobra.Command{
		Use:   "run CHAPTER [STEP] [FLAGS...]",
		Short: "Run a chapter, and start the cluster first if needed",
		Long: `Run a chapter. STEP and FLAGS are the chapter's own: -h lists its steps.
It talks to the lab's cluster, unless you give -kubeconfig or -context.`,
		Example: `  go run ./lab run 01
  go run ./lab run 01 watch
  go run ./lab run restclient -h
  go run ./lab run 01 -context kind-kind`,
		DisableFlagParsing: true, // -context is one flag to a chapter and seven to cobra
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				_, err := a.chapter("")
				return err
			case hasFlag(args[:1], "h", "help"):
				return cmd.Help()
			}
			return a.runChapter(cmd.Context(), args[0], args[1:])
		},
	}
	tour := &cobra.Command{
		Use:     "tour [CHAPTER...]",
		Short:   "Run every step of every chapter, in order",
		Example: "  go run ./lab tour\n  go run ./lab tour 01 05 --no-pause",
		RunE: func(cmd *cobra.Command, args []string) error {
			noPause, err := cmd.Flags().GetBool("no-pause")
			if err != nil {
				return err
			}
			return a.tour(cmd.Context(), args, !noPause)
		},
	}
	tour.Flags().Bool("no-pause", !isTerminal(a.in), "do not wait for Enter between chapters")

	var o testOptions
	test := &cobra.Command{
		Use:   "test",
		Short: "Run every test there is, on throw-away clusters that never touch yours",
		Example: `  go run ./lab test
  go run ./lab test --run 'TestWatch' -v      only these tests, no linters`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.test(cmd.Context(), o) },
	}
	test.Flags().BoolVar(&o.noRace, "no-race", false, "run the tests without the race detector")
	test.Flags().StringVar(&o.run, "run", "", "run only the tests whose names match this regular expression")
	test.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "print what passing tests print, too")

	doctor := &cobra.Command{
		Use:     "doctor",
		Short:   "Look for what is missing on this machine; builds nothing",
		Example: "  go run ./lab doctor",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
	return []*cobra.Command{runCmd, tour, test, doctor}
}

// showMap prints where the learner stands.
func (a *app) showMap(ctx context.Context) error {
	chapters, err := a.chapters()
	if err != nil {
		return err
	}
	ready, said := a.status(ctx)
	fmt.Fprintf(a.out, "client-go-lab: client-go, taught on a real Kubernetes API server\n\nCluster\n  %s\n\nChapters\n", said)
	for _, c := range chapters {
		fmt.Fprintf(a.out, "  %-16s %s\n", c.dir, c.about)
	}
	a.showExercises(ctx)
	fmt.Fprintln(a.out, "\nNext")
	if !ready && a.existingBinary() == "" {
		fmt.Fprintln(a.out, "  go run ./lab doctor      is everything here that the first build needs?")
	}
	if len(chapters) > 0 {
		fmt.Fprintf(a.out, "  go run ./lab run %s      starts the cluster if needed, then runs the chapter\n", chapters[0].dir[:2])
		fmt.Fprintf(a.out, "  go run ./lab watch %s    checks an exercise whenever you save its file\n", chapters[0].dir[:2])
	}
	fmt.Fprintln(a.out, "  go run ./lab --help      every command")
	return nil
}
