package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A trace collects what happens to each key, in order. Keys are looked at one by one: between two of them there is no order
// when three workers run.
type trace struct {
	mu      sync.Mutex
	events  map[string][]string
	printed map[string]int
	changed chan struct{} // closed, and replaced, at every note
}

func newTrace() *trace {
	return &trace{events: map[string][]string{}, printed: map[string]int{}, changed: make(chan struct{})}
}

func (t *trace) note(key, event string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events[key] = append(t.events[key], strings.TrimSpace(event))
	close(t.changed)
	t.changed = make(chan struct{})
}

// count says how often something has happened to a key.
func (t *trace) count(key, event string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, e := range t.events[key] {
		if e == event {
			n++
		}
	}
	return n
}

// until waits until a condition holds. It looks again whenever something is noted.
func (t *trace) until(ctx context.Context, what string, holds func(*trace) bool) error {
	for {
		t.mu.Lock()
		changed := t.changed // taken before looking: nothing is missed in between
		t.mu.Unlock()
		if holds(t) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (so far: %v)", what, context.Cause(ctx), t.all())
		}
	}
}

func (t *trace) all() map[string][]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.events)
}

// print prints what has happened since it was last printed, a line for each key.
func (t *trace) print(out io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(t.events)) {
		if news := t.events[key][t.printed[key]:]; len(news) > 0 {
			fmt.Fprintf(out, "%-6s %s\n", key, strings.Join(news, ", "))
		}
		t.printed[key] = len(t.events[key])
	}
}
