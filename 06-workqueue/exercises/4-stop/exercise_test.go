package stop

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaWorkers = "several workers take keys from one queue; the queue sees to it that no two have the same"
	ideaJoin    = "ShutDown does not wait: only who has joined its workers knows that they are done"
	ideaOrder   = "what is added after ShutDown is dropped: first the producer must be gone"
	ideaContext = "Ctrl-C says: begin nothing new. What has begun still needs its requests"
	ideaValues  = "context.Background() is cut off from everything: the logger and the trace in ctx are gone, too. context.WithoutCancel keeps the values"
	ideaNumber  = "Workers is how many: the caller chooses"
	ideaEnd     = "workers end when the queue is shut down and empty: do not wait for them before ShutDown"
	ideaLast    = "a worker ends when there will be no more keys: processNext says so"
)

func key(name string) cache.ObjectName { return cache.NewObjectName("kitchen", name) }

// id is the key of a value in the context of Run.
type id struct{}

// rig is a program under test, in a synctest bubble. Work on a key takes until goOnOne or goOn is called, and then writes
// down what happened.
type rig struct {
	Program
	t       *testing.T
	goOnOne func()       // for one key
	goOn    func()       // for all
	after   atomic.Int32 // how often workers have asked for keys when there were no more

	mu    sync.Mutex
	begun int
	ends  map[string]error
	ids   map[string]any // the value of id, as the work for a key has seen it
}

// inBubble tests a program with so many workers and these keys in its queue. Whatever is wrong with it, nothing is left running.
func inBubble(t *testing.T, workers int, names []string, f func(*rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, ends: map[string]error{}, ids: map[string]any{}}
		r.Queue = &counted{workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]()), &r.after}
		t.Cleanup(func() { time.Sleep(time.Minute) }) // last: the bubble's clock stops when the test ends, and somebody may wait for it
		t.Cleanup(r.Queue.ShutDown)
		working := make(chan struct{})
		r.goOnOne = func() { working <- struct{}{} }
		r.goOn = sync.OnceFunc(func() { close(working) })
		t.Cleanup(r.goOn)
		r.Workers = workers
		r.Produce = func(ctx context.Context) { <-ctx.Done() }
		r.Work = func(ctx context.Context, key cache.ObjectName) error {
			r.mu.Lock()
			r.begun++
			r.mu.Unlock()
			<-working
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ends[key.Name] = ctx.Err() // what a request would say
			r.ids[key.Name] = ctx.Value(id{})
			return ctx.Err()
		}
		for _, name := range names {
			r.Queue.Add(key(name))
		}
		f(r)
	})
}

// counted is a queue that ends a worker which goes on asking when there will be no more keys.
type counted struct {
	workqueue.TypedRateLimitingInterface[cache.ObjectName]
	after *atomic.Int32
}

func (c *counted) Get() (cache.ObjectName, bool) {
	key, shutdown := c.TypedRateLimitingInterface.Get()
	if shutdown && c.after.Add(1) > 1000 {
		runtime.Goexit()
	}
	return key, shutdown
}

// settle returns when nothing will happen any more until the test does something: a minute of the bubble's clock has passed,
// which takes no time, and everybody waits.
func (r *rig) settle() {
	r.t.Helper()
	time.Sleep(time.Minute) // the bubble's clock
	synctest.Wait()
	if r.after.Load() > 1000 {
		labtest.Unexpected(r.t, "a worker has asked 1,000 times for a key when there were no more", "it to end", ideaLast)
	}
}

// background calls f in a goroutine. The function that it returns says whether f has returned.
func background(f func()) (returned func() bool) {
	var done atomic.Bool
	go func() { defer done.Store(true); f() }()
	return done.Load
}

// run starts the program, and waits until nothing happens any more. stop ends its context.
func (r *rig) run() (stop context.CancelFunc, returned func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.WithValue(r.t.Context(), id{}, "run 1"))
	r.t.Cleanup(cancel)
	returned = background(func() { r.Run(ctx) })
	r.settle()
	return cancel, returned
}

