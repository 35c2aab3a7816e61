package exercise

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Proof is what Verify found.
type Proof struct {
	Variants int      // variants of learner's files that were tested
	Problems []string // what the author must mend
	Edited   []string // learner's files that are not what the solution renders to
	NotRun   []string // tests that found no cluster
}

// variant is one version of a learner's file, and what its tests must say of it.
type variant struct {
	e      Exercise
	what   string
	text   string
	solved int      // the tests of steps 1 to solved pass, all others fail
	want   []string // instead: a test fails, and these texts are in what it says
}

// Verify proves the exercises: every learner's file is the rendered one, and every test is worth something. For every
// number of solved steps it runs the tests: those of solved steps pass, those of the others fail, and nothing skips. A
// typical mistake makes a test fail with the words that its author wants.
func (r Runner) Verify(ctx context.Context, exercises []Exercise) (*Proof, error) {
	p := &Proof{}
	problem := func(format string, args ...any) { p.Problems = append(p.Problems, fmt.Sprintf(format, args...)) }
	all, err := All(r.Root) // also those that are not to be proved: their files are no strays
	if err != nil {
		return nil, err
	}
	if err := p.strayFiles(r.Root, all); err != nil {
		return nil, err
	}
	var queues [][]variant
	tests := map[string][]string{}
	for _, e := range exercises {
		if _, err := e.Hints(); err != nil {
			problem("%v", err)
		}
		pristine, err := e.Pristine()
		if err != nil {
			problem("%v", err)
			continue
		}
		if text, err := e.read(e.File()); err != nil || text != pristine {
			p.Edited = append(p.Edited, e.File())
		}
		declared, err := e.declaredTests()
		if err != nil {
			problem("%v", err)
			continue
		}
		tests[e.ID] = declared
		queue, err := e.variants()
		if err != nil {
			problem("%v", err)
			continue
		}
		queues = append(queues, queue)
	}
	rounds := 0
	for _, q := range queues {
		rounds = max(rounds, len(q))
	}
	for i := range rounds { // one go test for the i-th variant of every exercise
		var now []variant
		var testing []Exercise
		overlay := map[string]string{}
		for _, q := range queues {
			if i < len(q) {
				now = append(now, q[i])
				testing = append(testing, q[i].e)
				overlay[q[i].e.File()] = q[i].text
			}
		}
		if r.Report != nil {
			r.Report(i+1, rounds)
		}
		outcomes, err := r.run(ctx, testing, overlay)
		if err != nil {
			return nil, err
		}
		for _, v := range now {
			p.Variants++
			p.compare(v, outcomes[path.Dir(v.e.File())], tests[v.e.ID], r.Cluster)
		}
	}
	slices.Sort(p.NotRun)
	p.NotRun = slices.Compact(p.NotRun)
	return p, nil
}

// variants are the versions to test: with none, one, ... all steps solved, and every wrong sample.
func (e Exercise) variants() ([]variant, error) {
	s, err := e.Source()
	if err != nil {
		return nil, err
	}
	var all []variant
	for solved := range len(s.Steps) + 1 {
		text, err := s.Render(solved)
		if err != nil {
			return nil, err
		}
		all = append(all, variant{e: e, text: text, solved: solved, what: fmt.Sprintf("%s with %d of %d steps solved", e.ID, solved, len(s.Steps))})
	}
	samples, err := fs.Glob(os.DirFS(e.root), e.in("wrong", "*"))
	if err != nil {
		return nil, err
	}
	if len(samples) < 2 {
		return nil, fmt.Errorf("%s: show at least two typical mistakes, as MISTAKE/exercise.go", e.in("wrong"))
	}
	for _, dir := range samples {
		text, err := e.read(dir + "/exercise.go")
		if err != nil {
			return nil, err
		}
		v := variant{e: e, what: dir, text: text}
		for _, m := range wantLine.FindAllStringSubmatch(text, -1) {
			v.want = append(v.want, m[1])
		}
		if v.want == nil {
			return nil, fmt.Errorf("%s/exercise.go: say what its author must be told: // want: TEXT", dir)
		}
		all = append(all, v)
	}
	return all, nil
}

var wantLine = regexp.MustCompile(`(?m)^// want: (.+)$`)

