package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"client-go-lab/internal/exercise"
)

// exitNotSolved is check's exit code when nothing fails, but not everything is solved.
const exitNotSolved = 3

// kubeconfigForTests names the cluster that tests may write to, as ../internal/labtest does.
const kubeconfigForTests = "LAB_TEST_KUBECONFIG"

func (a *app) exerciseCommands() []*cobra.Command {
	check := &cobra.Command{
		Use:   "check [CHAPTER[/EXERCISE]]",
		Short: "Say which exercises are solved, and why the others are not (exit code 0: all solved, 1: one fails, 3: not all started)",
		Long: `Run the tests of the exercises that you have begun. What they say is all that lab knows: nothing is remembered.
If the lab's cluster is running, the tests that need a real API server run, too.
The exit codes are lab's own; "go run" prints such a code and returns 1 itself.`,
		Example: `  go run ./lab check           the whole course
  go run ./lab check 01        one chapter
  go run ./lab check 01/hello  one exercise; 01/1 is the same`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON := check.Flags().Bool("json", false, "print JSON")
	check.RunE = func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), nameIn(args), *asJSON) }

	watch := &cobra.Command{
		Use:     "watch [CHAPTER[/EXERCISE]]",
		Short:   "Check an exercise whenever you save its file",
		Example: "  go run ./lab watch 01",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.watch(cmd.Context(), nameIn(args)) },
	}
	hint := &cobra.Command{
		Use:     "hint CHAPTER/EXERCISE [NUMBER]",
		Short:   "Give a hint: first where to look, then what to call, then the shape of the answer",
		Example: "  go run ./lab hint 01/hello    one more each time\n  go run ./lab hint 01/hello 1  the first one, once more",
		Args:    cobra.RangeArgs(1, 2),
		RunE:    func(_ *cobra.Command, args []string) error { return a.hint(args[0], args[1:]) },
	}
	solution := &cobra.Command{
		Use:     "solution CHAPTER/EXERCISE",
		Short:   "Compare your solution with ours, line by line",
		Example: "  go run ./lab solution 01/hello",
		Args:    cobra.ExactArgs(1),
	}
	yes := solution.Flags().Bool("yes", false, "do not ask, although it is not solved yet")
	solution.RunE = func(cmd *cobra.Command, args []string) error { return a.solution(cmd.Context(), args[0], *yes) }

	reset := &cobra.Command{
		Use:     "reset CHAPTER/EXERCISE",
		Short:   "Start an exercise afresh; what you wrote goes into a backup",
		Example: "  go run ./lab reset 01/hello",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return a.reset(args[0]) },
	}
	authors := &cobra.Command{
		Use:     "exercises",
		Short:   "For authors: write the learners' files, and prove that the tests are worth something",
		Example: "  go run ./lab exercises render\n  go run ./lab exercises verify 01",
	}
	authors.AddCommand(
		&cobra.Command{
			Use:   "render",
			Short: "Write the learners' files, as they are at first, from the annotated solutions",
			Args:  cobra.NoArgs,
			RunE:  func(*cobra.Command, []string) error { return a.renderExercises() },
		},
		&cobra.Command{
			Use:   "verify [CHAPTER[/EXERCISE]]",
			Short: "Prove files, steps, wrong samples and hints",
			Args:  cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				p, r := newProgress(a.err), a.runner(cmd.Context())
				r.Report = func(round, rounds int) { p.set("exercises: round %d of %d", round, rounds) }
				stop := p.every(time.Minute)
				out, err := a.verifyExercises(cmd.Context(), nameIn(args), r, true)
				stop()
				fmt.Fprint(a.out, out)
				return err
			},
		})
	return []*cobra.Command{check, watch, hint, solution, reset, authors}
}

func nameIn(args []string) string { return strings.Join(args, "") }

func (a *app) exercises(name string) ([]exercise.Exercise, error) {
	all, err := exercise.All(a.root)
	if err != nil {
		return nil, err
	}
	found, err := exercise.Select(all, name)
	if err != nil {
		return nil, usageError{err}
	}
	return found, nil
}

