package exercise

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const solution = `// Package sum adds.
package sum

import (
	"fmt"
	m "math"
	"math/rand/v2"
)

// Add adds.
func Add(a, b int) (int, error) {
	// lab:begin 1 add the two
	if a == m.MaxInt {
		return 0, fmt.Errorf("%d is too much", a)
	}
	return a + b, nil
	// lab:stub return 0, nil
	// lab:end
}

// Any returns any number.
func Any() int {
	// lab:begin 2 say any number
	return rand.Int()
	// lab:stub _ = "not written yet"
	// lab:stub return 0
	// lab:end
}
`

func TestRender(t *testing.T) {
	s, err := Parse(solution)
	require.NoError(t, err)
	assert.Equal(t, []string{"add the two", "say any number"}, s.Steps)

	none, err := s.Render(0)
	require.NoError(t, err)
	assert.Equal(t, `// Package sum adds.
package sum

// Add adds.
func Add(a, b int) (int, error) {
	// TODO 1: add the two
	return 0, nil
}

// Any returns any number.
func Any() int {
	// TODO 2: say any number
	_ = "not written yet"
	return 0
}
`, none)

	one, err := s.Render(1)
	require.NoError(t, err)
	assert.Contains(t, one, "import (\n\t\"fmt\"\n\tm \"math\"\n)\n", "the imports of step 2 are out")
	assert.Contains(t, one, "return a + b, nil\n}")
	assert.Contains(t, one, "// TODO 2")

	all, err := s.Render(allSteps)
	require.NoError(t, err)
	assert.NotContains(t, all, "lab:")
	assert.NotContains(t, all, "TODO")
	assert.Contains(t, all, "math/rand/v2")
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"package x\n":                                        "marks nothing",
		"// lab:begin 2 x\n// lab:end\n":                     "line 1: write lab:begin N",
		"// lab:begin one x\n// lab:end\n":                   "line 1: write lab:begin N",
		"// lab:begin 1\n// lab:end\n":                       "line 1: write lab:begin N",
		"// lab:begin 1 x\n// lab:begin 1 y\n":               "line 2: lab:begin inside another one",
		"// lab:begin 1 x\n":                                 "no lab:end",
		"\n// lab:end\n":                                     "line 2: lab:end has no meaning here",
		"// lab:stub x\n":                                    "line 1: lab:stub has no meaning here",
		"// lab:start 1 x\n":                                 "line 1: lab:start has no meaning here",
		"x := 1 // lab:begin 1 x\n":                          "line 1: a mark must stand alone",
		"package x\n// lab:begin 1 x\nfunc {\n// lab:end\n}": "", // parses, and does not render
	} {
		s, err := Parse(text)
		if want != "" {
			require.ErrorContains(t, err, want, text)
			continue
		}
		require.NoError(t, err)
		_, err = s.Render(1)
		require.ErrorContains(t, err, "with the first 1 steps solved")
	}
}

func TestSameTokens(t *testing.T) {
	const code = "package x\n\nfunc f() int {\n\treturn 1\n}\n"
	assert.True(t, sameTokens(code, "package x\r\n\r\n// a note\r\nfunc f() int { // another\r\nreturn   1\r\n}\r\n"))
	assert.False(t, sameTokens(code, strings.Replace(code, "1", "2", 1)))
	assert.False(t, sameTokens(code, strings.Replace(code, "f()", "f(a int)", 1)))
	assert.False(t, sameTokens(code, code+"'"), "what is no Go is never the same")
	assert.False(t, sameTokens(`var a = "x y"`, `var a = "x  y"`), "spaces in a string count")
}

func TestDiff(t *testing.T) {
	assert.Empty(t, Diff("a\nb\n", "a\nb\n"))
	assert.Equal(t, "  ...\n  3\n  4\n  5\n- x\n+ y\n  6\n  7\n  8\n  ...\n"[6:], Diff("1\n2\n3\n4\n5\nx\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\ny\n6\n7\n8\n9\n"))
	assert.Equal(t, "- a\n  b\n+ c\n", Diff("a\nb\n", "b\nc\n"))
}

// course is a small repository of exercises in a temporary directory.
type course struct {
	t    *testing.T
	root string
}

func newCourse(t *testing.T) *course {
	c := &course{t, t.TempDir()}
	c.write("go.mod", "module client-go-lab\n\ngo 1.26.0\n")
	return c
}

func (c *course) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.root, filepath.FromSlash(name))
	require.NoError(c.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(c.t, os.WriteFile(path, []byte(text), 0o644))
}

// edit changes a file, which must hold what is replaced.
func (c *course) edit(name, from, to string) {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.root, name))
	require.NoError(c.t, err)
	require.Contains(c.t, string(data), from)
	c.write(name, strings.Replace(string(data), from, to, 1))
}

func (c *course) remove(name string) {
	c.t.Helper()
	require.NoError(c.t, os.Remove(filepath.Join(c.root, name)))
}

func (c *course) all() []Exercise {
	c.t.Helper()
	all, err := All(c.root)
	require.NoError(c.t, err)
	return all
}

