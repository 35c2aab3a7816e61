// Command localcluster is a real Kubernetes cluster in one executable: etcd, kube-apiserver, the controllers, the
// scheduler, nodes played by kwok, and kubectl. It needs neither Docker nor root. See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"

	"client-go-lab/localcluster/cluster"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "kubectl" {
		os.Exit(runKubectl(os.Args[2:]))
	}
	if len(os.Args) > 2 && os.Args[1] == "component" {
		os.Exit(runComponent(os.Args[2]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command().ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "localcluster: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "localcluster:", err)
		os.Exit(1)
	}
}

// exitCode ends the program with that code and without a word: all has been said.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "localcluster",
		Short: "A real Kubernetes cluster on this machine, without Docker",
		Long: `A real Kubernetes ` + version.Get().GitVersion + ` cluster on this machine, without Docker: etcd, kube-apiserver, the
controllers, the scheduler and kubectl. Its nodes are played by kwok: pods get scheduled and become Running, but no
process runs in them. Everything listens on 127.0.0.1 only.

The cluster lives in $LAB_STATE, by default client-go-lab/cluster in the user's cache directory.`,
		Example: `  localcluster up
  localcluster kubectl get pods
  localcluster down`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(upCommand(), downCommand(), statusCommand(), logsCommand(),
		// Only for --help: main runs it before cobra sees the arguments.
		&cobra.Command{Use: "kubectl ARGS...", Short: "kubectl for this cluster", Run: func(*cobra.Command, []string) {}})
	return root
}

