package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) docsCommand() *cobra.Command {
	docs := &cobra.Command{
		Use:   "docs [FILE...]",
		Short: "For authors: compare the READMEs with the code and with what their commands print",
		Long: `Check README.md, the lessons and docs/: every Go block against the code, every console block by running it on a
fresh cluster of its own, links, names, spelling, diagrams. docs/writing.md explains the notation.`,
		Example: `  go run ./lab docs
  go run ./lab docs --fix                            write today's code and output into the documents
  go run ./lab docs 01-restclient/README.md
  go run ./lab docs --no-run                         everything but the commands, in a second`,
		RunE: func(cmd *cobra.Command, files []string) error {
			return a.docs(cmd.Context(), passed(cmd, "docs")[1:], files)
		},
	}
	docs.Flags().Bool("fix", false, "write code and output into the documents")
	docs.Flags().Bool("no-run", false, "run no commands")
	return docs
}

// docs runs the checker. It is a program of the module in tools: what it is made of would make lab slow to compile, and
// learners do not need it.
func (a *app) docs(ctx context.Context, flags, files []string) error {
	var binary string
	if !hasFlag(flags, "no-run") {
		var err error
		if binary, err = a.binary(ctx); err != nil {
			return err
		}
	}
	cmd := exec.Command(a.goCmd, append(a.docsArgs(binary), append(flags, files...)...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = a.root, a.out, a.err
	return childError(ctx, runGroup(ctx, cmd), "docs")
}

func (a *app) docsArgs(binary string) []string {
	return []string{"run", "-C", "tools", "./docs", "--root", a.root, "--binary", binary}
}

// docs is the part of `lab test` that checks the documents, after the checker's own tests. readmes is what startREADMEs
// returned.
func (t *testRun) docs(ctx context.Context, readmes *background) {
	t.goTest(ctx, "go test tools", filepath.Join(t.root, "tools"), t.env, nil, "./...")
	if t.run != "" {
		t.notRun = append(t.notRun, "READMEs: leave out --run")
		return
	}
	var counts string
	t.checkSince(ctx, "READMEs", readmes.began, func(context.Context) (string, error) {
		out, err := readmes.wait()
		for line := range strings.Lines(out) {
			line = strings.TrimSpace(line)
			if reason, found := strings.CutPrefix(line, "not run: "); found {
				t.notRun = append(t.notRun, reason)
			} else if err == nil {
				counts = line // the last one says how much was checked
			}
		}
		return out, err
	})
	if counts != "" {
		fmt.Fprintln(t.out, "     ", counts)
	}
}

// startREADMEs begins to check the documents. Their commands have a cluster of their own, and mostly wait, so that other
// checks can run meanwhile.
func (t *testRun) startREADMEs(ctx context.Context) *background {
	return inBackground(func() (string, error) {
		switch {
		case t.run != "":
			return "", nil
		case !t.cluster:
			return "", errors.New("the cluster does not start, see above")
		}
		binary, err := t.binary(ctx)
		if err != nil {
			return "", err
		}
		return t.tool(ctx, t.root, nil, t.goCmd, t.docsArgs(binary)...)
	})
}

// background is a check that runs beside others.
type background struct {
	began time.Time
	wait  func() (output string, err error) // waits until it has ended
}

func inBackground(f func() (string, error)) *background {
	run := sync.OnceValues(f)
	go run()
	return &background{time.Now(), run}
}
