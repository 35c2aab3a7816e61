package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recordedEnv names a file with the output of "all" on another cluster. kind.sh sets it and runs TestAll.
const recordedEnv = "LAB_RECORDED"

// TestAll compares the recorded output of every step with what is expected, if there is a recording. Without one it
// makes sure that the comparison finds what is wrong.
func TestAll(t *testing.T) {
	if file := os.Getenv(recordedEnv); file != "" {
		output, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, checkAll(string(output)))
		return
	}

	var all strings.Builder
	fill := strings.NewReplacer("<id>", "x7k2p", "<version>", "v1.37.2", "<any>", "anything")
	steps := contents().Steps
	for i, step := range steps {
		if i > 0 {
			all.WriteString("\n")
		}
		fmt.Fprintf(&all, "=== %d/%d %s: %s\n%s", i+1, len(steps), step.Name, step.Summary, fill.Replace(expected[step.Name]))
	}
	good := all.String()
	require.NoError(t, checkAll(good))
	require.NoError(t, checkAll(young.Replace(good)), "a server that still has revision 1")

	for name, bad := range map[string]string{
		"nothing":           "",
		"no pods":           strings.Replace(good, "liveness-exec\nmysql-x7k2p\n", "", 1),
		"one pod too many":  strings.Replace(good, "liveness-exec\n", "liveness-exec\nmine\n", 1),
		"another line":      strings.Replace(good, "200 OK", "204 No Content", 1),
		"a step missing":    good[:strings.Index(good, "\n=== 9/9")],
		"an unfinished end": strings.TrimSuffix(good, "\n"),
		"more at the end":   good + "panic\n",
		"not young at all":  strings.Replace(good, "410 Expired: "+expiredMessage, youngLine, 1),
		"no word on 410":    strings.Replace(good, "410 Expired: "+expiredMessage+"\n", "", 1),
	} {
		require.NotEqual(t, good, bad, name)
		assert.Error(t, checkAll(bad), name)
	}
}

// checkAll compares the output of "all", headings included, with what is expected.
func checkAll(output string) error {
	steps := contents().Steps
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
		if want, ok := outputMatches(step.Name, got); !ok {
			wrong = append(wrong, fmt.Errorf("the step %s printed:\n%s\nand should have printed:\n%s", step.Name, got, want))
		}
	}
	return errors.Join(wrong...)
}
