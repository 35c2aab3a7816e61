package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/diff"
)

// blockTime is the longest that one block may take.
const blockTime = 5 * time.Minute

// command is one command of a console block and the output that the README shows under it.
type command struct{ shell, want string }

// commands reads a console block: "$ " begins a command, "> " goes on with it, everything else is output.
func commands(text string) ([]command, error) {
	var found []command
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			line += "\n"
		}
		shell, isCommand := strings.CutPrefix(line, "$ ")
		more, goesOn := strings.CutPrefix(line, "> ")
		switch {
		case isCommand:
			found = append(found, command{shell: shell})
		case len(found) == 0:
			return nil, errors.New(`a console block begins with a command: "$ ..."`)
		case goesOn && found[len(found)-1].want == "":
			found[len(found)-1].shell += more
		default:
			found[len(found)-1].want += line
		}
	}
	if len(found) == 0 {
		return nil, errors.New("an empty console block")
	}
	return found, nil
}

// run runs a block's commands in one shell and returns what each of them printed, on stdout and stderr. Every block
// begins in the repository; a cd holds to its end. The first command that fails ends the shell.
func (h *home) run(ctx context.Context, root string, cmds []command) (outputs []string, exit int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, blockTime, fmt.Errorf("not done after %s", blockTime))
	defer cancel()
	script := ""
	for _, c := range cmds {
		script += "printf '\\0'\n" + c.shell // a byte that no program prints comes before each output
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = root, h.env, &out, &out
	// A group of its own, so that the end of ctx reaches everything the shell has started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 4 * time.Second // lab waits 8 s for us, and the cluster has to go down, too
	err = cmd.Run()
	if ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what did not leave in time
		err = fmt.Errorf("%w; so far it printed:\n%s", context.Cause(ctx), out.String())
	}
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		exit, err = failed.ExitCode(), nil
	}
	return strings.Split(out.String(), "\x00")[1:], exit, err
}

// checkConsole runs a console block, compares what it printed and returns what is wrong. It sets b.fixed.
func (h *home) checkConsole(ctx context.Context, root string, b *block) (string, error) {
	cmds, err := commands(b.text)
	if err != nil {
		return err.Error(), nil
	}
	wantExit := 0
	if s := b.attrs["exit"]; s != "" {
		if wantExit, err = strconv.Atoi(s); err != nil {
			return fmt.Sprintf("exit=%q is no number", s), nil
		}
	}
	outputs, exit, err := h.run(ctx, root, cmds)
	if err != nil || len(outputs) == 0 {
		return "", fmt.Errorf("run %q: %w", strings.TrimSpace(cmds[max(len(outputs)-1, 0)].shell), err)
	}
	last := strings.TrimSpace(cmds[len(outputs)-1].shell)
	if exit != wantExit || len(outputs) < len(cmds) {
		return fmt.Sprintf("%q ended with exit code %d, not %d, and printed:\n%s", last, exit, wantExit, outputs[len(outputs)-1]), nil
	}
	var fixed, problems strings.Builder
	for i, c := range cmds {
		// A shell shows the second line of a command behind another prompt.
		fixed.WriteString("$ " + strings.ReplaceAll(strings.TrimSuffix(c.shell, "\n"), "\n", "\n> ") + "\n")
		got := outputs[i]
		if got != "" && !strings.HasSuffix(got, "\n") {
			got += "\n"
		}
		got = withoutProgress(got)
		want, is := normal(c.want, h.dir), normal(got, h.dir)
		if want == is { // the README keeps the values that it has
			fixed.WriteString(c.want)
			continue
		}
		fixed.WriteString(atHome(got, h.dir))
		fmt.Fprintf(&problems, "%q printed something else:\n%s", strings.TrimSpace(c.shell),
			diff.Diff("the README", []byte(want), "the command", []byte(is)))
	}
	if problems.Len() == 0 {
		return "", nil
	}
	b.fixed = fixed.String()
	return problems.String() + "If the new output is right: " + mend, nil
}

// checkShell runs an sh block, which shows no output.
func (h *home) checkShell(ctx context.Context, root string, b *block) (string, error) {
	outputs, exit, err := h.run(ctx, root, []command{{shell: b.text}})
	if err != nil {
		return "", fmt.Errorf("run %q: %w", strings.TrimSpace(b.text), err)
	}
	if exit != 0 {
		return fmt.Sprintf("it ended with exit code %d and printed:\n%s", exit, strings.Join(outputs, "")), nil
	}
	return "", nil
}