const (
	doubled  = "package double\n\n// Double doubles.\nfunc Double(a int) int {\n\t// lab:begin 1 double it\n\treturn 2 * a\n\t// lab:stub return 0\n\t// lab:end\n}\n"
	testing1 = `package double

import "testing"

func TestStep1Double(t *testing.T) {
	if got := Double(21); got != 42 {
		t.Fatalf("seen: %d\nexpected: 42", got)
	}
}
`
)

// add makes an exercise that is in order.
func (c *course) add(dir string) {
	c.t.Helper()
	c.write("01-one/solutions/"+dir+"/exercise.go", doubled)
	c.write("01-one/solutions/"+dir+"/hints.md", "## 1\n\nlook\n\n## 2\n\ncall\n\n## 3\n\nwrite\n")
	c.write("01-one/exercises/"+dir+"/exercise_test.go", testing1)
	c.write("01-one/wrong/"+dir+"/tripled/exercise.go", "// want: seen: 63\npackage double\n\nfunc Double(a int) int { return 3 * a }\n")
	c.write("01-one/wrong/"+dir+"/same/exercise.go", "// want: seen: 21\n// want: expected: 42\npackage double\n\nfunc Double(a int) int { return a }\n")
	only, err := Select(c.all(), "01/"+dir)
	require.NoError(c.t, err)
	_, err = RenderAll(only)
	require.NoError(c.t, err)
}

func TestSelect(t *testing.T) {
	all := []Exercise{{ID: "01/one", Chapter: "01-first", Dir: "1-one"}, {ID: "01/two", Chapter: "01-first", Dir: "2-two"}, {ID: "12/one", Chapter: "12-last", Dir: "1-one"}}
	for name, want := range map[string]string{
		"": "01/one 01/two 12/one", "1": "01/one 01/two", "01": "01/one 01/two", "01-first": "01/one 01/two", "./01-first/": "01/one 01/two",
		"first": "01/one 01/two", "01/two": "01/two", "1/2": "01/two", "first/2-two": "01/two", "12": "12/one", "12/1": "12/one",
		"two": "01/two", "01-first/exercises/2-two/exercise.go": "01/two", "./12-last/exercises/1-one/": "12/one",
	} {
		found, err := Select(all, name)
		require.NoError(t, err, name)
		var ids []string
		for _, e := range found {
			ids = append(ids, e.ID)
		}
		assert.Equal(t, want, strings.Join(ids, " "), name)
	}
	for _, name := range []string{"3", "01/three", "one", "01/1-two", "/one"} {
		_, err := Select(all, name)
		require.ErrorContains(t, err, "there are: 01/one, 01/two, 12/one", name)
	}
	_, err := Select(nil, "")
	require.ErrorContains(t, err, "no exercise yet")
}

func TestReset(t *testing.T) {
	c := newCourse(t)
	c.add("1-good")
	e := c.all()[0]
	backup := filepath.Join(c.root, "backups", "one.go")
	changed, err := e.Reset(backup)
	require.NoError(t, err)
	assert.False(t, changed)
	assert.NoFileExists(t, backup)

	pristine, err := os.ReadFile(e.Path())
	require.NoError(t, err)
	c.write(e.File(), "mine")
	changed, err = e.Reset(backup)
	require.NoError(t, err)
	assert.True(t, changed)
	saved, err := os.ReadFile(backup)
	require.NoError(t, err)
	assert.Equal(t, "mine", string(saved))
	now, err := os.ReadFile(e.Path())
	require.NoError(t, err)
	assert.Equal(t, string(pristine), string(now))

	c.remove(e.File())
	changed, err = e.Reset(backup + "2")
	require.NoError(t, err)
	assert.True(t, changed)
	assert.FileExists(t, e.Path())
	assert.NoFileExists(t, backup+"2")
}

func TestHints(t *testing.T) {
	c := newCourse(t)
	c.add("1-good")
	e := c.all()[0]
	hints, err := e.Hints()
	require.NoError(t, err)
	assert.Equal(t, []string{"look", "call", "write"}, hints)
	for _, text := range []string{"", "## 1\na\n## 2\nb\n", "## 1\na\n## 3\nb\n## 2\nc\n", "## 1\na\n## 2\n\n## 3\nc\n"} {
		c.write("01-one/solutions/1-good/hints.md", text)
		_, err := e.Hints()
		require.ErrorContains(t, err, "three hints", text)
	}
}

func TestUntouched(t *testing.T) {
	c := newCourse(t)
	c.add("1-good")
	e := At(filepath.Join(c.root, "01-one", "exercises", "1-good"))
	untouched, err := e.Untouched()
	require.NoError(t, err)
	assert.True(t, untouched)
	c.edit(e.File(), "// Double", "// I will write\n\n// Double")
	untouched, err = e.Untouched()
	require.NoError(t, err)
	assert.True(t, untouched, "a comment is no work")
	c.edit(e.File(), "return 0", "return 1")
	untouched, err = e.Untouched()
	require.NoError(t, err)
	assert.False(t, untouched)
}
