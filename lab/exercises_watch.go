package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"client-go-lab/internal/exercise"
)

const (
	settle = 100 * time.Millisecond // an editor saves in several steps: rename, create, write
	look   = time.Second            // how often the files are looked at, whatever the system says or does not say
)

// watch checks an exercise whenever its file is saved, until q or Ctrl-C. It never goes on to the next by itself: the
// learner saves whichever file the learner likes.
//
// The system's notifications only say when to look. The files are looked at every second, too, because on some file
// systems (NFS, some mounts in WSL and containers) there are no notifications and no error either.
func (a *app) watch(ctx context.Context, name string) error {
	return a.watchWith(ctx, name, notifications)
}

type notifier func([]exercise.Exercise) (events <-chan struct{}, stop func(), err error)

func (a *app) watchWith(ctx context.Context, name string, notify notifier) error {
	found, err := a.exercises(name)
	if err != nil {
		return err
	}
	files := savedFiles{}
	files.changed(found) // before the first check: what is saved while that runs must be checked again
	results, err := a.checked(ctx, found)
	if err != nil {
		return err
	}
	for _, r := range results {
		a.show(r)
	}
	a.showNext(results)

	quit, restore := a.quitKey()
	defer restore()
	events, stop, err := notify(found)
	defer stop()
	blind := err != nil
	tellBlind := func(why string) {
		fmt.Fprintf(a.out, "%s; looking at the files every second instead.\n", why)
	}
	if blind {
		tellBlind(fmt.Sprintf("No notifications about saved files here (%v)", err))
	}
	fmt.Fprintln(a.out, "\nWatching. Save an exercise.go, and it is checked. q quits.")

	tick := time.NewTicker(look)
	defer tick.Stop()
	var (
		settled  <-chan time.Time
		notified bool // since the last look
		missed   bool // a save came without a notification; a late one may still come
		running  []exercise.Exercise
		cancel   = func() {}
		done     = make(chan checkDone)
		checks   sync.WaitGroup
	)
	defer func() { cancel(); checks.Wait() }() // its progress line goes, too
	start := func(changed []exercise.Exercise) {
		if len(changed) == 0 {
			return
		}
		cancel() // a newer save makes the running check worthless
		for _, e := range running {
			if !slices.Contains(changed, e) {
				changed = append(changed, e)
			}
		}
		running = changed
		var checkCtx context.Context
		checkCtx, cancel = context.WithCancel(ctx)
		checks.Go(func() {
			results, err := a.checked(checkCtx, changed)
			if checkCtx.Err() != nil {
				return
			}
			select {
			case done <- checkDone{results, err}:
			case <-checkCtx.Done():
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-quit:
			return nil
		case <-events:
			notified, missed = true, false
			settled = time.After(settle)
		case <-settled:
			start(files.changed(found))
		case <-tick.C:
			if missed && !blind {
				blind = true
				tellBlind("This file system says nothing about saved files")
			}
			if !notified || blind {
				changed := files.changed(found)
				missed = len(changed) > 0
				start(changed)
			}
			notified = false
		case d := <-done:
			running = nil
			if d.err != nil {
				return d.err
			}
			fmt.Fprintf(a.out, "\n-- %s\n", time.Now().Format(time.TimeOnly))
			for _, r := range d.results {
				a.show(r)
				if r.State == exercise.Solved {
					fmt.Fprintf(a.out, "Compare with ours: go run ./lab solution %s\n", r.ID)
				}
				i := slices.IndexFunc(results, func(old exercise.Result) bool { return old.ID == r.ID })
				results[i] = r
			}
			a.showNext(results)
		}
	}
}

type checkDone struct {
	results []exercise.Result
	err     error
}

// savedFiles remembers how the learner's files looked.
type savedFiles map[string]string

// changed returns the exercises whose files look different than before.
func (f savedFiles) changed(exercises []exercise.Exercise) (changed []exercise.Exercise) {
	for _, e := range exercises {
		looks := "missing"
		if st, err := os.Stat(e.Path()); err == nil {
			looks = fmt.Sprint(st.ModTime().UnixNano(), st.Size())
		}
		if f[e.ID] != looks {
			changed = append(changed, e)
		}
		f[e.ID] = looks
	}
	return changed
}

// notifications sends a value when something happens to a learner's file. The directories are watched, not the files:
// many editors save by renaming a new file over the old one.
func notifications(exercises []exercise.Exercise) (<-chan struct{}, func(), error) {
	stop := func() {}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, stop, err
	}
	stop = func() { w.Close() }
	for _, e := range exercises {
		if err := w.Add(filepath.Dir(e.Path())); err != nil {
			return nil, stop, err
		}
	}
	events := make(chan struct{}, 1)
	go func() {
		for event := range w.Events {
			if filepath.Base(event.Name) == "exercise.go" {
				select {
				case events <- struct{}{}:
				default:
				}
			}
		}
	}()
	go func() {
		for range w.Errors { // an overflow, for instance: the look every second finds what was missed
		}
	}()
	return events, stop, nil
}

// quitKey closes the channel when q is pressed. The terminal gives us keys without Enter until restore is called;
// where stty cannot do that, q and Enter quit.
func (a *app) quitKey() (quit <-chan struct{}, restore func()) {
	restore = func() {}
	if !isTerminal(a.in) {
		return nil, restore
	}
	stty := func(args ...string) (string, error) {
		cmd := exec.Command("stty", args...)
		cmd.Stdin = a.in
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	if before, err := stty("-g"); err == nil {
		if _, err := stty("-icanon", "-echo", "min", "1"); err == nil {
			restore = func() { stty(before) }
		}
	}
	pressed := make(chan struct{})
	go func() {
		key := make([]byte, 1)
		for {
			if _, err := a.in.Read(key); err != nil {
				return
			}
			if key[0] == 'q' || key[0] == 'Q' {
				close(pressed)
				return
			}
		}
	}()
	return pressed, restore
}