func (a *app) oneExercise(name string) (exercise.Exercise, error) {
	found, err := a.exercises(name)
	if err == nil && len(found) != 1 {
		err = usageError{fmt.Errorf("%q is a chapter; say which of its exercises, such as %s", name, found[0].ID)}
	}
	if err != nil {
		return exercise.Exercise{}, err
	}
	return found[0], nil
}

// runner tests with the lab's cluster if it runs. Without one, what needs it is not run, and is said not to be.
func (a *app) runner(ctx context.Context) exercise.Runner {
	r := exercise.Runner{Root: a.root, Go: a.goCmd, Exec: runGroup, Cluster: kubeconfigForTests}
	if os.Getenv(kubeconfigForTests) == "" {
		if ready, _ := a.status(ctx); ready {
			r.Env = []string{kubeconfigForTests + "=" + a.kubeconfig()}
		}
	}
	return r
}

// checked checks, and shows on a terminal that it does: the first time, client-go is compiled.
func (a *app) checked(ctx context.Context, exercises []exercise.Exercise) ([]exercise.Result, error) {
	p := newProgress(a.err)
	p.set("Testing")
	long := time.AfterFunc(6*time.Second, func() { p.set("Testing (the first time, client-go is compiled)") })
	defer long.Stop()
	defer p.every(time.Minute)()
	return a.runner(ctx).Check(ctx, exercises)
}

func (a *app) check(ctx context.Context, name string, asJSON bool) error {
	found, err := a.exercises(name)
	if err != nil {
		return err
	}
	results, err := a.checked(ctx, found)
	if err != nil {
		return err
	}
	code := 0
	for _, r := range results {
		switch {
		case r.State == exercise.Fails:
			code = 1
		case r.State == exercise.NotStarted && code == 0:
			code = exitNotSolved
		}
	}
	if asJSON {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		if err := e.Encode(results); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			a.show(r)
		}
		a.showNext(results)
	}
	if code != 0 {
		return exitError(code)
	}
	return nil
}

// show prints one result: a line, and below it why it fails.
func (a *app) show(r exercise.Result) {
	where := ""
	if r.State == exercise.Fails && r.Steps > 1 && r.Step > 0 {
		where = fmt.Sprintf(" at step %d of %d", r.Step, r.Steps)
	}
	fmt.Fprintf(a.out, "%-12s %-20s %s\n", r.ID, string(r.State)+where, r.File)
	if r.Message != "" {
		fmt.Fprintln(a.out, "\n    "+strings.ReplaceAll(r.Message, "\n", "\n    ")+"\n")
	}
	if r.NotRun > 0 {
		fmt.Fprintf(a.out, "    (%d of its tests not run: it needs the lab's cluster, go run ./lab up)\n", r.NotRun)
	}
}

// showNext says what to do now.
func (a *app) showNext(results []exercise.Result) {
	solved := 0
	var next *exercise.Result
	for i, r := range results {
		switch {
		case r.State == exercise.Solved:
			solved++
		case next == nil || next.State == exercise.NotStarted && r.State == exercise.Fails: // finish what is begun
			next = &results[i]
		}
	}
	fmt.Fprintf(a.out, "%d of %d solved.", solved, len(results))
	switch {
	case next == nil:
		last := results[len(results)-1].ID
		fmt.Fprintf(a.out, " Compare with ours: go run ./lab solution %s\n", last)
		if file := a.fileAfter(last); file != "" {
			fmt.Fprintf(a.out, "The next one in the course: %s\n", file)
		}
	case next.State == exercise.NotStarted:
		fmt.Fprintf(a.out, " Next: edit %s\n", next.File)
	default:
		fmt.Fprintf(a.out, " Stuck? go run ./lab hint %s\n", next.ID)
	}
}

