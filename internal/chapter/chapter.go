// Package chapter is the frame of a chapter's program: the menu of steps, the flags that follow kubectl, the exit codes
// and the guard. It knows nothing about client-go; what a chapter teaches stands in the chapter's own files.
package chapter

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

// Exit codes of [Chapter.Main].
const (
	ExitOK          = 0
	ExitFailed      = 1   // a step failed
	ExitUsage       = 2   // an unknown step or flag
	ExitInterrupted = 130 // Ctrl-C, SIGTERM or SIGHUP: 128 + SIGINT, as a shell reports it
	ExitUnread      = 141 // "| head" has read enough: 128 + SIGPIPE
)

// Flags are the flags that every chapter understands, before or after the step's name. They mean what they mean to kubectl.
type Flags struct {
	Kubeconfig string // -kubeconfig: a file; empty for $KUBECONFIG or ~/.kube/config
	Context    string // -context: a context's name; empty for the current one
	Namespace  string // -n, -namespace; empty for the context's own

	Args []string // what stands after the step's name, as many as [Step.Args] allows; none when "all" runs it
}

// Step is one row of a chapter's table of contents.
type Step struct {
	Name    string              // one lower-case word
	Args    string              // the arguments it takes, for the menu: "NAME [FILE]", "[FILE...]"; empty for none
	Summary string              // one line for the menu
	Flags   func(*flag.FlagSet) // registers flags of the step's own; may be nil; in a usage text, "\n" begins a line
	Endless bool                // it runs until Ctrl-C: "all" leaves it out
	Run     RunFunc
}

// RunFunc does a step and writes what the reader should see to out. Its error says what was being done and what to try.
type RunFunc = func(ctx context.Context, flags Flags, out io.Writer) error

// Chapter is a program made of steps. The first step is the main one: it runs when none is named.
type Chapter struct {
	Dir   string // the chapter's directory, as in "go run ./01-restclient"
	Title string
	Flags func(*flag.FlagSet) // registers flags that every step understands; may be nil
	Steps []Step

	NoNamespace bool   // no step looks at -n: it is understood, but the menu does not show it
	Reads       string // what the menu's example of -n runs; default the first step
}

// Main runs what args (without the program's name) ask for: a step by name, "all", the main step, or the menu for -h.
// Steps write to stdout; errors go to stderr, one line each. It returns the exit code.
// SIGINT, SIGTERM and SIGHUP cancel the steps' context, so that they can clean up; a second one ends the program at once.
func (c Chapter) Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	// Whatever reads the output may stop reading ("| head"). That is no reason to leave without cleaning up: the step is
	// cancelled when a write to the output fails. The signal that comes with it would end the program, so it is caught. It
	// says nothing by itself: it also comes when a connection breaks.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &output{Writer: stdout, cancel: cancel}
	stdout = out
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	defer stop()
	context.AfterFunc(ctx, stop) // from the first signal on, the next one has its usual effect

	flags, names, given, err := c.parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help(stdout)
		return ExitOK
	case err != nil:
		fmt.Fprintf(stderr, "%s: %s (-h shows the flags)\n", c.Dir, err)
		return ExitUsage
	}
	steps, err := c.choose(names, given)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", c.Dir, err)
		return ExitUsage
	}
	if len(names) > 1 {
		flags.Args = names[1:]
	}
	if len(names) > 0 && names[0] == "all" {
		if endless := c.endless(); endless != "" {
			fmt.Fprintf(stderr, "%s: all leaves out %s, which runs until Ctrl-C\n", c.Dir, endless)
		}
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
		case err != nil && out.unread.Load() && tells(err, syscall.EPIPE, context.Canceled):
			return ExitUnread
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

// output is where a step writes. It cancels the step when nobody reads that any more.
type output struct {
	io.Writer
	cancel context.CancelFunc
	unread atomic.Bool
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil {
		o.unread.Store(errors.Is(err, syscall.EPIPE)) // not so a full disk, which the reader should hear of
		o.cancel()
	}
	return n, err
}

// tells says whether err is one of those and nothing else: of several joined errors, one may be about the cleaning up.
func tells(err error, those ...error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if slices.Contains(those, err) {
			return true
		}
	}
	return false
}

// parse reads flags wherever they stand: package flag stops at the first argument that is not one, so go on after it.
// It returns the arguments that are no flags, and which steps' own flags were given: the steps by the flags' names.
func (c Chapter) parse(args []string) (flags Flags, names []string, given map[string]string, err error) {
	set := ownFlags(c.Flags)
	set.SetOutput(io.Discard)
	set.StringVar(&flags.Kubeconfig, "kubeconfig", "", "")
	set.StringVar(&flags.Context, "context", "", "")
	set.StringVar(&flags.Namespace, "namespace", "", "")
	set.StringVar(&flags.Namespace, "n", "", "")
	stepOf := map[string]string{}
	for _, step := range c.Steps {
		ownFlags(step.Flags).VisitAll(func(f *flag.Flag) {
			set.Var(f.Value, f.Name, f.Usage)
			stepOf[f.Name] = step.Name
		})
	}
	for {
		if err := set.Parse(args); err != nil {
			return flags, nil, nil, err
		}
		if set.NArg() == 0 {
			break
		}
		names = append(names, set.Arg(0))
		args = set.Args()[1:]
	}
	given = map[string]string{}
	set.Visit(func(f *flag.Flag) {
		if step, ok := stepOf[f.Name]; ok {
			given[f.Name] = step
		}
	})
	return flags, names, given, nil
}

