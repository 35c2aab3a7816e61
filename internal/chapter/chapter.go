// Package chapter is the frame of a chapter's program: the menu of steps, the flags that follow kubectl, the exit codes
// and the guard. It knows nothing about client-go; what a chapter teaches stands in the chapter's own files.
package chapter

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes of [Chapter.Main].
const (
	ExitOK          = 0
	ExitFailed      = 1   // a step failed
	ExitUsage       = 2   // an unknown step or flag
	ExitInterrupted = 130 // Ctrl-C or SIGTERM: 128 + SIGINT, as a shell reports it
)

// Flags are the flags that every chapter understands, before or after the step's name. They mean what they mean to kubectl.
type Flags struct {
	Kubeconfig string // -kubeconfig: a file; empty for $KUBECONFIG or ~/.kube/config
	Context    string // -context: a context's name; empty for the current one
	Namespace  string // -n, -namespace; empty for the context's own
}

// Step is one row of a chapter's table of contents.
type Step struct {
	Name    string // one lower-case word
	Summary string // one line for the menu
	Run     RunFunc
}

// RunFunc does a step and writes what the reader should see to out. Its error says what was being done and what to try.
type RunFunc = func(ctx context.Context, flags Flags, out io.Writer) error

// Chapter is a program made of steps. The first step is the main one: it runs when none is named.
type Chapter struct {
	Dir   string // the chapter's directory, as in "go run ./01-restclient"
	Title string
	Steps []Step
}

// Main runs what args (without the program's name) ask for: a step by name, "all", the main step, or the menu for -h.
// Steps write to stdout; errors go to stderr, one line each. It returns the exit code.
// SIGINT and SIGTERM cancel the steps' context, so that they can clean up; a second one ends the program at once.
func (c Chapter) Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from the first signal on, the next one has its usual effect

	flags, names, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help(stdout)
		return ExitOK
	case err != nil:
		fmt.Fprintf(stderr, "%s: %s (-h shows the flags)\n", c.Dir, err)
		return ExitUsage
	}
	steps, err := c.choose(names)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", c.Dir, err)
		return ExitUsage
	}
	for i, step := range steps {
		if len(steps) > 1 {
			heading(stdout, i, len(steps), step)
		}
		err := ctx.Err()
		if err == nil {
			err = step.Run(ctx, flags, stdout)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			fmt.Fprintf(stderr, "%s: interrupted: %s\n", c.Dir, oneLine(err))
			return ExitInterrupted
		case err != nil:
			fmt.Fprintf(stderr, "%s: %s\n", c.Dir, oneLine(err))
			return ExitFailed
		}
	}
	return ExitOK
}

// parse reads flags wherever they stand: package flag stops at the first argument that is not one, so go on after it.
func parse(args []string) (Flags, []string, error) {
	var flags Flags
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&flags.Kubeconfig, "kubeconfig", "", "")
	set.StringVar(&flags.Context, "context", "", "")
	set.StringVar(&flags.Namespace, "namespace", "", "")
	set.StringVar(&flags.Namespace, "n", "", "")

	var names []string
	for {
		if err := set.Parse(args); err != nil {
			return flags, nil, err
		}
		if set.NArg() == 0 {
			return flags, names, nil
		}
		names = append(names, set.Arg(0))
		args = set.Args()[1:]
	}
}

// choose turns what was named on the command line into steps.
func (c Chapter) choose(names []string) ([]Step, error) {
	if len(names) == 0 {
		return c.Steps[:1], nil
	}
	if len(names) > 1 {
		return nil, fmt.Errorf("one step at a time, got %s; the steps are: %s", strings.Join(names, " "), c.names())
	}
	if names[0] == "all" {
		return c.Steps, nil
	}
	for _, step := range c.Steps {
		if step.Name == names[0] {
			return []Step{step}, nil
		}
	}
	return nil, fmt.Errorf("no step %q; the steps are: %s", names[0], c.names())
}

// names lists the steps' names, for messages.
func (c Chapter) names() string {
	var names []string
	for _, step := range c.Steps {
		names = append(names, step.Name)
	}
	return strings.Join(append(names, "all"), ", ")
}

// heading separates the steps of "all".
func heading(out io.Writer, i, of int, step Step) {
	if i > 0 {
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "=== %d/%d %s: %s\n", i+1, of, step.Name, step.Summary)
}

// help writes the menu.
func (c Chapter) help(out io.Writer) {
	run := "go run ./" + c.Dir
	fmt.Fprintf(out, "%s\n\nUsage: %s [flags] [step]\n\nSteps:\n", c.Title, run)
	for i, step := range c.Steps {
		note := ""
		if i == 0 {
			note = " (runs when no step is named)"
		}
		fmt.Fprintf(out, "  %-10s %s%s\n", step.Name, step.Summary, note)
	}
	fmt.Fprintf(out, "  %-10s %s\n", "all", "every step, in this order")
	fmt.Fprint(out, `
Flags, before or after the step, as kubectl has them:
  -kubeconfig FILE   default $KUBECONFIG, then ~/.kube/config, then the pod's service account
  -context NAME      default the kubeconfig's current context
  -n, -namespace NS  where to read; default the context's namespace

Steps that write do so in the namespace client-go-lab, delete what they made, and refuse
a context that is neither "lab" nor "kind-...", unless -context names it.

Examples:
`)
	fmt.Fprintf(out, "  %s\n", run)
	if len(c.Steps) > 1 {
		fmt.Fprintf(out, "  %s %s\n", run, c.Steps[1].Name)
	}
	fmt.Fprintf(out, "  %s -n kube-system %s\n", run, c.Steps[0].Name)
	fmt.Fprintf(out, "  %s all -context kind-kind\n", run)
}

// oneLine makes one line of an error that has several, as errors.Join does.
func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}
