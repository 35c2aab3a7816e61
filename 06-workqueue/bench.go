package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// keyQueue is what the offline steps work with. Any comparable type can be a key; a real controller takes cache.ObjectName.
type keyQueue = workqueue.TypedRateLimitingInterface[string]

// A scene is what happens on a bench: when keys come in, how long the work takes, and what the worker does afterwards.
type scene struct {
	workers int                                                // how many there are; 0 is 1
	columns int                                                // how long to look, in columns of the drawing
	unit    time.Duration                                      // what a column stands for; 0 is 5 ms
	at      map[int]func(keyQueue)                             // what comes in at the beginning of a column
	work    func(key string, run int) (columns int, err error) // how long a key's run (0, 1, ...) takes, and how it ends; nil is 2 columns, fine
	finish  func(queue keyQueue, key string, err error)        // the end of the worker loop; nil is finishWell
	limiter workqueue.TypedRateLimiter[string]                 // nil is a backoff of 5 ms, 10 ms, 20 ms, ...
	order   workqueue.Queue[string]                            // nil is first in, first out
	metrics workqueue.MetricsProvider                          // nil is none
	settle  func(ctx context.Context, now time.Duration) error // is called when the clock has moved: waits for who else looks at it
}

// finishWell is what a worker does with the outcome of its work.
func finishWell(queue keyQueue, key string, err error) {
	defer queue.Done(key)
	if err != nil {
		queue.AddRateLimited(key)
		return
	}
	queue.Forget(key)
}

// legend explains the drawing.
const legend = `q in the queue    # at a worker, ! and added again meanwhile    o done, x failed
. waiting for its delay    ? handed out, at no worker, never given back
`

// A bench runs a queue by a clock that stands still until everybody has done what there is to do. So a timeline comes out
// the same every time. The queue is the real one, and so are its sets, which the bench draws.
type bench struct {
	scene
	clock   benchClock
	typed   *workqueue.Typed[string]
	queue   keyQueue
	added   chan string          // what was added below the delays
	pending map[string]time.Time // what waits for its delay
	jobs    []job                // one for each worker
	runs    map[string]int
	keys    []string // in the order of their coming
	lanes   map[string][]byte
	stuck   error
}

// benchClock tells when somebody has set a timer by it. Before that the clock must not move: a goroutine that has looked at
// the clock, and then sets a timer for the rest, would wait too long.
type benchClock struct {
	*clocktesting.FakeClock
	timers chan struct{}
}

func (c benchClock) NewTimer(d time.Duration) clock.Timer {
	timer := c.FakeClock.NewTimer(d)
	c.timers <- struct{}{}
	return timer
}

// job is what a worker has in its hands; no key, no job.
type job struct {
	key  string
	left int
	err  error
}

// newBench makes the queue out of its three layers. Each has a Clock of its own, and each a Name.
func newBench(s scene) *bench {
	if s.workers == 0 {
		s.workers = 1
	}
	if s.unit == 0 {
		s.unit = 5 * time.Millisecond
	}
	if s.work == nil {
		s.work = func(string, int) (int, error) { return 2, nil }
	}
	if s.finish == nil {
		s.finish = finishWell
	}
	if s.limiter == nil {
		s.limiter = workqueue.NewTypedItemExponentialFailureRateLimiter[string](5*time.Millisecond, 1000*time.Second)
	}
	b := &bench{
		scene: s, jobs: make([]job, s.workers),
		clock: benchClock{clocktesting.NewFakeClock(time.Unix(0, 0)), make(chan struct{}, 1000)},
		added: make(chan string, 1000), pending: map[string]time.Time{}, runs: map[string]int{}, lanes: map[string][]byte{},
	}
	b.typed = workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[string]{
		Name: "kitchen", Clock: b.clock, Queue: s.order, MetricsProvider: s.metrics,
	})
	delaying := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{
		Name: "kitchen", Clock: b.clock, Queue: seenAdds{b.typed, b.added}, MetricsProvider: s.metrics,
	})
	b.queue = workqueue.NewTypedRateLimitingQueueWithConfig(s.limiter, workqueue.TypedRateLimitingQueueConfig[string]{
		DelayingQueue: seenDelays{delaying, b},
	})
	return b
}

// seenAdds lets the bench see what is added, also by the goroutine that waits for delays.
type seenAdds struct {
	workqueue.TypedInterface[string]
	added chan<- string
}

func (s seenAdds) Add(key string) {
	s.TypedInterface.Add(key)
	s.added <- key
}

// seenDelays lets the bench see what is delayed. Of two delays for one key the sooner counts.
type seenDelays struct {
	workqueue.TypedDelayingInterface[string]
	bench *bench
}

