package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
)

// clocks runs a queue by a fake clock: what follows it, and what does not.
func clocks(ctx context.Context, out io.Writer) error {
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	bucketed := workqueue.DefaultTypedControllerRateLimiter[string]()
	queue := workqueue.NewTypedRateLimitingQueueWithConfig(bucketed, workqueue.TypedRateLimitingQueueConfig[string]{Clock: clock})
	defer queue.ShutDown()
	fmt.Fprintln(out, "-- the delays follow it")
	if err := delaysFollow(ctx, out, clock, queue); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- the bucket does not")
	bucketDoesNot(out, clock, bucketed)
	fmt.Fprintln(out, "-- the layers have a clock each")
	return layersHaveTheirOwn(ctx, out)
}

// delaysFollow waits for a day.
func delaysFollow(ctx context.Context, out io.Writer, clock *clocktesting.FakeClock, queue keyQueue) error {
	queue.AddAfter("tea", 24*time.Hour)
	// Not yet: the key travels to a goroutine that sets a timer, for 24 h from when it does. Its other timer ticks every 10 s.
	err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		return clock.Waiters() == 2, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the queue's timer: %w", err)
	}
	clock.Step(23 * time.Hour)
	queue.Add("toast")
	first, err := getWithin(ctx, queue)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "after 23 h: %s, and %d in the queue\n", first, queue.Len())
	clock.Step(time.Hour)
	second, err := getWithin(ctx, queue) // waits until the goroutine has noticed
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "after 24 h: %s\n", second)
	return nil
}

// getWithin is Get with an end: a real queue would wait for ever.
func getWithin(ctx context.Context, queue workqueue.TypedInterface[string]) (string, error) {
	got := make(chan string, 1)
	go func() {
		key, _ := queue.Get() // returns at the latest when the queue is shut down
		queue.Done(key)
		got <- key
	}()
	select {
	case key := <-got:
		return key, nil
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(10 * time.Second):
		return "", fmt.Errorf("nothing has come into the queue for 10 s")
	}
}

// bucketDoesNot empties the bucket and lets a day pass on the fake clock. golang.org/x/time/rate asks time.Now.
func bucketDoesNot(out io.Writer, clock *clocktesting.FakeClock, limiter workqueue.TypedRateLimiter[string]) {
	var last time.Duration
	for i := range 150 {
		last = limiter.When(fmt.Sprint(i))
	}
	fmt.Fprintf(out, "key 150 waits %s\n", roundUp(last))
	clock.Step(24 * time.Hour)
	fmt.Fprintf(out, "a day later key 151 waits %s, as if no time had passed\n", limiter.When("150").Round(time.Second))
}

// layersHaveTheirOwn shows what comes of a Clock, or a Name, that is given to the outermost layer alone.
func layersHaveTheirOwn(ctx context.Context, out io.Writer) error {
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	delaying := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{}) // the real clock
	queue := workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](5*time.Millisecond, time.Second),
		workqueue.TypedRateLimitingQueueConfig[string]{Clock: clock, DelayingQueue: delaying})
	defer queue.ShutDown()
	queue.AddRateLimited("tea")
	key, err := getWithin(ctx, queue)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s came, and the fake clock has moved by %s: with a DelayingQueue of your own, Clock and Name go there\n",
		key, clock.Since(time.Unix(0, 0)))
	return nil
}
