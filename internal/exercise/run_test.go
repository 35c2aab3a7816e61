package exercise

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (c *course) runner() Runner {
	return Runner{Root: c.root, Go: "go", Cluster: "LAB_TEST_SOMETHING", Timeout: 3 * time.Second}
}

// What a learner may do to a file, all in one run of the real go command.
func TestCheck(t *testing.T) {
	c := newCourse(t)
	writes := []struct {
		dir   string
		write string // in place of "return 0"; "" leaves the file
		state State
		step  int
		says  string
	}{
		{"1-untouched", "", NotStarted, 0, ""},
		{"2-solved", "return 2 * a", Solved, 0, ""},
		{"3-fails", "return a", Fails, 1, "seen: 21\nexpected: 42"},
		{"4-undefined", "return b", Fails, 0, "It does not compile:\n01-one/exercises/4-undefined/exercise.go:6:9: undefined: b"},
		{"5-syntax", "return (", Fails, 0, "It does not compile:\n01-one/exercises/5-syntax/exercise.go:7:1: syntax error"},
		{"6-panics", `panic("oh")`, Fails, 1, "Your code panics: oh\nat exercise.go:6"},
		// On a busy machine Go does not see where a running goroutine is, and then nobody can say; where one waits, it always sees.
		{"7-loops", "for { _ = fmt.Sprint(a) }", Fails, 1, "is there a loop that nothing stops, or a wait for what never comes?"},
		{"5-waits", "return <-make(chan int)", Fails, 1, "is there a loop that nothing stops, or a wait for what never comes?\nat exercise.go:6"},
		{"3-recurses", "debug.SetMaxStack(1 << 16); return Double(a)", Fails, 1, "Your code calls itself without end.\nat exercise.go:6"},
		{"4-begins", "return two * a }; var two = one(); func one() int { panic(`oh`)", Fails, 0, "Its tests did not run to the end:\nYour code panics: oh\nat exercise.go:6"},
		{"8-exits", "os.Exit(0); return 0", Fails, 1, "Your code panics: unexpected call to os.Exit(0)"},
		{"1-prints", `fmt.Println("panic: here"); return a`, Fails, 1, "seen: 21\nexpected: 42"},
		{"2-twice", "return 2 * a", Fails, 0, "It does not compile:\n01-one/exercises/2-twice/old.go:3:6: Double redeclared in this block\nAn exercise is one file: move the other one out"},
		{"3-vet", `fmt.Printf("%d\n", "a"); return 2 * a`, Fails, 0, "go vet refuses it:\n01-one/exercises/3-vet/exercise.go:8:"},
		{"9-renamed", "return 0 }; func Twice() int { return 0", Fails, 0, "exercise_test.go:6:12: undefined: Double\nThe test calls your function as it was given"},
	}
	for _, w := range writes {
		c.add(w.dir)
		file := "01-one/exercises/" + w.dir + "/exercise.go"
		if w.write != "" {
			c.edit(file, "return 0", w.write)
		}
		for name, path := range map[string]string{"os.": "os", "fmt.": "fmt", "debug.": "runtime/debug"} {
			if strings.Contains(w.write, name) {
				c.edit(file, "package double\n", "package double\n\nimport \""+path+"\"\n")
			}
		}
		if strings.Contains(w.dir, "twice") {
			c.write("01-one/exercises/"+w.dir+"/old.go", "package double\n\nfunc Double(a int) int { return a }\n")
		}
		if strings.Contains(w.write, "Twice") {
			c.edit(file, "func Double(", "func Doubled(")
		}
	}
	c.add("1-gone")
	c.remove("01-one/exercises/1-gone/exercise.go")

	results, err := c.runner().Check(t.Context(), c.all())
	require.NoError(t, err)
	require.Len(t, results, len(writes)+1)
	gone := slices.IndexFunc(results, func(r Result) bool { return r.ID == "01/gone" })
	assert.Equal(t, Fails, results[gone].State)
	assert.Contains(t, results[gone].Message, "go run ./lab reset 01/gone")
	for _, w := range writes {
		r := results[slices.IndexFunc(results, func(r Result) bool { return strings.Contains(r.File, "/"+w.dir+"/") })]
		assert.Equal(t, w.state, r.State, w.dir)
		assert.Equal(t, 1, r.Steps)
		assert.Contains(t, r.Message, w.says, w.dir)
		if w.says == "" {
			assert.Empty(t, r.Message, w.dir)
		}
		if strings.HasPrefix(w.says, "It does not compile") && !strings.Contains(w.says, "old.go") {
			assert.Equal(t, 1, strings.Count(r.Message, "\n"), "nothing but the first error: %s", r.Message)
		}
		assert.Equal(t, w.step, r.Step, w.dir)
	}
}