// fileAfter is the file of the exercise behind id in the course; "" when there is none. Whether that one is begun or solved
// already only its tests would tell.
func (a *app) fileAfter(id string) string {
	all, err := exercise.All(a.root)
	if err != nil {
		return "" // it is only advice
	}
	behind := slices.IndexFunc(all, func(e exercise.Exercise) bool { return e.ID == id }) + 1
	if behind == len(all) {
		return ""
	}
	return all[behind].File()
}

// hint prints the hints that were asked for so far and one more. How many that are is kept in the cache: it is no
// progress, and losing it does no harm.
func (a *app) hint(name string, number []string) error {
	e, err := a.oneExercise(name)
	if err != nil {
		return err
	}
	hints, err := e.Hints()
	if err != nil {
		return err
	}
	if len(number) > 0 {
		n, err := strconv.Atoi(number[0])
		if err != nil || n < 1 || n > len(hints) {
			return usageError{fmt.Errorf("there is no hint %q; %s has hints 1 to %d", number[0], e.ID, len(hints))}
		}
		a.printHints(hints, n-1, n)
		return nil
	}
	asked := a.hintsAsked()
	asked[e.ID] = min(max(asked[e.ID], 0)+1, len(hints))
	a.printHints(hints, 0, asked[e.ID])
	if asked[e.ID] < len(hints) {
		fmt.Fprintln(a.out, "Ask again for more.")
	} else {
		fmt.Fprintln(a.out, "That was the last one. Our solution: go run ./lab solution", e.ID)
	}
	return a.rememberHints(asked)
}

func (a *app) printHints(hints []string, from, to int) {
	for i := from; i < to; i++ {
		fmt.Fprintf(a.out, "Hint %d of %d\n    %s\n\n", i+1, len(hints), strings.ReplaceAll(hints[i], "\n", "\n    "))
	}
}

// hintsAsked is how many hints were asked for, by exercise.
func (a *app) hintsAsked() map[string]int {
	asked := map[string]int{}
	if data, err := os.ReadFile(filepath.Join(a.cache, "hints.json")); err == nil && json.Unmarshal(data, &asked) != nil {
		return map[string]int{}
	}
	return asked
}

func (a *app) rememberHints(asked map[string]int) error {
	data, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.cache, 0o755); err != nil {
		return a.cacheError(err)
	}
	if err := os.WriteFile(filepath.Join(a.cache, "hints.json"), data, 0o644); err != nil {
		return a.cacheError(err)
	}
	return nil
}

func (a *app) solution(ctx context.Context, name string, yes bool) error {
	e, err := a.oneExercise(name)
	if err != nil {
		return err
	}
	ours, err := e.Solution()
	if err != nil {
		return err
	}
	if !yes {
		results, err := a.checked(ctx, []exercise.Exercise{e})
		if err != nil {
			return err
		}
		if results[0].State != exercise.Solved {
			unsolved := fmt.Sprintf("%s is not solved yet", e.ID)
			if !isTerminal(a.in) {
				return fmt.Errorf("%s, and nobody is there to ask: say --yes to see the solution all the same", unsolved)
			}
			fmt.Fprintf(a.err, "%s. Show the solution all the same? [y/N] ", unsolved)
			answer := a.answer(ctx)
			if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
				fmt.Fprintf(a.err, "A hint, then? go run ./lab hint %s\n", e.ID)
				return ctx.Err()
			}
		}
	}
	text, err := os.ReadFile(e.Path())
	if err != nil {
		return err
	}
	diff := exercise.Diff(string(text), ours)
	if diff == "" {
		fmt.Fprintln(a.out, "Yours is ours, word for word.")
		return nil
	}
	fmt.Fprintf(a.out, "- %s, yours\n+ ours\n\n%s", e.File(), diff)
	return nil
}

// answer reads a line, "" when ctx ends first.
func (a *app) answer(ctx context.Context) string {
	read := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(a.in).ReadString('\n') // the end of the input is an empty answer
		read <- strings.TrimSpace(text)
	}()
	select {
	case <-ctx.Done():
		return ""
	case text := <-read:
		return text
	}
}

