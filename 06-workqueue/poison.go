package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// maxRetries is how often a key is tried again before somebody is told.
const maxRetries = 3

// poison works on a key that always fails.
func poison(ctx context.Context, out io.Writer) error {
	var log []string // printed below each drawing
	ctx = klog.NewContext(ctx, funcr.New(func(prefix, args string) { log = append(log, prefix+" "+args) }, funcr.Options{}))
	recorder := events.NewFakeRecorder(10) // on a cluster: events.NewBroadcaster(...).NewRecorder(...)
	limit := giveUp{object: orderFor, recorder: recorder}
	always := failing(1000)
	fmt.Fprint(out, legend)
	for _, example := range []struct {
		what string
		scene
	}{
		{"no limit: the default backoff never ends", scene{columns: 44, at: teaAndToast, work: always}},
		{"three retries, then give up; a change at 150 ms begins anew", scene{columns: 44,
			at: map[int]func(keyQueue){0: teaAndToast[0], 30: addTea}, work: always,
			finish: func(queue keyQueue, key string, err error) { limit.finish(ctx, queue, key, err) }}},
		{"an error that no retry mends: give up at once", scene{columns: 44, at: teaAndToast,
			work: func(key string, _ int) (int, error) {
				if key == "tea" {
					return 2, fmt.Errorf("%w: this kitchen has no kettle", errHopeless)
				}
				return 2, nil
			},
			finish: func(queue keyQueue, key string, err error) { limit.finish(ctx, queue, key, err) }}},
	} {
		fmt.Fprintln(out, "--", example.what)
		if err := play(ctx, out, example.scene); err != nil {
			return err
		}
		for _, line := range log {
			fmt.Fprintln(out, "  log:  ", line)
		}
		log = nil
		for len(recorder.Events) > 0 {
			fmt.Fprintln(out, "  event:", <-recorder.Events)
		}
	}
	fmt.Fprintln(out, "-- what never giving up costs")
	printRuns(out)
	return nil
}

// errHopeless marks errors for which waiting is of no use: a wrong spec, a name that cannot exist.
var errHopeless = errors.New("no retry will help")

// giveUp is the end of a worker loop that knows when to stop.
type giveUp struct {
	object   func(key string) runtime.Object // what the event is about
	recorder events.EventRecorder
}

func (g giveUp) finish(ctx context.Context, queue keyQueue, key string, err error) {
	defer queue.Done(key)
	switch {
	case err == nil:
		queue.Forget(key)
	case !errors.Is(err, errHopeless) && queue.NumRequeues(key) < maxRetries:
		queue.AddRateLimited(key)
	default:
		// For the people who run the program, a log line; for those who wrote the object, an event on it.
		utilruntime.HandleErrorWithContext(ctx, err, "Giving up until it changes", "key", key, "retries", queue.NumRequeues(key))
		g.recorder.Eventf(g.object(key), nil, corev1.EventTypeWarning, "GaveUp", "Cook", "gave up after %d retries: %v", queue.NumRequeues(key), err)
		queue.Forget(key) // not "never again": when the object changes, its first failure is a first one
	}
}

// orderFor is the object behind a key. A controller has it from its lister.
func orderFor(key string) runtime.Object {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: key, Namespace: labNamespace, Labels: labels()}}
}

// printRuns adds up the default backoff.
func printRuns(out io.Writer) {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](5*time.Millisecond, 1000*time.Second)
	for _, day := range []struct {
		name string
		time.Duration
	}{{"second", time.Second}, {"minute", time.Minute}, {"hour", time.Hour}, {"day", 24 * time.Hour}} {
		limiter.Forget("tea")
		var waited time.Duration
		runs := 0
		for ; waited <= day.Duration; runs++ {
			waited += limiter.When("tea")
		}
		fmt.Fprintf(out, "in the first %s: %d runs\n", day.name, runs)
	}
}
