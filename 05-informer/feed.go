package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// errNotSynced says what may be wrong. The informer itself tries for ever, and only logs why: here to a logger
// that is silent, see main.go.
var errNotSynced = errors.New("nothing in 30 s: does the server answer, is the kind there, and may you list and watch it? (kubectl auth can-i watch pods)")

// soon limits a wait for caches and handlers.
func soon(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, 30*time.Second, errNotSynced)
}

// feed takes lines from handlers, which run in goroutines of their own, to the step, which prints them in its own time.
type feed struct {
	ctx   context.Context // ends the waiting on both sides
	lines chan string
	limit time.Duration // of the wait for one line
}

func newFeed(ctx context.Context) *feed {
	return &feed{ctx: ctx, lines: make(chan string, 1000), limit: 30 * time.Second}
}

// say is for handlers. It does not hold the informer up, unless a thousand lines wait already.
func (f *feed) say(format string, args ...any) {
	select {
	case f.lines <- fmt.Sprintf(format, args...):
	case <-f.ctx.Done():
	}
}

// print prints the next n lines, and waits for them if they have not been said yet.
func (f *feed) print(out io.Writer, n int) error {
	for range n {
		line, err := f.next()
		if err != nil {
			return err
		}
		fmt.Fprintln(out, line)
	}
	return nil
}

// printSorted prints the next n lines, those with the prefix first: they come from two goroutines, in any order.
func (f *feed) printSorted(out io.Writer, n int, prefix string) error {
	var rest []string
	for range n {
		line, err := f.next()
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, prefix) {
			fmt.Fprintln(out, line)
		} else {
			rest = append(rest, line)
		}
	}
	for _, line := range rest {
		fmt.Fprintln(out, line)
	}
	return nil
}

func (f *feed) next() (string, error) {
	limit := time.NewTimer(f.limit)
	defer limit.Stop()
	select {
	case line := <-f.lines:
		return line, nil
	case <-limit.C:
		return "", fmt.Errorf("waited %s for a handler to be called, and it was not: does the API server still answer?", f.limit)
	case <-f.ctx.Done():
		return "", fmt.Errorf("wait for a handler to be called: %w", context.Cause(f.ctx))
	}
}
