package exercise

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every way that we know to spoil an exercise, each caught with its own words, and nothing else is said.
func TestVerifyCatchesSabotage(t *testing.T) {
	c := newCourse(t)
	sabotage := []struct {
		dir   string
		spoil func(dir string)
		says  []string // "" for an exercise that holds
	}{
		{"1-holds", func(string) {}, nil},
		{"2-never", func(dir string) {
			c.write("01-one/exercises/"+dir+"/exercise_test.go", testing1+"\nfunc TestStep1Never(t *testing.T) { Double(1) }\n")
		}, []string{"01/never with 0 of 1 steps solved: TestStep1Never passes though step 1 is not solved: it cannot fail"}},
		{"3-hidden", func(dir string) {
			c.edit("01-one/exercises/"+dir+"/exercise_test.go", "\tif got", "\tif Double(1) == 2 {\n\t\tt.SkipNow()\n\t}\n\tif got")
		}, []string{"01/hidden with 1 of 1 steps solved: TestStep1Double skips, and a skipped test proves nothing"}},
		{"4-broken", func(dir string) {
			c.edit("01-one/solutions/"+dir+"/exercise.go", "return 2 * a", "return 2 * b")
		}, []string{"01/broken with 1 of 1 steps solved: it does not compile:", "undefined: b"}},
		{"5-stub", func(dir string) {
			c.edit("01-one/solutions/"+dir+"/exercise.go", "return 0", "return nil")
			_, err := RenderAll(c.all())
			require.NoError(t, err)
		}, []string{"01/stub with 0 of 1 steps solved: it does not compile:"}},
		{"6-falls", func(dir string) {
			c.edit("01-one/solutions/"+dir+"/exercise.go", "return 2 * a", "return 4 * a")
		}, []string{"01/falls with 1 of 1 steps solved: TestStep1Double fails though its step is solved:\nseen: 84"}},
		{"7-mild", func(dir string) {
			c.edit("01-one/wrong/"+dir+"/same/exercise.go", "return a }", "return 2 * a }")
			c.edit("01-one/wrong/"+dir+"/tripled/exercise.go", "seen: 63", "you tripled it")
		}, []string{"01-one/wrong/7-mild/same: every test passes", `01-one/wrong/7-mild/tripled: its author must be told "you tripled it", and reads:` + "\nseen: 63"}},
		{"8-quiet", func(dir string) {
			c.write("01-one/exercises/"+dir+"/exercise_test.go", testing1+"\nfunc TestMain(m *testing.M) {}\n")
		}, []string{"01/quiet with 1 of 1 steps solved: TestStep1Double did not run", "01/quiet with 0 of 1 steps solved: TestStep1Double did not run"}},
		{"9-sub", func(dir string) {
			c.edit("01-one/exercises/"+dir+"/exercise_test.go", "\tif got", "\tt.Run(\"sub\", func(t *testing.T) { Double(1) })\n\tif got")
		}, []string{"01/sub with 0 of 1 steps solved: TestStep1Double/sub passes though step 1 is not solved"}},
	}
	for _, s := range sabotage {
		c.add(s.dir)
		s.spoil(s.dir)
	}
	proof, err := c.runner().Verify(t.Context(), c.all())
	require.NoError(t, err)
	assert.Equal(t, len(sabotage)*4, proof.Variants, "none and all steps solved, and two wrong samples each")
	assert.Empty(t, proof.Edited)
	problems := strings.Join(proof.Problems, "\n")
	for _, s := range sabotage {
		for _, want := range s.says {
			assert.Contains(t, problems, want)
		}
	}
	for _, problem := range proof.Problems {
		assert.NotContains(t, problem, "holds")
	}
	assert.NotContains(t, problems, "01/sub with 0 of 1 steps solved: TestStep1Double passes", "a parent whose own part fails is fine")
}

