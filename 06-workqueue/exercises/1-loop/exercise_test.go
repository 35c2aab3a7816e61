package loop

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaDone   = "a key belongs to its worker from Get to Done. Without Done it is at a worker for ever, and every later Add of it is kept back"
	ideaDefer  = "Done before the work gives the key to a second worker; without defer, a panic skips it"
	ideaRetry  = "Add is for news. After a failure AddRateLimited asks the limiter how long the key should wait"
	ideaForget = "Forget ends the counting of failures: without it, a failure next week is treated as the sixth in a row"
)

var (
	tea     = cache.ObjectName{Namespace: "kitchen", Name: "tea"}
	errFire = errors.New("fire") // as an outcome: the work panics with it
)

// recorder is a queue that writes down what is called.
type recorder struct {
	Queue
	calls []string
}

func (r *recorder) Done(key cache.ObjectName) {
	r.calls = append(r.calls, "Done")
	r.Queue.Done(key)
}
func (r *recorder) Add(key cache.ObjectName) {
	r.calls = append(r.calls, "Add")
	r.Queue.Add(key)
}
func (r *recorder) AddRateLimited(key cache.ObjectName) {
	r.calls = append(r.calls, "AddRateLimited")
	r.Queue.AddRateLimited(key)
}
func (r *recorder) AddAfter(key cache.ObjectName, delay time.Duration) {
	r.calls = append(r.calls, "AddAfter")
	r.Queue.AddAfter(key, delay)
}
func (r *recorder) Forget(key cache.ObjectName) {
	r.calls = append(r.calls, "Forget")
	r.Queue.Forget(key)
}

// process lets the loop work on one key, with this outcome, and returns what it has called.
func process(t *testing.T, outcome error) (calls []string) {
	t.Helper()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]())
	defer queue.ShutDown()
	queue.Add(tea)
	r := &recorder{Queue: queue}
	defer func() {
		if caught := recover(); caught != nil && caught != error(errFire) {
			panic(caught)
		}
		calls = r.calls
	}()
	if !ProcessNext(t.Context(), r, func(context.Context, cache.ObjectName) error {
		r.calls = append(r.calls, "work")
		if outcome == errFire {
			panic(outcome)
		}
		return outcome
	}) {
		t.Fatal("ProcessNext says that there is no next key, though the queue was not shut down")
	}
	return r.calls
}

func check(t *testing.T, ok bool, when string, calls []string, expected, idea string) {
	t.Helper()
	if !ok {
		seen := when + " these were called: " + strings.Join(calls, ", ")
		if len(calls) == 0 {
			seen = when + " nothing was called"
		}
		labtest.Unexpected(t, seen, expected, idea)
	}
}

func count(calls []string, name string) int {
	return len(slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return call != name }))
}

func TestStep1Done(t *testing.T) {
	calls := process(t, nil)
	check(t, count(calls, "Done") == 1, "after a success", calls, "Done, once", ideaDone)
	check(t, calls[len(calls)-1] == "Done", "after a success", calls, "Done last", ideaDefer)
	calls = process(t, errors.New("burnt"))
	check(t, count(calls, "Done") == 1, "after a failure", calls, "Done, once, after a failure, too", ideaDone)
	check(t, calls[len(calls)-1] == "Done", "after a failure", calls, "Done last", ideaDefer)
	calls = process(t, errFire)
	check(t, count(calls, "Done") == 1, "when the work panicked", calls, "Done, once, all the same", ideaDefer)

	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]())
	queue.ShutDown()
	r := &recorder{Queue: queue}
	if ProcessNext(t.Context(), r, func(context.Context, cache.ObjectName) error { return nil }) {
		labtest.Unexpected(t, "the queue is empty and shut down, and ProcessNext returns true", "false", "there will be no more keys: the worker ends")
	}
	check(t, len(r.calls) == 0, "when the queue is empty and shut down", r.calls, "no call", "with shutdown, there is no key: Done is for what Get has handed out")
}

func TestStep2Retry(t *testing.T) {
	calls := process(t, errors.New("burnt"))
	check(t, count(calls, "AddRateLimited") == 1 && count(calls, "Add")+count(calls, "AddAfter") == 0, "after a failure", calls, "AddRateLimited, and no Add", ideaRetry)
	calls = process(t, nil)
	check(t, count(calls, "AddRateLimited")+count(calls, "Add")+count(calls, "AddAfter") == 0, "after a success", calls, "no retry", "what went well is not tried again")
}

func TestStep3Forget(t *testing.T) {
	calls := process(t, nil)
	check(t, count(calls, "Forget") == 1, "after a success", calls, "Forget", ideaForget)
	calls = process(t, errors.New("burnt"))
	check(t, count(calls, "Forget") == 0, "after a failure", calls, "no Forget", "Forget after a failure, and the delay never grows")
}
