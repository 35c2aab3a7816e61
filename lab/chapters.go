package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// chapter is a directory NN-name with a program in it.
type chapter struct {
	dir     string // its name, "01-restclient"
	number  int
	about   string // the first line of the program's doc comment
	program string // where lab keeps the built program
}

func (a *app) chapters() ([]chapter, error) {
	var found []chapter
	for _, path := range glob(a.root, "[0-9][0-9]-*/main.go") {
		name := filepath.Base(filepath.Dir(path))
		number, err := strconv.Atoi(name[:2])
		if err != nil {
			return nil, fmt.Errorf("chapter %s: %w", name, err)
		}
		c := chapter{dir: name, number: number, program: filepath.Join(a.cache, "chapters", name)}
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("chapter %s: %w", name, err)
		}
		firstLine, _, _ := strings.Cut(string(source), "\n")
		c.about = strings.TrimPrefix(firstLine, "// ")
		found = append(found, c)
	}
	return found, nil
}

// chapter finds a chapter by what people type: 1, 01, 01-restclient, 01-restclient/, restclient.
func (a *app) chapter(name string) (chapter, error) {
	all, err := a.chapters()
	if err != nil {
		return chapter{}, err
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
	number, err := strconv.Atoi(name)
	for _, c := range all {
		if c.dir == name || c.dir[3:] == name || err == nil && c.number == number {
			return c, nil
		}
	}
	var names []string
	for _, c := range all {
		names = append(names, c.dir)
	}
	return chapter{}, usageError{fmt.Errorf("there is no chapter %q; the chapters are: %s", name, strings.Join(names, ", "))}
}

func (a *app) buildChapter(ctx context.Context, c chapter) error {
	if err := os.MkdirAll(filepath.Dir(c.program), 0o755); err != nil {
		return a.cacheError(err)
	}
	return a.build(ctx, target{label: c.dir, dir: filepath.Join(a.root, c.dir), out: c.program})
}

// upAndBuild starts the cluster unless it is ready, and builds the chapter meanwhile. It prints on stderr only: stdout
// belongs to the chapter.
func (a *app) upAndBuild(ctx context.Context, c chapter) error {
	if ready, _ := a.status(ctx); ready {
		return a.buildChapter(ctx, c)
	}
	t, bin, err := a.binaryPath(ctx)
	if err != nil {
		return err
	}
	if !exists(bin) {
		// The first time. What the chapter is made of the cluster needs, too; while that is compiled, the rest can come.
		fmt.Fprintf(a.err, "The first time, client-go and a whole Kubernetes are downloaded and compiled: about %.0f min here.\n", minutes(allPackages))
		defer a.downloadModules(ctx, t)()
		if err := a.buildChapter(ctx, c); err != nil {
			return err
		}
		if _, err := a.binary(ctx); err != nil {
			return err
		}
	}
	beside, started := *a, make(chan error, 1)
	beside.err = above(a.err)
	go func() { started <- beside.clusterCommand(ctx, bin, beside.err, "up") }()
	err = a.buildChapter(ctx, c)
	if upErr := <-started; upErr != nil {
		// up also fails when the cluster runs and only the learner's kubeconfig cannot be changed: no chapter needs that.
		if ready, _ := a.status(ctx); !ready {
			return upErr
		}
	}
	return err
}

// downloadModules begins to download what t needs. If that fails, the build will say why.
func (a *app) downloadModules(ctx context.Context, t target) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = a.runGo(ctx, t, &goOutput{progress: newProgress(io.Discard)}, nil, "list", "-deps", ".")
	}()
	return func() { cancel(); <-gone }
}

// runChapter becomes the chapter's program: its output, its exit code, its Ctrl-C. `go run` would turn every exit code
// into 1. go links nothing when the program in the cache is up to date.
func (a *app) runChapter(ctx context.Context, name string, args []string) error {
	c, err := a.chapter(name)
	if err != nil {
		return err
	}
	env, prepare := os.Environ(), a.buildChapter
	// -h needs no cluster, and with the other flags the learner has chosen one.
	if !hasFlag(args, "h", "help", "kubeconfig", "context") {
		env, prepare = append(env, "KUBECONFIG="+a.kubeconfig()), a.upAndBuild
	}
	if err := prepare(ctx, c); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return replaceProcess(c.program, args, env)
}

// hasFlag says whether args name one of these flags, in any of the forms that package flag takes.
func hasFlag(args []string, names ...string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		if !strings.HasPrefix(arg, "-") {
			return false
		}
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return slices.Contains(names, name)
	})
}

// cleanUp is longer than a chapter takes, after Ctrl-C, to delete what it made.
const cleanUp = 3 * time.Minute

// tour runs every step of the chapters, in order, and stops at the first that fails.
func (a *app) tour(ctx context.Context, names []string, pause bool) error {
	todo, err := a.chapters()
	if err != nil {
		return err
	}
	if len(names) > 0 {
		todo = nil
		for _, name := range names {
			c, err := a.chapter(name)
			if err != nil {
				return err
			}
			todo = append(todo, c)
		}
	}
	if len(todo) == 0 {
		return errors.New("found no chapter: the clone is not complete")
	}
	if err := a.upAndBuild(ctx, todo[0]); err != nil {
		return err
	}
	start, lines := time.Now(), bufio.NewReader(a.in)
	for i, c := range todo {
		if pause && i > 0 {
			fmt.Fprintf(a.err, "\nEnter for %s, Ctrl-C to stop: ", c.dir)
			if err := waitForEnter(ctx, lines); err != nil {
				fmt.Fprint(a.err, "\nTo go on from here: go run ./lab tour")
				for _, c := range todo[i:] {
					fmt.Fprint(a.err, " ", c.dir[:2])
				}
				fmt.Fprintln(a.err)
				return err
			}
		}
		fmt.Fprintf(a.out, "\n######## %s  %s\n\n", c.dir, c.about)
		if i > 0 {
			if err := a.buildChapter(ctx, c); err != nil {
				return err
			}
		}
		cmd := exec.Command(c.program, "all")
		cmd.Dir, cmd.Stdout, cmd.Stderr = a.root, a.out, a.err
		cmd.Env = append(os.Environ(), "KUBECONFIG="+a.kubeconfig())
		if err := runGroupFor(ctx, cmd, cleanUp); err != nil {
			return fmt.Errorf("the tour stops at %s: %w; its message is above; to try it alone: go run ./lab run %s all", c.dir, err, c.dir[:2])
		}
	}
	fmt.Fprintf(a.out, "\nThe tour is over: %d of %d chapters, %s.\n", len(todo), len(todo), time.Since(start).Round(time.Second))
	return nil
}

// waitForEnter reads a line, and gives up when ctx ends; the reader is then left behind, which is fine in a program
// that is about to exit.
func waitForEnter(ctx context.Context, lines *bufio.Reader) error {
	read := make(chan struct{})
	go func() {
		lines.ReadString('\n') // at its end, nobody is there to press Enter: go on
		close(read)
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-read:
		return nil
	}
}