// declaredTests are the test functions of the exercise. Every step has one, and every one belongs to a step.
func (e Exercise) declaredTests() ([]string, error) {
	name := e.in("exercises", "exercise_test.go")
	text, err := e.read(name)
	if err != nil {
		return nil, err
	}
	s, err := e.Source()
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	tested := make([]bool, len(s.Steps)+1)
	var names []string
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Test") || fn.Name.Name == "TestMain" {
			continue
		}
		step := stepOf(fn.Name.Name)
		if step < 1 || step > len(s.Steps) {
			return nil, fmt.Errorf("%s: %s belongs to no step; its name must begin with TestStep and the step", name, fn.Name.Name)
		}
		tested[step] = true
		names = append(names, fn.Name.Name)
	}
	if step := slices.Index(tested[1:], false) + 1; step > 0 {
		return nil, fmt.Errorf("%s: step %d has no test; its name must begin with TestStep%d", name, step, step)
	}
	return names, nil
}

// compare says what is wrong with the tests, or with the solution.
func (p *Proof) compare(v variant, o *outcome, declared []string, cluster string) {
	problem := func(format string, args ...any) {
		p.Problems = append(p.Problems, v.what+": "+fmt.Sprintf(format, args...))
	}
	if o.build != "" {
		problem("it does not compile:\n%s", strings.TrimSpace(o.build))
		return
	}
	if v.want != nil {
		said := ""
		for _, name := range o.names {
			if o.tests[name].result == "fail" {
				said += o.tests[name].output
			}
		}
		if said == "" {
			problem("every test passes, so that nobody tells its author")
		}
		for _, want := range v.want {
			if said != "" && !strings.Contains(said, want) {
				problem("its author must be told %q, and reads:\n%s", want, words(said))
			}
		}
		return
	}
	for _, name := range declared {
		if o.tests[name] == nil {
			problem("%s did not run: does another test panic?\n%s", name, words(o.other))
		}
	}
	for _, name := range o.names {
		t := o.tests[name]
		parent := slices.ContainsFunc(o.names, func(other string) bool { return strings.HasPrefix(other, name+"/") })
		step := stepOf(name)
		switch {
		case t.result == "skip" && skippedForWantOf(t.output, cluster):
			p.NotRun = append(p.NotRun, v.e.ID+" "+name)
		case t.result == "skip":
			problem("%s skips, and a skipped test proves nothing", name)
		case step <= v.solved && t.result != "pass":
			problem("%s fails though its step is solved:\n%s", name, words(t.output+o.other))
		case step > v.solved && t.result == "pass" && !parent:
			problem("%s passes though step %d is not solved: it cannot fail", name, step)
		}
	}
}

// strayFiles looks for what belongs to no exercise, or lies there without a use.
func (p *Proof) strayFiles(root string, exercises []Exercise) error {
	expected := map[string]bool{}
	for _, e := range exercises {
		for _, name := range []string{e.File(), e.in("exercises", "exercise_test.go"), e.in("solutions", "exercise.go"), e.in("solutions", "hints.md")} {
			expected[name] = true
			if _, err := os.Stat(e.abs(name)); errors.Is(err, fs.ErrNotExist) {
				p.Problems = append(p.Problems, name+": it is missing")
			}
		}
	}
	for _, kind := range []string{"exercises", "solutions", "wrong"} {
		dirs, err := fs.Glob(os.DirFS(root), "[0-9][0-9]-*/"+kind)
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			err := fs.WalkDir(os.DirFS(root), dir, func(name string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || expected[name] {
					return err
				}
				sample := slices.ContainsFunc(exercises, func(e Exercise) bool {
					ok, _ := path.Match(e.in("wrong", "*", "exercise.go"), name)
					return ok
				})
				if !sample {
					p.Problems = append(p.Problems, name+": it belongs to no exercise")
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// RenderAll writes the learner's files and returns those that it changed.
func RenderAll(exercises []Exercise) (changed []string, err error) {
	for _, e := range exercises {
		pristine, err := e.Pristine()
		if err != nil {
			return changed, err
		}
		if text, err := e.read(e.File()); err == nil && text == pristine {
			continue
		}
		if err := os.MkdirAll(e.abs(e.in("exercises")), 0o755); err != nil {
			return changed, err
		}
		if err := os.WriteFile(e.abs(e.File()), []byte(pristine), 0o644); err != nil {
			return changed, err
		}
		changed = append(changed, e.File())
	}
	return changed, nil
}
