package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows what long work is doing: one line rewritten in place on a terminal, a plain line now and then elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time

	mu    sync.Mutex
	start time.Time
	text  string
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, terminal: isTerminal(w), now: time.Now, start: time.Now()}
}

func (p *progress) set(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = fmt.Sprintf(format, args...)
}

// draw writes the line. Text that would wrap is cut: a wrapped line cannot be rewritten in place.
func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text == "" {
		return
	}
	elapsed := fmt.Sprintf(", %s", p.now().Sub(p.start).Round(time.Second))
	if !p.terminal {
		fmt.Fprintf(p.w, "%s%s\n", p.text, elapsed)
		return
	}
	text := p.text
	if most := 79 - len(elapsed); len(text) > most {
		text = text[:most]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s%s", text, elapsed)
}

// every redraws until the returned function is called, which removes the line from a terminal. plain is the interval
// where each drawing is a line of its own.
func (p *progress) every(plain time.Duration) (stop func()) {
	interval := plain
	if p.terminal {
		interval = 250 * time.Millisecond
	}
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.draw()
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-gone
		if p.terminal {
			fmt.Fprint(p.w, "\r\x1b[K")
		}
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// above returns a writer of lines to w for what speaks while a progress line is on it: each takes the place of that line,
// which is drawn again below.
func above(w io.Writer) io.Writer {
	clear := ""
	if isTerminal(w) {
		clear = "\r\x1b[K"
	}
	return &lineWriter{line: func(s string) { fmt.Fprintf(w, "%s%s\n", clear, s) }}
}

// lineWriter calls line for every whole line written to it.
type lineWriter struct {
	line func(string)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		before, after, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.line(string(before))
		w.rest = after
	}
}

// goOutput reads what the go command says while it works: modules it downloads, packages it compiles, and the rest,
// which is kept because it explains a failure.
type goOutput struct {
	label      string
	progress   *progress
	total      int             // packages in the program
	stale      map[string]bool // those that must be compiled; an entry goes when go names it
	done       int             // those that are compiled, or were before
	downloaded int
	rest       strings.Builder
}

func (o *goOutput) line(s string) {
	switch {
	case strings.HasPrefix(s, "go: downloading "):
		o.downloaded++
		o.progress.set("Downloading Go modules (once): %d, %s", o.downloaded, strings.TrimPrefix(s, "go: downloading "))
	case o.stale[s]:
		delete(o.stale, s)
		o.done++
		o.count()
	default:
		o.rest.WriteString(s + "\n")
	}
}

// count shows how much is compiled. The program's own package always counts as stale, and takes no time.
func (o *goOutput) count() {
	if len(o.stale) > 1 {
		o.progress.set("Building %s: %d/%d packages", o.label, o.done, o.total)
	} else {
		o.progress.set("Linking %s", o.label)
	}
}
