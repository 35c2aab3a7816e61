package chaptertest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Expected is what each step prints, on the fake and on a real server alike. Where servers may differ, a step has
// several outputs; the first is the usual one. Three words stand for what varies: <id> for five random letters and
// digits, <version> for a Kubernetes version, <any> for the rest of a line that somebody else has worded.
type Expected map[string][]string

// Matches says whether a step may print this, and what it should have printed if not.
func (e Expected) Matches(step, got string) (want string, ok bool) {
	for _, want := range e[step] {
		pattern := strings.NewReplacer(
			"<id>", `[a-z0-9]{5}`,
			"<version>", `v\d+\.\d+\.\d+\S*`,
			"<any>", `[^\n]*`,
		).Replace(regexp.QuoteMeta(want))
		if regexp.MustCompile(`^` + pattern + `$`).MatchString(got) {
			return want, true
		}
	}
	if len(e[step]) == 0 {
		return "", false
	}
	return e[step][0], false
}

// RequireOutput compares what a step printed with what is expected of it.
func (p Program) RequireOutput(t *testing.T, step, got string) {
	t.Helper()
	require.Contains(t, p.Expected, step)
	if want, ok := p.Expected.Matches(step, got); !ok {
		require.Equal(t, want, got, "the output of %s", step) // shows the difference
	}
}

// recorded names a file with the output of "all" on another cluster. scripts/kind-lib.sh sets it and runs TestAll.
const recorded = "LAB_RECORDED"

// All is the TestAll of every chapter: it compares the recorded output of every step with what is expected, if there is
// a recording. Without one it makes sure that something is expected of every step.
func (p Program) All(t *testing.T) {
	t.Helper()
	if file := os.Getenv(recorded); file != "" {
		output, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, p.checkAll(string(output)))
		return
	}
	var steps []string
	for _, step := range p.Chapter.All() {
		steps = append(steps, step.Name)
	}
	require.ElementsMatch(t, steps, slices.Collect(maps.Keys(p.Expected)))
}

// checkAll compares the output of "all", headings included, with what is expected.
func (p Program) checkAll(output string) error {
	steps := p.Chapter.All()
	var wrong []error
	for i, step := range steps {
		heading := fmt.Sprintf("=== %d/%d %s: %s\n", i+1, len(steps), step.Name, step.Summary)
		rest, found := strings.CutPrefix(output, heading)
		if !found {
			return errors.Join(append(wrong, fmt.Errorf("the step %s did not run, or did not begin with %q", step.Name, heading))...)
		}
		got := rest
		if i < len(steps)-1 {
			next := fmt.Sprintf("\n=== %d/%d ", i+2, len(steps))
			end := strings.Index(rest, next)
			if end < 0 {
				end = len(rest)
			}
			got, output = rest[:end], strings.TrimPrefix(rest[end:], "\n")
		}
		if want, ok := p.Expected.Matches(step.Name, got); !ok {
			wrong = append(wrong, fmt.Errorf("the step %s printed:\n%s\nand should have printed:\n%s", step.Name, got, want))
		}
	}
	return errors.Join(wrong...)
}