// ownFlags returns a chapter's or a step's own flags in a set: an empty one if it has none. Registering a flag sets its
// variable to the default, so do it once before the command line is read.
func ownFlags(register func(*flag.FlagSet)) *flag.FlagSet {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	if register != nil {
		register(set)
	}
	return set
}

// choose turns what was named on the command line into steps. The first name is the step, the others are its arguments.
func (c Chapter) choose(names []string, given map[string]string) ([]Step, error) {
	steps, args := c.Steps[:1], []string(nil)
	if len(names) > 0 {
		steps, args = c.named(names[0]), names[1:]
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("no step %q; the steps are: %s", names[0], c.names())
	}
	if len(args) > 0 && (len(steps) > 1 || steps[0].Args == "") {
		if c.named(args[0]) != nil {
			return nil, fmt.Errorf("one step at a time, got %s; the steps are: %s", strings.Join(names, " "), c.names())
		}
		return nil, fmt.Errorf("%s takes no arguments, got %s", names[0], strings.Join(args, " "))
	}
	if least, most := count(steps[0].Args); len(steps) == 1 && (len(args) < least || len(args) > most) {
		return nil, fmt.Errorf("the step %s takes %s, got %s", steps[0].Name, steps[0].Args, cmp.Or(strings.Join(args, " "), "nothing"))
	}
	for name, step := range given { // "all" runs every step with its defaults
		if len(steps) > 1 || steps[0].Name != step {
			return nil, fmt.Errorf("-%s is a flag of the step %s alone", name, step)
		}
	}
	return steps, nil
}

// All returns the steps that "all" runs: those that come to an end by themselves.
func (c Chapter) All() []Step {
	var steps []Step
	for _, step := range c.Steps {
		if !step.Endless {
			steps = append(steps, step)
		}
	}
	return steps
}

// endless lists the names of the steps that "all" leaves out, for messages.
func (c Chapter) endless() string {
	var names []string
	for _, step := range c.Steps {
		if step.Endless {
			names = append(names, step.Name)
		}
	}
	return strings.Join(names, ", ")
}

// named returns the step of a name, or every step that ends for "all", or none.
func (c Chapter) named(name string) []Step {
	if name == "all" {
		return c.All()
	}
	for _, step := range c.Steps {
		if step.Name == name {
			return []Step{step}
		}
	}
	return nil
}

// count says how many arguments a text like "NAME [FILE...]" stands for.
func count(args string) (least, most int) {
	for _, arg := range strings.Fields(args) {
		most++
		if !strings.HasPrefix(arg, "[") {
			least++
		}
		if strings.Contains(arg, "...") {
			most = math.MaxInt - 1
		}
	}
	return least, most
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
	usage, width := "[step]", 10
	for _, step := range c.Steps {
		if step.Args != "" {
			usage = "[step [arguments]]"
		}
		width = max(width, len(step.Name+" "+step.Args))
	}
	fmt.Fprintf(out, "%s\n\nUsage: %s [flags] %s\n\nSteps:\n", c.Title, run, usage)
	for i, step := range c.Steps {
		note := ""
		if i == 0 {
			note = " (runs when no step is named)"
		}
		fmt.Fprintf(out, "  %-*s %s%s\n", width, strings.TrimSpace(step.Name+" "+step.Args), step.Summary, note)
	}
	all := "every step, in this order"
	if endless := c.endless(); endless != "" {
		all = "every step but " + endless + ", in this order"
	}
	fmt.Fprintf(out, "  %-*s %s\n", width, "all", all)
	fmt.Fprint(out, `
Flags, before or after the step, as kubectl has them:
  -kubeconfig FILE   default $KUBECONFIG, then ~/.kube/config, then the pod's service account
  -context NAME      default the kubeconfig's current context
`)
	if !c.NoNamespace {
		fmt.Fprintln(out, "  -n, -namespace NS  where to read; default the context's namespace")
	}
	printFlags(out, c.Flags)
	for _, step := range c.Steps {
		if step.Flags != nil {
			fmt.Fprintf(out, "\nFlags of the step %s:\n", step.Name)
			printFlags(out, step.Flags)
		}
	}
	fmt.Fprint(out, `
Steps that write do so in the namespace client-go-lab, delete what they made (the empty
namespace stays), and refuse a context that is neither "lab" nor "kind-...", unless
-context names it.

Examples:
`)
	fmt.Fprintf(out, "  %s\n", run)
	if len(c.Steps) > 1 {
		fmt.Fprintf(out, "  %s %s\n", run, c.Steps[1].Name)
	}
	if !c.NoNamespace {
		fmt.Fprintf(out, "  %s -n kube-system %s\n", run, cmp.Or(c.Reads, c.Steps[0].Name))
	}
	fmt.Fprintf(out, "  %s all -context kind-kind\n", run)
}

// printFlags writes a line or more for each flag of a chapter's or a step's own.
func printFlags(out io.Writer, flags func(*flag.FlagSet)) {
	ownFlags(flags).VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f) // "`MODE`" in the usage is the value's name
		name := strings.TrimSpace("-" + f.Name + " " + value)
		if len(name) > flagWidth {
			name += "\n" + strings.Repeat(" ", flagWidth+2)
		}
		usage = strings.ReplaceAll(usage, "\n", "\n"+strings.Repeat(" ", flagWidth+3))
		fmt.Fprintf(out, "  %-*s %s\n", flagWidth, name, usage)
	})
}

// flagWidth is the width of the menu's column of flags.
const flagWidth = 18

// oneLine makes one line of an error that has several, as errors.Join does.
func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}
