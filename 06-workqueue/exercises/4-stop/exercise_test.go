package stop

import (
	"context"
	"fmt"
	"sync"
	"testing"
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
)

// patience is how long a test waits for what should happen at once.
const patience = 5 * time.Second

func key(name string) cache.ObjectName { return cache.NewObjectName("kitchen", name) }

// told is a queue that tells when it is shut down.
type told struct {
	workqueue.TypedRateLimitingInterface[cache.ObjectName]
	once     *sync.Once
	shutDown chan struct{}
}

func (q told) ShutDown() {
	q.TypedRateLimitingInterface.ShutDown()
	q.once.Do(func() { close(q.shutDown) })
}

// rig is a program under test. Work waits in each key until goOn is closed, and then writes down what happened.
type rig struct {
	Program
	begun chan string
	goOn  chan struct{}
	queue told
	mu    sync.Mutex
	ends  map[string]error
}

func newRig(t *testing.T) *rig {
	r := &rig{begun: make(chan string, 10), goOn: make(chan struct{}), ends: map[string]error{}}
	r.queue = told{workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]()), &sync.Once{}, make(chan struct{})}
	r.Queue = r.queue
	t.Cleanup(r.Queue.ShutDown)
	r.Workers = 3
	r.Produce = func(ctx context.Context) { <-ctx.Done() }
	r.Work = func(ctx context.Context, key cache.ObjectName) error {
		r.begun <- key.Name
		<-r.goOn
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ends[key.Name] = ctx.Err() // what a request would say
		return ctx.Err()
	}
	return r
}

// run starts the program. stop ends its context; ended is closed when Run has returned.
func (r *rig) run(t *testing.T) (stop context.CancelFunc, ended <-chan struct{}) {
	ctx, cancel := context.WithCancel(t.Context())
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
	case <-time.After(200 * time.Millisecond): // it seems to wait; what it has waited for is looked at below
	}
	close(r.goOn)
	select {
	case <-ended:
	case <-time.After(patience):
		labtest.Unexpected(t, "Run does not return", "Run to return when all is done", "workers end when the queue is shut down and empty: do not wait for them before ShutDown")
	}
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
		select {
		case <-r.queue.shutDown: // too early
		case <-time.After(200 * time.Millisecond): // it waits for us
		}
		r.Queue.Add(key("late"))
	}
	stop, ended := r.run(t)
	stop()
	<-ended
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
	<-r.queue.shutDown
	close(r.goOn)
	<-ended
	if got := r.outcome(); got != "map[tea:<nil>]" {
		labtest.Unexpected(t, "the work that had begun ended with "+got, "map[tea:<nil>]: its requests go through", ideaContext)
	}
}
