package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"
)

// drain shuts queues down.
func drain(ctx context.Context, out io.Writer) error {
	fmt.Fprint(out, legend)
	fmt.Fprintln(out, "-- ShutDown at 15 ms: what was queued is still done, what was delayed is not, and nothing new comes in")
	if err := play(ctx, out, scene{columns: 24, at: map[int]func(keyQueue){
		0: func(queue keyQueue) {
			queue.Add("tea")
			queue.Add("eggs")
			queue.Add("toast")
			queue.AddAfter("soup", 50*time.Millisecond)
		},
		2: addTea, // is at the worker: dirty
		3: func(queue keyQueue) { queue.ShutDown(); queue.Add("cake") },
	}, work: func(key string, _ int) (int, error) {
		if key == "toast" {
			return 4, errBurnt // its retry is a delay, too
		}
		return 4, nil
	}}); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- ShutDownWithDrain waits for what is at a worker, not for what is in the queue")
	if err := drainWaitsForWorkers(ctx, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- stopping a program: the right order")
	if err := stopWell(ctx, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- the context first: whoever is at work loses it")
	if err := stopContextFirst(ctx, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- not waiting for the workers")
	return stopWithoutWaiting(ctx, out)
}

// drainWaitsForWorkers calls ShutDownWithDrain twice: with keys that wait, and with a key that is at a worker.
func drainWaitsForWorkers(ctx context.Context, out io.Writer) error {
	queue := workqueue.NewTyped[string]()
	queue.Add("tea")
	queue.Add("eggs")
	queue.ShutDownWithDrain()
	fmt.Fprintf(out, "returned, and in the queue: %d\n", queue.Len())

	queue = workqueue.NewTyped[string]()
	queue.Add("tea")
	queue.Add("eggs")
	key, _ := queue.Get()
	drained := make(chan struct{})
	go func() { queue.ShutDownWithDrain(); close(drained) }()
	if err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		return queue.ShuttingDown(), nil // from here on it waits
	}); err != nil {
		return fmt.Errorf("wait for ShutDownWithDrain to begin: %w", err)
	}
	select {
	case <-drained:
		fmt.Fprintln(out, "returned before Done")
	default:
		fmt.Fprintf(out, "waits for %s; ", key)
	}
	queue.Done(key)
	<-drained
	fmt.Fprintf(out, "returned after Done, and in the queue: %d\n", queue.Len())
	return nil
}

// A cook is a program with a queue and workers. Nobody puts keys in: they are there from the start.
type cook struct {
	queue   keyQueue
	started chan string   // what a worker has begun with
	goOn    chan struct{} // closed when work may be finished
	mu      sync.Mutex
	ends    []string
}

func newCook(keys ...string) *cook {
	c := &cook{started: make(chan string), goOn: make(chan struct{}), queue: workqueue.NewTypedRateLimitingQueue(
		workqueue.DefaultTypedControllerRateLimiter[string]())}
	for _, key := range keys {
		c.queue.Add(key)
	}
	return c
}

// work runs a worker with the context that its requests would be sent with.
func (c *cook) work(ctx context.Context) {
	for {
		key, shutdown := c.queue.Get()
		if shutdown {
			return
		}
		err := c.make(ctx, key)
		if err != nil {
			c.queue.AddRateLimited(key)
		} else {
			c.queue.Forget(key)
		}
		c.queue.Done(key)
	}
}

func (c *cook) make(ctx context.Context, key string) error {
	select {
	case c.started <- key:
	case <-c.goOn:
	}
	select {
	case <-c.goOn:
	case <-ctx.Done():
	}
	err := ctx.Err() // what a request would say
	c.mu.Lock()
	defer c.mu.Unlock()
	end := key + " done"
	if err != nil {
		end = fmt.Sprintf("%s: %s", key, err)
	}
	c.ends = append(c.ends, end)
	return err
}

func (c *cook) print(out io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := strings.Join(c.ends, "; ")
	if end == "" {
		end = "nothing is done"
	}
	fmt.Fprintf(out, "%s; in the queue: %d\n", end, c.queue.Len())
}

// stopWell shuts the queue down, then waits for the workers, and only then ends their context. Whoever puts keys in would have
// to be stopped before all that: see timeline's stop.
func stopWell(ctx context.Context, out io.Writer) error {
	c := newCook("tea", "eggs")
	workContext, cancel := context.WithCancel(context.WithoutCancel(ctx)) // not the context that Ctrl-C ends
	defer cancel()
	var workers sync.WaitGroup
	workers.Go(func() { c.work(workContext) })
	<-c.started

	c.queue.ShutDown()
	close(c.goOn) // the work takes its time
	done := make(chan struct{})
	go func() { workers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second): // patience has an end, as the kubelet's has: it kills after 30 s
		cancel()
		<-done
		return errors.New("the workers have not finished in 10 s")
	}
	c.print(out)
	return nil
}

// stopContextFirst lets one context stand for everything, as many programs do.
func stopContextFirst(ctx context.Context, out io.Writer) error {
	c := newCook("tea", "eggs")
	workContext, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	workers.Go(func() { c.work(workContext) })
	<-c.started

	cancel()
	c.queue.ShutDown()
	close(c.goOn)
	workers.Wait()
	c.print(out)
	return nil
}

// stopWithoutWaiting shuts the queue down and goes: the program would end here.
func stopWithoutWaiting(ctx context.Context, out io.Writer) error {
	c := newCook("tea", "eggs")
	var workers sync.WaitGroup
	workers.Go(func() { c.work(ctx) })
	<-c.started

	c.queue.ShutDown()
	c.print(out)

	close(c.goOn) // not part of the show: a step leaves no goroutine behind
	workers.Wait()
	return nil
}