// What is found without running a test.
func TestVerifyCatchesSabotageOfFiles(t *testing.T) {
	c := newCourse(t)
	c.add("1-edited")
	c.edit("01-one/exercises/1-edited/exercise.go", "return 0", "return 7")
	for _, s := range []struct {
		dir   string
		spoil func(dir string)
		says  string
	}{
		{"2-hints", func(dir string) { c.write("01-one/solutions/"+dir+"/hints.md", "## 1\nlook") }, "01-one/solutions/2-hints/hints.md: it must hold three hints"},
		{"3-marks", func(dir string) { c.edit("01-one/solutions/"+dir+"/exercise.go", "// lab:end\n", "") }, "01-one/solutions/3-marks/exercise.go: the last lab:begin has no lab:end"},
		{"4-step", func(dir string) {
			c.edit("01-one/exercises/"+dir+"/exercise_test.go", "TestStep1Double", "TestStep2Double")
		}, "TestStep2Double belongs to no step"},
		{"5-name", func(dir string) { c.edit("01-one/exercises/"+dir+"/exercise_test.go", "TestStep1Double", "TestDouble") }, "TestDouble belongs to no step"},
		{"6-none", func(dir string) { c.write("01-one/exercises/"+dir+"/exercise_test.go", "package double\n") }, "step 1 has no test"},
		{"7-want", func(dir string) {
			c.edit("01-one/wrong/"+dir+"/tripled/exercise.go", "// want:", "// wants")
		}, "01-one/wrong/7-want/tripled/exercise.go: say what its author must be told"},
		{"8-wrong", func(dir string) {
			c.remove("01-one/wrong/" + dir + "/same/exercise.go")
			c.remove("01-one/wrong/" + dir + "/same")
		}, "01-one/wrong/8-wrong: show at least two typical mistakes"},
		{"9-gone", func(dir string) { c.remove("01-one/exercises/" + dir + "/exercise_test.go") }, "01-one/exercises/9-gone/exercise_test.go: it is missing"},
	} {
		c.add(s.dir)
		s.spoil(s.dir)
		only, err := Select(c.all(), "01/"+s.dir)
		require.NoError(t, err)
		r := c.runner()
		if s.dir != "2-hints" {
			r.Go = "/nowhere/go" // is not needed
		}
		proof, err := r.Verify(t.Context(), only)
		require.NoError(t, err, s.dir)
		assert.Contains(t, strings.Join(proof.Problems, "\n"), s.says)
	}
	c.write("01-one/wrong/1-edited/notes.txt", "x")
	c.write("01-one/solutions/1-edited/exercise.go.orig", "x")
	c.write("01-one/exercises/5-other/exercise.go", "package other\n")
	c.add("6-neighbour")
	only, err := Select(c.all(), "01/edited")
	require.NoError(t, err)
	proof, err := c.runner().Verify(t.Context(), only)
	require.NoError(t, err)
	assert.Equal(t, []string{"01-one/exercises/1-edited/exercise.go"}, proof.Edited)
	problems := strings.Join(proof.Problems, "\n")
	for _, name := range []string{"01-one/wrong/1-edited/notes.txt", "01-one/solutions/1-edited/exercise.go.orig", "01-one/exercises/5-other/exercise.go"} {
		assert.Contains(t, problems, name+": it belongs to no exercise")
	}
	assert.NotContains(t, problems, "neighbour", "what is not selected is not a stray")

	c.write("01-one/solutions/broken/exercise.go", doubled)
	_, err = All(c.root)
	require.ErrorContains(t, err, "01-one/solutions/broken: an exercise's directory is called like 1-hello")
}

func TestVerifyNeedsTheCluster(t *testing.T) {
	c := newCourse(t)
	c.add("1-good")
	c.write("01-one/exercises/1-good/exercise_test.go", testing1+"\nfunc TestStep1Real(t *testing.T) { t.Skip(\"set LAB_TEST_SOMETHING\") }\n")
	proof, err := c.runner().Verify(t.Context(), c.all())
	require.NoError(t, err)
	assert.Empty(t, proof.Problems)
	assert.Equal(t, []string{"01/good TestStep1Real"}, proof.NotRun)
}

func TestVerifyLeavesTheLearnersFileAlone(t *testing.T) {
	c := newCourse(t)
	c.add("1-good")
	c.edit("01-one/exercises/1-good/exercise.go", "return 0", "return (") // what is on the disk plays no part
	proof, err := c.runner().Verify(t.Context(), c.all())
	require.NoError(t, err)
	assert.Empty(t, proof.Problems)
	assert.Equal(t, []string{"01-one/exercises/1-good/exercise.go"}, proof.Edited)
	text, err := c.all()[0].read("01-one/exercises/1-good/exercise.go")
	require.NoError(t, err)
	assert.Contains(t, text, "return (")
	changed, err := RenderAll(c.all())
	require.NoError(t, err)
	assert.Equal(t, proof.Edited, changed)
	changed, err = RenderAll(c.all())
	require.NoError(t, err)
	assert.Empty(t, changed)
}