func upCommand() *cobra.Command {
	o := cluster.UpOptions{Version: version.Get().GitVersion, Out: os.Stderr}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, or find it running",
		Long: `Start the cluster in the background and return when it serves. A cluster that runs is used as it is; one that was
taken down, or killed, goes on with its data.`,
		Example: `  localcluster up
  localcluster up --fresh --nodes 3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := cluster.DefaultState()
			if err != nil {
				return err
			}
			return cluster.Up(cmd.Context(), state, o)
		},
	}
	cmd.Flags().BoolVar(&o.Fresh, "fresh", false, "throw away all data of an earlier cluster")
	cmd.Flags().IntVar(&o.Nodes, "nodes", 0, "number of nodes (default: as before, or 2)")
	cmd.Flags().IntVar(&o.Port, "port", 0, "port of the API server (default: as before, or any that is free)")
	cmd.Flags().BoolVar(&o.Merge, "merge-kubeconfig", true, `add the context "lab" to your kubeconfig and make it current`)
	cmd.Flags().BoolVar(&o.Seed, "seed", true, "apply the sample workloads of the lessons")
	return cmd
}

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "down",
		Short:   "Stop the cluster; its data stays",
		Example: `  localcluster down`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := cluster.DefaultState()
			if err != nil {
				return err
			}
			return cluster.Down(cmd.Context(), state, os.Stderr)
		},
	}
}

func statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the cluster is; exit code 0 if ready, 3 if not",
		Example: `  localcluster status
  localcluster status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := cluster.DefaultState()
			if err != nil {
				return err
			}
			st, err := cluster.Stat(cmd.Context(), state)
			if err != nil {
				return err
			}
			if err := printStatus(os.Stdout, st, asJSON); err != nil {
				return err
			}
			if !st.Ready {
				return exitCode(3)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStatus(out io.Writer, st cluster.Status, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(st)
	}
	if !st.Running {
		_, err := fmt.Fprintln(out, "The cluster is not running.")
		return err
	}
	word := "ready"
	if !st.Ready {
		word = "not ready"
	}
	_, _ = fmt.Fprintf(out, "Kubernetes %s is %s at %s, %d nodes.\n\n", version.Get().GitVersion, word, st.Config.Server, st.Config.Nodes)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "COMPONENT\tPID\tUP\tRESTARTS\tMEMORY\tLAST END")
	total := 0
	for _, c := range st.Components {
		up, memory, end := "-", "-", "-"
		if !c.Started.IsZero() && c.PID != 0 {
			up = time.Since(c.Started).Round(time.Second).String()
		}
		if c.Memory != 0 {
			memory = fmt.Sprintf("%d MiB", c.Memory>>10)
			total += c.Memory
		}
		if c.LastEnd != "" {
			end = c.LastEnd
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\t%s\n", c.Name, c.PID, up, c.Restarts, memory, end)
	}
	if total != 0 {
		_, _ = fmt.Fprintf(w, "all\t\t\t\t%d MiB\t\n", total>>10)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nEverything is in %s.\n", st.State)
	return err
}

func logsCommand() *cobra.Command {
	names := append([]string{"supervisor"}, cluster.ComponentNames()...)
	var follow bool
	var lines int
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Show the log of a component",
		Long:  "Show the log of a component: " + strings.Join(names, ", ") + ".",
		Example: `  localcluster logs kube-scheduler
  localcluster logs kube-apiserver -f`,
		ValidArgs: names,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			state, err := cluster.DefaultState()
			if err != nil {
				return err
			}
			file := state.Log(args[0])
			if _, err := os.Stat(file); err != nil {
				return fmt.Errorf("there is no log of %s yet; `up` starts the cluster", args[0])
			}
			tail := []string{"-n", fmt.Sprint(lines)}
			if follow {
				tail = append(tail, "-F")
			}
			c := exec.CommandContext(cmd.Context(), "tail", append(tail, file)...)
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
			return c.Run()
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "keep printing what is written")
	cmd.Flags().IntVar(&lines, "tail", 100, "number of lines to begin with")
	return cmd
}

// runKubectl is kubectl. It talks to this cluster unless its arguments name another: what is current in the user's
// kubeconfig may be anything, and a lesson must not touch it.
func runKubectl(args []string) int {
	state, err := cluster.DefaultState()
	if err != nil {
		fmt.Fprintln(os.Stderr, "localcluster:", err)
		return 1
	}
	own := args // without what a pod is to run
	if i := slices.Index(args, "--"); i >= 0 {
		own = args[:i]
	}
	named := slices.ContainsFunc(own, func(arg string) bool {
		return arg == "--context" || arg == "--kubeconfig" || strings.HasPrefix(arg, "--context=") || strings.HasPrefix(arg, "--kubeconfig=")
	})
	if !named {
		admin := state.Kubeconfig(cluster.Admin)
		if _, err := os.Stat(admin); err != nil && !slices.Contains(own, "--help") {
			fmt.Fprintln(os.Stderr, "localcluster: there is no cluster yet; start it with: go run ./lab up")
			return 1
		}
		if err := os.Setenv(clientcmd.RecommendedConfigPathEnvVar, admin); err != nil {
			fmt.Fprintln(os.Stderr, "localcluster:", err)
			return 1
		}
	}
	os.Args = append([]string{"kubectl"}, args...)
	cmd := kubectl.NewDefaultKubectlCommand()
	if err := cli.RunNoErrOutput(cmd); err != nil {
		kubectlutil.CheckErr(err) // prints it as kubectl does, and exits with its code
		return 1
	}
	return 0
}

// runComponent plays one component, as the child of a supervisor.
func runComponent(name string) int {
	log.SetFlags(log.LstdFlags)
	state, err := cluster.DefaultState()
	if err != nil {
		log.Print(err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if name == "supervisor" {
		self, err := os.Executable()
		if err == nil {
			err = cluster.Supervise(ctx, state, self)
		}
		return report(err)
	}
	cluster.DieWithParent()
	config, err := state.LoadConfig()
	if err != nil {
		return report(err)
	}
	switch name {
	case "etcd":
		return report(runEtcd(ctx, state))
	case "kube-apiserver":
		return cli.Run(apiServerCommand(state, config.Ports))
	case "kube-controller-manager":
		return report(as(ctx, cluster.ControllerManager, state, func(c *rest.Config) error { return runControllers(ctx, c, state) }))
	case "kube-scheduler":
		return report(as(ctx, cluster.Scheduler, state, func(c *rest.Config) error { return runScheduler(ctx, c) }))
	case "kwok":
		return report(as(ctx, cluster.Kwok, state, func(c *rest.Config) error { return runKwok(ctx, c, state, config.Ports, config.Nodes) }))
	}
	return report(fmt.Errorf("no component is called %q", name))
}

// as calls f with the client configuration of an identity, once the API server is ready: a client that comes before
// the server knows its roles is refused, and then waits longer than it would have had to. The client does not limit
// itself, the API server's priority and fairness does that better.
func as(ctx context.Context, id cluster.Identity, state cluster.State, f func(*rest.Config) error) error {
	config, err := clientcmd.BuildConfigFromFlags("", state.Kubeconfig(id))
	if err != nil {
		return err
	}
	config.QPS = -1
	config.UserAgent = string(id) + "/" + version.Get().GitVersion
	if err := cluster.AwaitReady(ctx, config, nil); err != nil {
		return err
	}
	return f(config)
}

func report(err error) int {
	if err != nil {
		log.Print(err)
		return 1
	}
	return 0
}
