package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/util/workqueue"
)

// dedup looks into a queue while keys are added again: while they wait, and while they are worked on.
func dedup(_ context.Context, out io.Writer) error {
	fmt.Fprintln(out, "-- added again while it waits")
	if err := addedWhileQueued(out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- added again while it is worked on")
	if err := addedWhileProcessing(out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- four workers, one key, a thousand changes")
	neverTwiceAtOnce(out)
	return nil
}

// table makes a function that prints a call and what is in the queue after it.
func table(q *workqueue.Typed[string], out io.Writer) func(call, note string) error {
	fmt.Fprintf(out, "%-16s %-11s %-11s %s\n", "", "queue", "dirty", "processing")
	return func(call, note string) error {
		in, err := peek(q)
		if note != "" {
			note = "   " + note
		}
		line := fmt.Sprintf("%-16s %-11s %-11s %-11s%s", call, list(in.queue), list(in.dirty), list(in.processing), note)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
		return err
	}
}

func addedWhileQueued(out io.Writer) error {
	queue := workqueue.NewTyped[string]()
	defer queue.ShutDown()
	row := table(queue, out)

	queue.Add("tea")
	queue.Add("eggs")
	if err := row("Add tea, eggs", "first in, first out"); err != nil {
		return err
	}
	queue.Add("tea")
	if err := row("Add tea", "nothing changes: it waits already"); err != nil {
		return err
	}
	key, _ := queue.Get()
	if err := row("Get: "+key, "out of dirty at the start of the work, not at its end"); err != nil {
		return err
	}
	queue.Done(key)
	return row("Done "+key, "")
}

func addedWhileProcessing(out io.Writer) error {
	queue := workqueue.NewTyped[string]()
	defer queue.ShutDown()
	row := table(queue, out)

	queue.Add("tea")
	key, _ := queue.Get()
	if err := row("Get: "+key, ""); err != nil {
		return err
	}
	queue.Add("tea")
	queue.Add("tea")
	if err := row("Add tea, tea", "dirty, but not in the queue: no other worker can get it"); err != nil {
		return err
	}
	queue.Done(key)
	if err := row("Done tea", "it was dirty: back into the queue, once"); err != nil {
		return err
	}
	key, _ = queue.Get()
	queue.Done(key)
	return row("Get, Done tea", "")
}

// neverTwiceAtOnce changes a value a thousand times, and lets four workers look at it.
func neverTwiceAtOnce(out io.Writer) {
	queue := workqueue.NewTyped[string]()
	var value, seen, at, most, runs atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				key, shutdown := queue.Get()
				if shutdown {
					return
				}
				if now := at.Add(1); now > most.Load() { // no two workers are ever here: see the output
					most.Store(now)
				}
				seen.Store(value.Load()) // what the value is now, not what it was at the Add
				runs.Add(1)
				at.Add(-1)
				queue.Done(key)
			}
		})
	}
	for i := range int64(1000) {
		value.Store(i + 1)
		queue.Add("tea") // after the change, never before
	}
	queue.ShutDown() // what waits is still handed out
	workers.Wait()
	fmt.Fprintf(out, "at once: %d; at most as many runs as changes: %t; the last run saw change %d\n",
		most.Load(), runs.Load() <= 1000, seen.Load())
}
