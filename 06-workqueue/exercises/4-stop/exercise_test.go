package stop

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
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
)

const (
	patience = 5 * time.Second        // how long a test waits for what should happen at once
	moment   = 200 * time.Millisecond // how long it waits to see that something does not happen
)

func key(name string) cache.ObjectName { return cache.NewObjectName("kitchen", name) }

// id is the key of a value in the context of Run.
type id struct{}

// rig is a program under test. Work waits in each key until goOn is closed, and then writes down what happened.
type rig struct {
	Program
	begun chan string
	goOn  chan struct{}
	mu    sync.Mutex
	ends  map[string]error
	ids   map[string]any // the value of id, as the work for a key has seen it
}

func newRig(t *testing.T) *rig {
	r := &rig{begun: make(chan string, 10), goOn: make(chan struct{}), ends: map[string]error{}, ids: map[string]any{}}
	r.Queue = workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]())
	t.Cleanup(r.Queue.ShutDown)
	r.Workers = 3
	r.Produce = func(ctx context.Context) { <-ctx.Done() }
	r.Work = func(ctx context.Context, key cache.ObjectName) error {
		r.begun <- key.Name
		<-r.goOn
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ends[key.Name] = ctx.Err() // what a request would say
		r.ids[key.Name] = ctx.Value(id{})
		return ctx.Err()
	}
	return r
}

// run starts the program. stop ends its context; ended is closed when Run has returned.
func (r *rig) run(t *testing.T) (stop context.CancelFunc, ended <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), id{}, "run 1"))
	t.Cleanup(cancel)
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	return cancel, done
}

// wait waits for n keys to be at workers.
func (r *rig) wait(t *testing.T, n int, idea string) {
	t.Helper()
	for i := range n {
		select {
		case <-r.begun:
		case <-time.After(patience):
			labtest.Unexpected(t, fmt.Sprintf("%d keys at workers", i), fmt.Sprintf("%d of them, at the same time", n), idea)
		}
	}
}

// noMore sees to it that no other key is begun with.
func (r *rig) noMore(t *testing.T) {
	t.Helper()
	select {
	case name := <-r.begun:
		labtest.Unexpected(t, fmt.Sprintf("with Workers = %d, work on another key (%s) has begun", r.Workers, name), fmt.Sprintf("%d at the same time", r.Workers), ideaNumber)
	case <-time.After(moment): // it seems so
	}
}

// waitForEnd waits for ended to be closed.
func (r *rig) waitForEnd(t *testing.T, ended <-chan struct{}, who, idea string) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		labtest.Unexpected(t, who+" does not return", who+" to return", idea)
	}
}

// shuttingDown waits up to limit for the queue to be shut down, in whatever way.
func (r *rig) shuttingDown(t *testing.T, limit time.Duration) error {
	return wait.PollUntilContextTimeout(t.Context(), time.Millisecond, limit, true, func(context.Context) (bool, error) {
		return r.Queue.ShuttingDown(), nil
	})
}

func (r *rig) outcome() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(r.ends)
}

func TestStep1Workers(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"tea", "eggs", "toast", "soup"} {
		r.Queue.Add(key(name))
	}
	stop, _ := r.run(t)
	r.wait(t, 3, ideaWorkers)
	close(r.goOn)
	r.wait(t, 1, "a worker goes on until there will be no more keys")
	stop()
}

func TestStep1Number(t *testing.T) {
	r := newRig(t)
	r.Workers = 2
	for _, name := range []string{"tea", "eggs", "toast"} {
		r.Queue.Add(key(name))
	}
	stop, _ := r.run(t)
	r.wait(t, 2, ideaWorkers)
	r.noMore(t)
	close(r.goOn)
	stop()
}

func TestStep1CanBeJoined(t *testing.T) {
	r := newRig(t)
	r.Workers = 1
	r.Queue.Add(key("tea"))
	var workers sync.WaitGroup
	started, joined := make(chan struct{}), make(chan struct{})
	go func() { defer close(started); r.start(t.Context(), &workers) }()
	r.wait(t, 1, ideaWorkers)
	r.waitForEnd(t, started, "start", "start only starts: the work is done in goroutines of its own")
	go func() { defer close(joined); workers.Wait() }()
	select {
	case <-joined:
		labtest.Unexpected(t, "workers.Wait() has returned, and a worker still works", "it to wait for the workers", ideaJoin)
	case <-time.After(moment): // it seems to wait
	}
	close(r.goOn)
	r.Queue.ShutDown()
	r.waitForEnd(t, joined, "workers.Wait()", "a worker ends when there will be no more keys")
}

func TestStep2Join(t *testing.T) {
	r := newRig(t)
	r.Workers = 1
	r.Queue.Add(key("tea"))
	r.Queue.Add(key("eggs"))
	stop, ended := r.run(t)
	r.wait(t, 1, ideaWorkers)
	stop()
	select {
	case <-ended:
		labtest.Unexpected(t, "Run has returned, and a worker still works", "Run to wait for it", ideaJoin)
	case <-time.After(moment): // it seems to wait; what it has waited for is looked at below
	}
	close(r.goOn)
	r.waitForEnd(t, ended, "Run", ideaEnd)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ends) != 2 {
		labtest.Unexpected(t, fmt.Sprintf("%d keys worked on when Run had returned", len(r.ends)), "2: what is in the queue is still handed out after ShutDown", ideaJoin)
	}
}

func TestStep2LastKey(t *testing.T) {
	r := newRig(t)
	close(r.goOn)
	r.Produce = func(ctx context.Context) {
		<-ctx.Done()
		_ = r.shuttingDown(t, moment) // that would be too early. A right one waits for us
		r.Queue.Add(key("late"))
	}
	stop, ended := r.run(t)
	stop()
	r.waitForEnd(t, ended, "Run", ideaEnd)
	if got := r.outcome(); got == "map[]" {
		labtest.Unexpected(t, "the producer's last key was dropped", "it to be worked on", ideaOrder)
	}
}

func TestStep3Context(t *testing.T) {
	r := newRig(t)
	r.Queue.Add(key("tea"))
	stop, ended := r.run(t)
	r.wait(t, 1, ideaWorkers)
	stop()
	if r.shuttingDown(t, patience) != nil {
		labtest.Unexpected(t, "the queue is not shut down", "it to be, once the producer has gone", ideaEnd)
	}
	close(r.goOn)
	r.waitForEnd(t, ended, "Run", ideaEnd)
	if got := r.outcome(); got != "map[tea:<nil>]" {
		labtest.Unexpected(t, "the work that had begun ended with "+got, "map[tea:<nil>]: its requests go through", ideaContext)
	}
	if got := fmt.Sprint(r.ids["tea"]); got != "run 1" {
		labtest.Unexpected(t, "of a value in ctx the work sees "+got, "the value: run 1", ideaValues)
	}
}
