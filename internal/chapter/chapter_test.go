package chapter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
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
	none := "{Kubeconfig: Context: Namespace:}"
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
			"two {Kubeconfig:f Context:c Namespace:x}\n", "", ExitOK},
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
