package chapter

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sample is a chapter whose steps print their names and return what the test gives them.
func sample(results map[string]error) Chapter {
	c := Chapter{Dir: "00-sample", Title: "A sample."}
	for _, name := range []string{"one", "two", "three"} {
		c.Steps = append(c.Steps, Step{Name: name, Summary: "does " + name, Run: func(_ context.Context, flags Flags, out io.Writer) error {
			fmt.Fprintf(out, "%s %+v\n", name, flags)
			return results[name]
		}})
	}
	return c
}

func TestMainRuns(t *testing.T) {
	none := "{Kubeconfig: Context: Namespace: Args:[]}"
	boom := errors.Join(errors.New("boom"), errors.New("and more"))
	for _, c := range []struct {
		name    string
		args    []string
		results map[string]error
		stdout  string
		stderr  string
		code    int
	}{
		{"the main step", nil, nil, "one " + none + "\n", "", ExitOK},
		{"a step", []string{"two"}, nil, "two " + none + "\n", "", ExitOK},
		{"flags around a step", []string{"-kubeconfig", "f", "two", "-context=c", "--n", "x"}, nil,
			"two {Kubeconfig:f Context:c Namespace:x Args:[]}\n", "", ExitOK},
		{"all", []string{"all"}, nil,
			"=== 1/3 one: does one\none " + none + "\n\n=== 2/3 two: does two\ntwo " + none + "\n\n=== 3/3 three: does three\nthree " + none + "\n",
			"", ExitOK},
		{"all, up to an error", []string{"all"}, map[string]error{"two": boom},
			"=== 1/3 one: does one\none " + none + "\n\n=== 2/3 two: does two\ntwo " + none + "\n",
			"00-sample: boom; and more\n", ExitFailed},
		{"an unknown step", []string{"four"}, nil, "", "00-sample: no step \"four\"; the steps are: one, two, three, all\n", ExitUsage},
		{"two steps", []string{"one", "two"}, nil, "", "00-sample: one step at a time, got one two; the steps are: one, two, three, all\n", ExitUsage},
		{"an unknown flag", []string{"one", "-z"}, nil, "", "00-sample: flag provided but not defined: -z (-h shows the flags)\n", ExitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			assert.Equal(t, c.code, sample(c.results).Main(t.Context(), c.args, &stdout, &stderr))
			assert.Equal(t, c.stdout, stdout.String())
			assert.Equal(t, c.stderr, stderr.String())
		})
	}
}

// grown is the sample with arguments and flags.
func grown(depth *int, colour *string) Chapter {
	c := sample(nil)
	c.Flags = func(set *flag.FlagSet) { set.StringVar(colour, "colour", "red", "`NAME` of a colour; default red") }
	c.Steps[1].Args = "FROM [TO]"
	c.Steps[1].Flags = func(set *flag.FlagSet) { set.IntVar(depth, "depth", 1, "how far; default 1") }
	c.Steps[2].Args = "[FILE...]"
	return c
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		depth  int
		colour string
		stdout string
		stderr string
	}{
		{"none where none are needed", []string{"three"}, 1, "red", "three {Kubeconfig: Context: Namespace: Args:[]}\n", ""},
		{"one", []string{"two", "a"}, 1, "red", "two {Kubeconfig: Context: Namespace: Args:[a]}\n", ""},
		{"with flags around", []string{"-depth", "3", "two", "-n", "x", "a", "-colour=blue", "b"}, 3, "blue",
			"two {Kubeconfig: Context: Namespace:x Args:[a b]}\n", ""},
		{"as many as you like", []string{"three", "-", "b", "c"}, 1, "red", "three {Kubeconfig: Context: Namespace: Args:[- b c]}\n", ""},
		{"all, with the chapter's flag", []string{"all", "-colour", "blue"}, 1, "blue",
			"=== 1/3 one: does one\none {Kubeconfig: Context: Namespace: Args:[]}\n\n" +
				"=== 2/3 two: does two\ntwo {Kubeconfig: Context: Namespace: Args:[]}\n\n" +
				"=== 3/3 three: does three\nthree {Kubeconfig: Context: Namespace: Args:[]}\n", ""},
		{"too few", []string{"two"}, 1, "red", "", "00-sample: the step two takes FROM [TO], got nothing\n"},
		{"too many", []string{"two", "a", "b", "c"}, 1, "red", "", "00-sample: the step two takes FROM [TO], got a b c\n"},
		{"for a step that takes none", []string{"one", "a"}, 1, "red", "",
			"00-sample: one takes no arguments, got a\n"},
		{"all takes none", []string{"all", "a"}, 1, "red", "",
			"00-sample: all takes no arguments, got a\n"},
		{"a flag of another step", []string{"three", "-depth", "3"}, 3, "red", "", "00-sample: -depth is a flag of the step two alone\n"},
		{"a step's flag for all", []string{"all", "-depth", "3"}, 3, "red", "", "00-sample: -depth is a flag of the step two alone\n"},
		{"a flag's bad value", []string{"two", "a", "-depth", "far"}, 0, "red", "",
			"00-sample: invalid value \"far\" for flag -depth: parse error (-h shows the flags)\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var depth int
			var colour string
			var stdout, stderr bytes.Buffer
			code := grown(&depth, &colour).Main(t.Context(), c.args, &stdout, &stderr)
			assert.Equal(t, c.stderr == "", code == ExitOK, "exit code %d", code)
			assert.Equal(t, c.stdout, stdout.String())
			assert.Equal(t, c.stderr, stderr.String())
			assert.Equal(t, c.colour, colour)
			assert.Equal(t, c.depth, depth)
		})
	}
}