func (a *app) reset(name string) error {
	e, err := a.oneExercise(name)
	if err != nil {
		return err
	}
	backup := filepath.Join(a.cache, "backups", strings.ReplaceAll(e.ID, "/", "-")+time.Now().Format("-20060102-150405.000000")+".go")
	changed, err := e.Reset(backup)
	switch {
	case err != nil:
		return err
	case !changed:
		fmt.Fprintf(a.out, "%s is as it was given; nothing to do.\n", e.File())
	case exists(backup):
		fmt.Fprintf(a.out, "%s is as it was given. What you had: %s\n", e.File(), backup)
	default:
		fmt.Fprintf(a.out, "%s is there again, as it was given.\n", e.File())
	}
	asked := a.hintsAsked()
	if asked[e.ID] == 0 {
		return nil
	}
	delete(asked, e.ID)
	return a.rememberHints(asked)
}

// showExercises prints where the learner stands, and the next thing to do. It has to be quick and true: an untouched
// file is known at a glance. For the others the tests run, which takes a second when go has their results at hand; they
// are not waited for longer.
func (a *app) showExercises(ctx context.Context) {
	all, err := exercise.All(a.root)
	if err != nil || len(all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	results, err := a.runner(ctx).Check(ctx, all)
	fmt.Fprint(a.out, "\nExercises\n  ")
	if err != nil {
		untouched := 0
		for _, e := range all {
			if is, err := e.Untouched(); err == nil && is {
				untouched++
			}
		}
		fmt.Fprintf(a.out, "%d of %d begun; go run ./lab check says which are solved\n", len(all)-untouched, len(all))
		return
	}
	a.showNext(results)
}

func (a *app) renderExercises() error {
	all, err := a.exercises("")
	if err != nil {
		return err
	}
	changed, err := exercise.RenderAll(all)
	for _, name := range changed {
		fmt.Fprintln(a.out, "wrote", name)
	}
	if err == nil && len(changed) == 0 {
		fmt.Fprintln(a.out, "Every file is up to date.")
	}
	return err
}

// testExercises is the part of `lab test` that proves the exercises, with a throw-away cluster in env if one is up.
// Whoever solves exercises has files that are not what the author rendered. That is no failure, but CI sets CI.
func (t *testRun) testExercises(ctx context.Context, env []string) {
	if found, err := exercise.All(t.root); t.run != "" || err == nil && len(found) == 0 {
		return
	}
	r := exercise.Runner{Root: t.root, Go: t.goCmd, Exec: runGroup, Env: env}
	if !t.cluster {
		r.Cluster = kubeconfigForTests
	}
	t.check(ctx, "exercises", func(ctx context.Context) (string, error) { return t.verifyExercises(ctx, "", r, os.Getenv("CI") != "") })
}

// verifyExercises proves the exercises and says what is wrong with them. strict says that files which differ from
// what the author rendered are wrong; otherwise that part was not run.
func (a *app) verifyExercises(ctx context.Context, name string, r exercise.Runner, strict bool) (string, error) {
	found, err := a.exercises(name)
	if err != nil {
		return "", err
	}
	proof, err := r.Verify(ctx, found)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, problem := range proof.Problems {
		fmt.Fprintln(&out, problem)
	}
	for _, file := range proof.Edited {
		fmt.Fprintf(&out, "%s is not what its solution renders to; authors: go run ./lab exercises render; learners: that is as it should be\n", file)
	}
	for _, test := range proof.NotRun {
		fmt.Fprintf(&out, "not run, it needs the lab's cluster (go run ./lab up): %s\n", test)
	}
	switch problems := len(proof.Problems); {
	case problems > 0 || strict && len(proof.Edited) > 0:
		return out.String(), fmt.Errorf("%d problems", problems+len(proof.Edited))
	case len(proof.Edited) > 0:
		return out.String(), errNotRun{fmt.Errorf("the files that you edited were not compared with their solutions: %s", strings.Join(proof.Edited, ", "))}
	}
	fmt.Fprintf(&out, "%d exercises hold: %d variants of their files were tested.\n", len(found), proof.Variants)
	return out.String(), nil
}
