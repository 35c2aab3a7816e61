package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	mistakeInRow  = regexp.MustCompile("(?m)^\\| `(0[1-7])/([a-z]+)` \\| `([a-z0-9-]+)`: .* \\| \"(.+)\" \\|$")
	exerciseInRow = regexp.MustCompile("(?m)^\\| `0[1-7]/")
	stepInDemo    = regexp.MustCompile(`(?m)^go run \./lab run (0[1-7])(?: ([a-z]+))?`)
)

// What teaching.md says a learner will hear is what the checker says to that mistake, as the exercise's own proof wants it.
func TestMistakesInTeaching(t *testing.T) {
	mistakes := mistakeInRow.FindAllStringSubmatch(teaching(t), -1)
	assert.Equal(t, len(exerciseInRow.FindAllString(teaching(t), -1)), len(mistakes), "a row that this test does not understand")
	assert.Greater(t, len(mistakes), 40)
	for _, mistake := range mistakes {
		chapter, exercise, name, words := mistake[1], mistake[2], mistake[3], mistake[4]
		t.Run(chapter+"/"+exercise+"/"+name, func(t *testing.T) {
			files, err := filepath.Glob(fmt.Sprintf("../%s-*/wrong/*-%s/%s/exercise.go", chapter, exercise, name))
			require.NoError(t, err)
			require.Len(t, files, 1, "there is no such sample")
			sample, err := os.ReadFile(files[0])
			require.NoError(t, err)
			assert.Regexp(t, `(?m)^// want: .*`+regexp.QuoteMeta(words), string(sample))
		})
	}
}

// The demos are steps that exist.
func TestDemosInTeaching(t *testing.T) {
	code := sources{}
	demos := stepInDemo.FindAllStringSubmatch(teaching(t), -1)
	assert.Greater(t, len(demos), 20)
	for _, demo := range demos {
		chapters, err := filepath.Glob("../" + demo[1] + "-*")
		require.NoError(t, err)
		if len(chapters) == 1 && demo[2] != "" { // a chapter may still be written
			assert.Contains(t, code.parse(t, filepath.Base(chapters[0]), "main.go").texts, demo[2], demo[0])
		}
	}
}

// The minutes of each plan add up to what its last row says.
func TestPlansInTeaching(t *testing.T) {
	_, plan, found := strings.Cut(teaching(t), "\n| | half a day |")
	require.True(t, found)
	sums, rows := [3]int{}, 0
	for line := range strings.Lines(plan) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.HasPrefix(line, "| ---") {
			if line == "\n" {
				break
			}
			continue
		}
		rows++
		for i, cell := range cells[2:5] {
			cell, _, _ = strings.Cut(strings.Trim(cell, "* "), " ")
			if cell == "" {
				continue
			}
			minutes, err := strconv.Atoi(cell)
			require.NoError(t, err, line)
			if strings.Contains(line, "**sum**") {
				assert.Equal(t, minutes, sums[i], "the sum of plan %d", i+1)
			}
			sums[i] += minutes
		}
	}
	assert.Greater(t, rows, 10)
}

func teaching(t *testing.T) string {
	t.Helper()
	document, err := os.ReadFile("teaching.md")
	require.NoError(t, err)
	return string(document)
}