func TestHelp(t *testing.T) {
	var plain, withArguments, stderr bytes.Buffer
	assert.Zero(t, sample(nil).Main(t.Context(), []string{"-h"}, &plain, &stderr))
	assert.Contains(t, plain.String(), "Usage: go run ./00-sample [flags] [step]\n")
	assert.Contains(t, plain.String(), "  two        does two\n")
	assert.Contains(t, plain.String(), "the context's namespace\n\nSteps that write")
	assert.Contains(t, plain.String(), "\n  go run ./00-sample -n kube-system one\n")

	var other bytes.Buffer
	writesFirst := sample(nil)
	writesFirst.Reads = "two -follow"
	assert.Zero(t, writesFirst.Main(t.Context(), []string{"-h"}, &other, &stderr))
	assert.Contains(t, other.String(), "\n  go run ./00-sample -n kube-system two -follow\n")

	var hidden bytes.Buffer
	noNamespace := sample(nil)
	noNamespace.NoNamespace = true
	assert.Zero(t, noNamespace.Main(t.Context(), []string{"-h"}, &hidden, &stderr))
	assert.Contains(t, hidden.String(), "the kubeconfig's current context\n\nSteps that write")
	assert.NotContains(t, hidden.String(), "kube-system")

	assert.Zero(t, grown(new(int), new(string)).Main(t.Context(), []string{"two", "-h"}, &withArguments, &stderr))
	assert.Contains(t, withArguments.String(), "Usage: go run ./00-sample [flags] [step [arguments]]\n")
	assert.Contains(t, withArguments.String(), "  one             does one (runs when no step is named)\n  two FROM [TO]   does two\n  three [FILE...] does three\n")
	assert.Contains(t, withArguments.String(), "the context's namespace\n"+
		"  -colour NAME       NAME of a colour; default red\n\n"+
		"Flags of the step two:\n  -depth int         how far; default 1\n\nSteps that write")
	assert.Empty(t, stderr.String())

	var long bytes.Buffer
	wordy := sample(nil)
	wordy.Steps[1].Flags = func(set *flag.FlagSet) {
		set.Int("n-of-something", 0, "`NUMBER` of things\nand more about them")
	}
	assert.Zero(t, wordy.Main(t.Context(), []string{"-h"}, &long, &stderr))
	indent := strings.Repeat(" ", 21)
	assert.Contains(t, long.String(), "Flags of the step two:\n  -n-of-something NUMBER\n"+indent+"NUMBER of things\n"+indent+"and more about them\n")
}