func (s seenDelays) AddAfter(key string, delay time.Duration) {
	s.TypedDelayingInterface.AddAfter(key, delay)
	if delay <= 0 || s.ShuttingDown() {
		return
	}
	at := s.bench.clock.Now().Add(delay)
	if sooner, waits := s.bench.pending[key]; !waits || at.Before(sooner) {
		s.bench.pending[key] = at
	}
	s.bench.await("a timer for the delay", s.bench.clock.timers)
}

// await waits for one of the queue's goroutines.
func (b *bench) await(what string, told <-chan struct{}) {
	select {
	case <-told:
	case <-time.After(10 * time.Second):
		b.stuck = fmt.Errorf("wait for %s: this version of client-go works differently", what)
	}
}

// play runs a scene and draws it.
func play(ctx context.Context, out io.Writer, s scene) error {
	b := newBench(s)
	defer b.queue.ShutDown()
	if err := b.started(ctx); err != nil {
		return err
	}
	for column := range b.columns {
		b.finishJobs()
		if event := b.at[column]; event != nil {
			event(b.queue)
		}
		b.startJobs()
		if err := b.draw(column); err != nil {
			return err
		}
		if err := b.step(ctx); err != nil {
			return err
		}
		if b.settle != nil {
			if err := b.settle(ctx, time.Duration(column+1)*b.unit); err != nil {
				return err
			}
		}
	}
	b.print(out)
	return nil
}

// started waits until the queue's goroutines look at the clock: one for the delays, and one for the metrics if there are any.
func (b *bench) started(ctx context.Context) error {
	tickers := 1
	if b.metrics != nil {
		tickers = 2
	}
	err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		return b.clock.Waiters() >= tickers, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the queue's goroutines: %w", err)
	}
	return nil
}

func (b *bench) finishJobs() {
	for i := range b.jobs {
		if j := &b.jobs[i]; j.key != "" && j.left == 0 {
			b.finish(b.queue, j.key, j.err)
			*j = job{}
		}
	}
}

func (b *bench) startJobs() {
	for i := range b.jobs {
		if b.jobs[i].key != "" || b.queue.Len() == 0 {
			continue
		}
		key, shutdown := b.queue.Get() // does not wait: there is something in it, and nobody else takes it
		if shutdown {
			return
		}
		columns, err := b.work(key, b.runs[key])
		b.runs[key]++
		b.jobs[i] = job{key, columns, err}
	}
}

// step moves the clock by one column, and waits until what is due by then has come into the queue.
func (b *bench) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.jobs {
		b.jobs[i].left--
	}
	for len(b.added) > 0 {
		<-b.added
	}
	b.clock.Step(b.unit)
	due := map[string]bool{}
	for key, at := range b.pending {
		if !at.After(b.clock.Now()) {
			due[key] = true
			delete(b.pending, key)
		}
	}
	for len(due) > 0 && b.stuck == nil {
		select {
		case key := <-b.added:
			delete(due, key)
			if len(due) == 0 && len(b.pending) > 0 {
				b.await("a timer for the next delay", b.clock.timers)
			}
		case <-time.After(10 * time.Second):
			b.stuck = fmt.Errorf("wait for %v: this version of client-go works differently", due)
		}
	}
	return b.stuck
}

// draw adds a column to the drawing.
func (b *bench) draw(column int) error {
	in, err := peek(b.typed)
	if err != nil {
		return err
	}
	if b.queue.ShuttingDown() { // and what waits then, waits in vain
		clear(b.pending)
	}
	signs := map[string]byte{}
	for key := range b.pending {
		signs[key] = '.'
	}
	for _, key := range in.dirty { // in the queue, or at a worker: see below
		signs[key] = 'q'
	}
	for _, key := range in.processing {
		signs[key] = '?'
	}
	for _, j := range b.jobs {
		switch {
		case j.key == "":
		case j.left == 1 && j.err != nil:
			signs[j.key] = 'x'
		case j.left == 1:
			signs[j.key] = 'o'
		case slices.Contains(in.dirty, j.key):
			signs[j.key] = '!'
		default:
			signs[j.key] = '#'
		}
	}
	for key := range signs {
		if b.lanes[key] == nil {
			b.lanes[key] = []byte(strings.Repeat(" ", b.columns))
			b.keys = append(b.keys, key)
			slices.Sort(b.keys)
		}
		b.lanes[key][column] = signs[key]
	}
	return nil
}

// print prints the drawing: a scale, and a line for each key.
func (b *bench) print(out io.Writer) {
	scale := ""
	for column := 0; column < b.columns; column += 10 {
		scale += fmt.Sprintf("%-10s", "|"+(time.Duration(column)*b.unit).String())
	}
	fmt.Fprintf(out, "       %s\n", strings.TrimRight(scale, " "))
	for _, key := range b.keys {
		fmt.Fprintf(out, "%-6s %s\n", key, strings.TrimRight(string(b.lanes[key]), " "))
	}
}