func TestCheckNamesTheMissingImport(t *testing.T) {
	c := newCourse(t)
	c.add("1-good")
	c.write("01-one/solutions/1-good/exercise.go", strings.NewReplacer(
		"package double\n", "package double\n\nimport (\n\t\"math/rand/v2\"\n\ttext \"strings\"\n)\n", "return 2 * a", "_ = text.ToUpper(\"\")\n\treturn rand.IntN(2)").Replace(doubled))
	build := "x/exercise.go:7:1: undefined: text\nx/exercise.go:8:1: undefined: other\nx/exercise.go:9:1: undefined: rand\nx/exercise.go:9:9: undefined: rand\n"
	assert.Equal(t, "\nIf you mean the package, import it: \"math/rand/v2\"\nIf you mean the package, import it: text \"strings\"", c.all()[0].importHelp(build))
	assert.Empty(t, c.all()[0].importHelp("x/exercise.go:7:1: undefined: other\n"))
	c.edit("01-one/exercises/1-good/exercise.go", "return 0", "return text.Count(``, ``)")
	results, err := c.runner().Check(t.Context(), c.all())
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(results[0].Message, `import it: text "strings"`), results[0].Message)
}

// A test that skips proves nothing, unless it says that it needs the cluster and there is none.
func TestCheckSkips(t *testing.T) {
	c := newCourse(t)
	c.add("1-good")
	c.edit("01-one/exercises/1-good/exercise.go", "return 0", "return 2 * a")
	c.write("01-one/exercises/1-good/exercise_test.go", testing1+"\nfunc TestStep1Real(t *testing.T) { t.Skip(\"set LAB_TEST_SOMETHING\") }\n")
	check := func(r Runner) Result {
		results, err := r.Check(t.Context(), c.all())
		require.NoError(t, err)
		return results[0]
	}
	assert.Equal(t, Result{ID: "01/good", File: "01-one/exercises/1-good/exercise.go", State: Solved, Steps: 1, NotRun: 1}, check(c.runner()))
	r := c.runner()
	r.Cluster = "" // there is one
	assert.Equal(t, Fails, check(r).State)
	c.edit("01-one/exercises/1-good/exercise_test.go", "t.Skip(\"set LAB_TEST_SOMETHING\")", "t.SkipNow()")
	assert.Equal(t, Fails, check(c.runner()).State, "a skip without a word")
}

func TestCheckWithoutGo(t *testing.T) {
	c := newCourse(t)
	c.add("1-good")
	r := c.runner()
	r.Go = "/nowhere/go"
	results, err := r.Check(t.Context(), c.all())
	require.NoError(t, err, "nothing is begun, so nothing runs")
	assert.Equal(t, NotStarted, results[0].State)
	c.edit("01-one/exercises/1-good/exercise.go", "return 0", "return 2 * a")
	_, err = r.Check(t.Context(), c.all())
	require.ErrorContains(t, err, "/nowhere/go")

	c.write("go.mod", "this is no go.mod")
	_, err = c.runner().Check(t.Context(), c.all())
	require.ErrorContains(t, err, "go.mod")

	ctx, cancel := context.WithCancel(t.Context())
	r.Exec = func(context.Context, *exec.Cmd) error { cancel(); return nil }
	_, err = r.Check(ctx, c.all())
	require.ErrorIs(t, err, context.Canceled)
}
