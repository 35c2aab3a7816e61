package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/util/workqueue"
)

// retry shows what comes after a failure, and what is seen when the worker makes a mistake.
func retry(ctx context.Context, out io.Writer) error {
	fmt.Fprint(out, legend)
	fmt.Fprintln(out, "-- right: tea fails four times, toast never")
	if err := play(ctx, out, scene{columns: 30, at: teaAndToast, work: failing(4)}); err != nil {
		return err
	}
	if err := retryMistakes(ctx, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- the limiters")
	printLimiters(out)
	fmt.Fprintln(out, "-- the bucket: many keys, each fails for the first time")
	printBucket(out)
	return nil
}

var errBurnt = errors.New("burnt")

// teaAndToast come in at the same time.
var teaAndToast = map[int]func(keyQueue){0: func(queue keyQueue) { queue.Add("tea"); queue.Add("toast") }}

// failing makes the first runs of tea fail. A run takes two columns.
func failing(times int) func(string, int) (int, error) {
	return func(key string, run int) (int, error) {
		if key == "tea" && run < times {
			return 2, errBurnt
		}
		return 2, nil
	}
}

// retryMistakes plays the ends of worker loops that forget something.
func retryMistakes(ctx context.Context, out io.Writer) error {
	// Tea fails three times and is done; later it changes, and fails once.
	twice := map[int]func(keyQueue){0: addTea, 22: addTea}
	late := func(_ string, run int) (int, error) {
		if run < 3 || run == 4 {
			return 2, errBurnt
		}
		return 2, nil
	}
	for _, mistake := range []struct {
		what string
		scene
	}{
		{"right: after a success the backoff begins anew", scene{columns: 44, at: twice, work: late}},
		{"no Forget: the second failure's delay is that of a fourth", scene{columns: 44, at: twice, work: late,
			finish: func(queue keyQueue, key string, err error) {
				defer queue.Done(key)
				if err != nil {
					queue.AddRateLimited(key)
				}
			}}},
		{"Forget also after a failure: the delay never grows", scene{columns: 44, at: teaAndToast, work: failing(100),
			finish: func(queue keyQueue, key string, err error) {
				defer queue.Done(key)
				queue.Forget(key)
				if err != nil {
					queue.AddRateLimited(key)
				}
			}}},
		{"Add instead of AddRateLimited: no delay at all", scene{columns: 44, at: teaAndToast, work: failing(100),
			finish: func(queue keyQueue, key string, err error) {
				defer queue.Done(key)
				if err != nil {
					queue.Add(key)
					return
				}
				queue.Forget(key)
			}}},
		{"no Done after a failure: its retries, and every later change, wait for ever", scene{columns: 44, at: map[int]func(keyQueue){
			0: teaAndToast[0], 20: addTea}, work: failing(1),
			finish: func(queue keyQueue, key string, err error) {
				if err != nil {
					queue.AddRateLimited(key)
					return // the early return that a deferred Done would have survived
				}
				queue.Forget(key)
				queue.Done(key)
			}}},
		{"the error swallowed: it looks done, and is not", scene{columns: 44, at: teaAndToast, work: failing(1),
			finish: func(queue keyQueue, key string, _ error) {
				queue.Forget(key)
				queue.Done(key)
			}}},
	} {
		fmt.Fprintln(out, "--", mistake.what)
		if err := play(ctx, out, mistake.scene); err != nil {
			return err
		}
	}
	return nil
}

func addTea(queue keyQueue) { queue.Add("tea") }

// printLimiters asks limiters how long a key should wait, failure after failure. They only say so: nobody waits here.
func printLimiters(out io.Writer) {
	backoff := func() workqueue.TypedRateLimiter[string] {
		return workqueue.NewTypedItemExponentialFailureRateLimiter[string](5*time.Millisecond, 1000*time.Second)
	}
	fastSlow := func() workqueue.TypedRateLimiter[string] {
		return workqueue.NewTypedItemFastSlowRateLimiter[string](5*time.Millisecond, time.Second, 3)
	}
	for _, limiter := range []struct {
		name string
		workqueue.TypedRateLimiter[string]
	}{
		{"exponential", backoff()},
		{"fast, slow", fastSlow()},
		{"max of both", workqueue.NewTypedMaxOfRateLimiter(backoff(), fastSlow())},
		{"at most 40ms", workqueue.NewTypedWithMaxWaitRateLimiter(backoff(), 40*time.Millisecond)},
	} {
		var delays []string
		for range 6 {
			delays = append(delays, fmt.Sprintf("%-6s", limiter.When("tea")))
		}
		requeues := limiter.NumRequeues("tea")
		limiter.Forget("tea")
		fmt.Fprintf(out, "%-13s %s then Forget: %d -> %d, %s\n", limiter.name, strings.Join(delays, " "),
			requeues, limiter.NumRequeues("tea"), limiter.When("tea"))
	}
	limiter := backoff()
	for range 18 {
		limiter.When("tea")
	}
	fmt.Fprintf(out, "%-13s the 19th failure: %s, and so is every later one\n", "exponential", limiter.When("tea"))
}

// printBucket asks the default limiter for many keys at once: the bucket has 100 tokens for all of them together, and gets
// 10 new ones a second. When gives tokens away that are not there yet: whoever comes later waits longer.
func printBucket(out io.Writer) {
	limiter := workqueue.DefaultTypedControllerRateLimiter[int]()
	alone := workqueue.NewTypedMaxOfRateLimiter( // what it is made of
		workqueue.NewTypedItemExponentialFailureRateLimiter[int](5*time.Millisecond, 1000*time.Second),
		&workqueue.TypedBucketRateLimiter[int]{Limiter: rate.NewLimiter(rate.Limit(10), 100)},
	)
	for key := 1; key <= 200; key++ {
		delay, same := limiter.When(key), alone.When(key)
		switch key {
		case 1, 100: // the backoff's; there are tokens
			fmt.Fprintf(out, "key %3d waits %s (built by hand: %s)\n", key, delay, same)
		case 110, 150, 200: // the bucket's; some of the wait has passed on this machine's clock, so round up
			fmt.Fprintf(out, "key %3d waits %s (built by hand: %s)\n", key, roundUp(delay), roundUp(same))
		}
	}
	limiter.Forget(200)
	fmt.Fprintf(out, "key 200 after Forget waits %s: its failures are forgotten, its tokens are spent\n", limiter.When(200).Round(time.Second))
	fmt.Fprintf(out, "key 201, a backoff without a bucket: %s\n",
		workqueue.NewTypedItemExponentialFailureRateLimiter[int](5*time.Millisecond, 1000*time.Second).When(201))
}

// roundUp rounds up to a second: a wait for the bucket's token gets shorter while the program runs, and never longer.
func roundUp(d time.Duration) time.Duration { return (d + time.Second - 1).Truncate(time.Second) }