// A step that would never end is run by its name alone, and all says that it leaves it out.
func TestEndless(t *testing.T) {
	c := sample(nil)
	c.Steps[0].Endless = true
	var stdout, stderr bytes.Buffer
	assert.Zero(t, c.Main(t.Context(), []string{"all"}, &stdout, &stderr))
	assert.True(t, strings.HasPrefix(stdout.String(), "=== 1/2 two: does two\ntwo"), stdout.String())
	assert.NotContains(t, stdout.String(), "one")
	assert.Equal(t, "00-sample: all leaves out one, which runs until Ctrl-C\n", stderr.String())

	for _, args := range [][]string{nil, {"one"}} {
		stdout.Reset()
		stderr.Reset()
		assert.Zero(t, c.Main(t.Context(), args, &stdout, &stderr))
		assert.True(t, strings.HasPrefix(stdout.String(), "one "), stdout.String())
		assert.Empty(t, stderr.String())
	}

	stdout.Reset()
	assert.Zero(t, c.Main(t.Context(), []string{"-h"}, &stdout, &stderr))
	assert.Contains(t, stdout.String(), "  all        every step but one, in this order\n")
}

func TestMainInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := sample(nil)
	c.Steps[1].Run = func(ctx context.Context, _ Flags, _ io.Writer) error {
		cancel()
		return ctx.Err()
	}
	var stdout, stderr bytes.Buffer
	assert.Equal(t, ExitInterrupted, c.Main(ctx, []string{"all"}, &stdout, &stderr))
	assert.Equal(t, "00-sample: interrupted: context canceled\n", stderr.String())
	assert.NotContains(t, stdout.String(), "three")
}

// When nobody reads the output any more, the step is cancelled, and cleans up although it goes on writing.
func TestMainOnABrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	defer w.Close()
	cleanedUp := false
	c := sample(nil)
	c.Steps[0].Run = func(ctx context.Context, _ Flags, out io.Writer) error {
		_, err := fmt.Fprintln(out, "hello")
		assert.ErrorIs(t, err, syscall.EPIPE)
		<-ctx.Done()
		_, err = fmt.Fprintln(out, "cleaning up")
		assert.ErrorIs(t, err, syscall.EPIPE)
		cleanedUp = true
		return ctx.Err()
	}
	var stderr bytes.Buffer
	assert.Equal(t, ExitUnread, c.Main(t.Context(), nil, w, &stderr))
	assert.True(t, cleanedUp)
	assert.Empty(t, stderr.String(), "that was the reader's wish")

	c.Steps[0].Run = func(_ context.Context, _ Flags, out io.Writer) error {
		_, err := fmt.Fprintln(out, "hello")
		return errors.Join(err, errors.New("clean up: no"))
	}
	assert.Equal(t, ExitInterrupted, c.Main(t.Context(), nil, w, &stderr))
	assert.Contains(t, stderr.String(), "clean up: no", "this was not")
}

func TestMainUnderNohup(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	c := sample(nil)
	c.Steps[0].Run = func(context.Context, Flags, io.Writer) error {
		assert.True(t, signal.Ignored(syscall.SIGHUP), "the step goes on when the terminal is closed")
		return nil
	}
	assert.Equal(t, ExitOK, c.Main(t.Context(), nil, io.Discard, io.Discard))
}

// A connection that breaks brings the same signal, SIGPIPE, and is none of the frame's business.
func TestMainOnABrokenConnection(t *testing.T) {
	c := sample(nil)
	c.Steps[0].Run = func(ctx context.Context, _ Flags, _ io.Writer) error {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer w.Close()
		require.NoError(t, r.Close())
		seen := make(chan os.Signal, 2)
		signal.Notify(seen, syscall.SIGPIPE)
		defer signal.Stop(seen)
		for range 2 { // when the second one has come, the first has been everywhere
			_, err = w.WriteString("hello")
			assert.ErrorIs(t, err, syscall.EPIPE)
			<-seen
		}
		return ctx.Err()
	}
	var stdout, stderr bytes.Buffer
	assert.Equal(t, ExitOK, c.Main(t.Context(), nil, &stdout, &stderr), stderr.String())
}

func TestGuard(t *testing.T) {
	for _, c := range []struct {
		context string
		named   bool
		ok      bool
	}{
		{"lab", false, true},
		{"kind-kind", false, true},
		{"kind-", false, true},
		{"prod", false, false},
		{"prod", true, true},
		{"lab-prod", false, false},
		{"my-kind-cluster", false, false},
		{"", false, false},
		{"", true, true},
	} {
		err := Guard(c.context, c.named)
		assert.Equal(t, c.ok, err == nil, "%+v: %v", c, err)
		if err != nil {
			assert.Contains(t, err.Error(), "go run ./lab up")
			assert.NotContains(t, err.Error(), "\n")
		}
	}
}