// wantBegun wants work on n keys to have begun, since the start.
func (r *rig) wantBegun(n int, expected, idea string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun < n {
		labtest.Unexpected(r.t, fmt.Sprintf("%d keys at workers", r.begun), expected, idea)
	}
	if r.begun > n {
		labtest.Unexpected(r.t, fmt.Sprintf("with Workers = %d, work on %d keys has begun", r.Workers, r.begun), expected, ideaNumber)
	}
}

// wantReturned wants somebody to have returned, after everything has settled.
func (r *rig) wantReturned(returned func() bool, who, idea string) {
	r.t.Helper()
	r.settle()
	if !returned() {
		labtest.Unexpected(r.t, who+" does not return", who+" to return", idea)
	}
}

func (r *rig) outcome() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(r.ends)
}

func TestStep1Workers(t *testing.T) {
	inBubble(t, 3, []string{"tea", "eggs", "toast", "soup"}, func(r *rig) {
		r.run()
		r.wantBegun(3, "3 of them, at the same time", ideaWorkers)
		r.goOn()
		r.settle()
		r.wantBegun(4, "4 in the end: each worker takes one after the other", "a worker goes on until there will be no more keys")
	})
}

func TestStep1Number(t *testing.T) {
	inBubble(t, 2, []string{"tea", "eggs", "toast"}, func(r *rig) {
		r.run()
		r.wantBegun(2, "2 of them, at the same time", ideaWorkers)
	})
}

func TestStep1CanBeJoined(t *testing.T) {
	inBubble(t, 1, []string{"tea"}, func(r *rig) {
		var workers sync.WaitGroup
		started := background(func() { r.start(r.t.Context(), &workers) })
		r.settle()
		r.wantBegun(1, "1 of them", ideaWorkers)
		r.wantReturned(started, "start", "start only starts: the work is done in goroutines of its own")
		joined := background(workers.Wait)
		r.settle()
		if joined() {
			labtest.Unexpected(r.t, "workers.Wait() has returned, and a worker still works", "it to wait for the workers", ideaJoin)
		}
		r.goOn()
		r.Queue.ShutDown()
		r.wantReturned(joined, "workers.Wait()", ideaLast)
	})
}

func TestStep2Join(t *testing.T) {
	inBubble(t, 1, []string{"tea", "eggs"}, func(r *rig) {
		stop, returned := r.run()
		r.wantBegun(1, "1 of them", ideaWorkers)
		stop()
		wantWorking := func() {
			r.settle()
			if returned() {
				labtest.Unexpected(r.t, "Run has returned, and a worker still works", "Run to wait for it", ideaJoin)
			}
		}
		wantWorking()
		r.goOnOne()
		wantWorking()
		r.wantBegun(2, "2 in the end: what is in the queue is still handed out after ShutDown", ideaJoin)
		r.goOn()
		r.wantReturned(returned, "Run", ideaEnd)
	})
}

func TestStep2LastKey(t *testing.T) {
	inBubble(t, 3, nil, func(r *rig) {
		r.goOn()
		leaving := make(chan struct{})
		leave := sync.OnceFunc(func() { close(leaving) })
		r.t.Cleanup(leave)
		r.Produce = func(ctx context.Context) {
			<-ctx.Done()
			<-leaving
			r.Queue.Add(key("late"))
		}
		stop, returned := r.run()
		stop()
		r.settle() // who does not wait for the producer has shut the queue down by now
		leave()
		r.wantReturned(returned, "Run", ideaEnd)
		if got := r.outcome(); got == "map[]" {
			labtest.Unexpected(r.t, "the producer's last key was dropped", "it to be worked on", ideaOrder)
		}
	})
}

func TestStep3Context(t *testing.T) {
	inBubble(t, 3, []string{"tea"}, func(r *rig) {
		stop, returned := r.run()
		r.wantBegun(1, "1 of them", ideaWorkers)
		stop()
		r.settle()
		r.goOn()
		r.wantReturned(returned, "Run", ideaEnd)
		if got := r.outcome(); got != "map[tea:<nil>]" {
			labtest.Unexpected(r.t, "the work that had begun ended with "+got, "map[tea:<nil>]: its requests go through", ideaContext)
		}
		if got := fmt.Sprint(r.ids["tea"]); got != "run 1" {
			labtest.Unexpected(r.t, "of a value in ctx the work sees "+got, "the value: run 1", ideaValues)
		}
	})
}
