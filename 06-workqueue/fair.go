package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
)

// fair gives a queue an order of its own: what a user has just changed comes before what is only looked at again.
func fair(ctx context.Context, out io.Writer) error {
	fmt.Fprint(out, legend)
	for _, example := range []struct {
		what  string
		order *byUrgency
	}{
		{"first in, first out: five keys of a resync, then a user's changes", nil},
		{"urgent keys first: the others starve for as long as users are busy", &byUrgency{}},
		{"after two urgent keys in a row, one of the others", &byUrgency{patience: 2}},
	} {
		fmt.Fprintln(out, "--", example.what)
		s := scene{columns: 36, at: busyDay(example.order)}
		if example.order != nil { // a nil *byUrgency in an interface would not be nil
			s.order = example.order
		}
		if err := play(ctx, out, s); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "-- an old key becomes urgent while it waits: Touch")
	order := &byUrgency{}
	return play(ctx, out, scene{columns: 20, order: order, at: map[int]func(keyQueue){
		0: func(queue keyQueue) {
			for i := range 5 {
				queue.Add(fmt.Sprintf("old-%d", i+1))
			}
		},
		3: func(queue keyQueue) { order.hurry("old-4"); queue.Add("old-4") },
	}})
}

// busyDay is a resync at the beginning, and a user who changes something every two columns, as fast as the worker works.
func busyDay(order *byUrgency) map[int]func(keyQueue) {
	day := map[int]func(keyQueue){0: func(queue keyQueue) {
		for i := range 5 {
			queue.Add(fmt.Sprintf("old-%d", i+1))
		}
	}}
	for i := range 8 {
		day[3+2*i] = func(queue keyQueue) {
			key := fmt.Sprintf("user-%d", i%2+1)
			if order != nil {
				order.hurry(key)
			}
			queue.Add(key)
		}
	}
	return day
}

// byUrgency is a workqueue.Queue: it decides the order, and nothing else. The workqueue around it keeps a key from being in
// it twice, or at two workers, and calls it under a lock. What is urgent does not belong into the key: a key {tea, urgent}
// and a key {tea, not urgent} are two keys, and two workers would make the same tea.
type byUrgency struct {
	patience int // after so many urgent keys one of the others has its turn; 0 is never

	mu     sync.Mutex // for marked: hurry is called from handlers, without the workqueue's lock
	marked map[string]bool
	urgent []string
	others []string
	inARow int
}

// hurry marks a key as urgent. Call it before Add. The mark is used up when the key is handed out; a retry is not urgent.
func (b *byUrgency) hurry(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.marked == nil {
		b.marked = map[string]bool{}
	}
	b.marked[key] = true
}

// Push takes a key that is not in the queue.
func (b *byUrgency) Push(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.marked[key] {
		b.urgent = append(b.urgent, key)
	} else {
		b.others = append(b.others, key)
	}
}

// Touch hears of an Add of a key that is in the queue: time to move it.
func (b *byUrgency) Touch(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.others, key); i >= 0 && b.marked[key] {
		b.others = slices.Delete(b.others, i, i+1)
		b.urgent = append(b.urgent, key)
	}
}

// Len counts both.
func (b *byUrgency) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.urgent) + len(b.others)
}

// Pop chooses. It is only called when there is something.
func (b *byUrgency) Pop() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := &b.urgent
	enough := b.patience > 0 && b.inARow >= b.patience
	if len(b.urgent) == 0 || enough && len(b.others) > 0 {
		from = &b.others
		b.inARow = 0
	} else {
		b.inARow++
	}
	key := (*from)[0]
	*from = (*from)[1:]
	delete(b.marked, key)
	return key
}
