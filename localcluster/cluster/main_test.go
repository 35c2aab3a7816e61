package cluster

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets this test binary play the components of a cluster: as their supervisor, or as a component that notes
// when it starts and ends.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "component" {
		if err := play(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func play(name string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := DefaultState()
	if err != nil {
		return err
	}
	if name == "supervisor" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if err := note(s, "start supervisor"); err != nil {
			return err
		}
		return Supervise(ctx, s, self)
	}
	DieWithParent()
	if err := note(s, "start "+name); err != nil {
		return err
	}
	if _, err := os.Stat(s.File("crash-" + name)); err == nil {
		return fmt.Errorf("%s was told to crash", name)
	}
	<-ctx.Done()
	return note(s, "end "+name)
}

// note appends a line to the events of a played cluster, with the process id of who writes it.
func note(s State, event string) error {
	f, err := os.OpenFile(s.File("events"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f, "%s %d\n", event, os.Getpid()); err != nil {
		return err
	}
	return f.Close()
}

// events are the lines that were noted, without process ids.
func events(t *testing.T, s State) []string {
	t.Helper()
	f, err := os.Open(s.File("events"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	var all []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		all = append(all, lines.Text()[:strings.LastIndex(lines.Text(), " ")])
	}
	return all
}

func newState(t *testing.T) State {
	t.Helper()
	s := State{t.TempDir() + "/state"}
	require.NoError(t, s.prepare())
	return s
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 30*time.Second, 20*time.Millisecond, what)
}
