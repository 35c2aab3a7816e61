package chaptertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"client-go-lab/internal/chapter"
)

var sample = Program{
	Chapter: chapter.Chapter{Dir: "00-sample", Steps: []chapter.Step{
		{Name: "serve", Summary: "go on", Endless: true}, {Name: "pods", Summary: "list pods"}, {Name: "version", Summary: "ask"}, {Name: "watch", Summary: "look"},
	}},
	Expected: Expected{
		"pods":    {"mysql-<id>\nnginx\n"},
		"version": {"<version>: <any>\n"},
		"watch":   {"410\n", "this server is young\n"},
	},
}

// Comparing a recording must find whatever is wrong with it.
func TestCheckAll(t *testing.T) {
	outputs := []string{"mysql-x7k2p\nnginx\n", "v1.37.2: anything\n", "410\n"}
	var all strings.Builder
	for i, step := range sample.Chapter.All() {
		if i > 0 {
			all.WriteString("\n")
		}
		fmt.Fprintf(&all, "=== %d/3 %s: %s\n%s", i+1, step.Name, step.Summary, outputs[i])
	}
	good := all.String()
	require.NoError(t, sample.checkAll(good))
	require.NoError(t, sample.checkAll(strings.Replace(good, "410", "this server is young", 1)), "the other output")

	for name, bad := range map[string]string{
		"nothing":           "",
		"no pods":           strings.Replace(good, "mysql-x7k2p\n", "", 1),
		"one pod too many":  strings.Replace(good, "nginx\n", "nginx\nmine\n", 1),
		"another line":      strings.Replace(good, "410", "404", 1),
		"no version":        strings.Replace(good, "v1.37.2", "devel", 1),
		"a step missing":    good[:strings.Index(good, "\n=== 3/3")],
		"an unfinished end": strings.TrimSuffix(good, "\n"),
		"more at the end":   good + "panic\n",
		"both outputs":      good + "this server is young\n",
	} {
		require.NotEqual(t, good, bad, name)
		assert.Error(t, sample.checkAll(bad), name)
	}
}

func TestMatchesSaysWhatWasExpected(t *testing.T) {
	want, ok := sample.Expected.Matches("watch", "something else\n")
	assert.False(t, ok)
	assert.Equal(t, "410\n", want)
	_, ok = sample.Expected.Matches("no such step", "")
	assert.False(t, ok)
}
