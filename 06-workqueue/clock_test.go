package main

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// The same timeline twice: a key fails three times, and is tried again after 5, 10 and 20 ms.
var wantRuns = []time.Duration{0, 5 * time.Millisecond, 15 * time.Millisecond, 35 * time.Millisecond}

// With testing/synctest the queue, its limiter and its worker are as in production: no Clock. In the bubble, time moves
// only when every goroutine waits, and then to the next moment at which one of them has something to do.
func TestRetriesWithSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
		var runs []time.Duration
		var worker sync.WaitGroup
		start := time.Now()
		worker.Go(func() {
			workOff(queue, func(string) error {
				runs = append(runs, time.Since(start))
				if len(runs) < 4 {
					return errBurnt
				}
				return nil
			})
		})
		queue.Add("tea")
		<-time.After(time.Hour) // long enough for everything
		queue.ShutDown()
		worker.Wait()
		assert.Equal(t, wantRuns, runs)
	})
}

// With a fake clock the test moves the time, and must know when to: not before the queue has set its timer, see
// TestStepTooEarly. The limiter must not have a bucket, which knows nothing of the clock.
func TestRetriesWithFakeClock(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	queue := workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](5*time.Millisecond, 1000*time.Second),
		workqueue.TypedRateLimitingQueueConfig[string]{Clock: clock})
	told := make(chan time.Duration, 10)
	runs := 0
	var worker sync.WaitGroup
	worker.Go(func() {
		workOff(queue, func(string) error {
			told <- clock.Since(time.Unix(0, 0))
			if runs++; runs < 4 {
				return errBurnt
			}
			return nil
		})
	})
	queue.Add("tea")
	for i, want := range wantRuns {
		require.Equal(t, want, <-told)
		if i < 3 {
			require.Eventually(t, func() bool { return clock.Waiters() == 2 }, 10*time.Second, time.Millisecond)
			clock.Step(wantRuns[i+1] - want)
		}
	}
	queue.ShutDown()
	worker.Wait()
}

// hastyClock is moved by 5 ms after the queue has looked at it, and before the queue sets its timer.
type hastyClock struct {
	*clocktesting.FakeClock
	timers chan struct{}
}

func (c hastyClock) NewTimer(d time.Duration) clock.Timer {
	c.Step(5 * time.Millisecond)
	timer := c.FakeClock.NewTimer(d)
	c.timers <- struct{}{}
	return timer
}

// The mistake that makes tests with a fake clock fail now and then: the clock moved too early. The key is due, and waits.
func TestStepTooEarly(t *testing.T) {
	clock := hastyClock{clocktesting.NewFakeClock(time.Unix(0, 0)), make(chan struct{}, 10)}
	queue := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{Clock: clock})
	defer queue.ShutDown()
	queue.AddAfter("tea", 5*time.Millisecond)
	<-clock.timers
	assert.Equal(t, 5*time.Millisecond, clock.Since(time.Unix(0, 0)))
	assert.Zero(t, queue.Len(), "it is time, and it is not there")
	clock.Step(5 * time.Millisecond)
	key, _ := queue.Get()
	assert.Equal(t, "tea", key, "too late")
}

// workOff is a worker: what an offline step's bench does with the end of a worker loop.
func workOff(queue keyQueue, work func(string) error) {
	for {
		key, shutdown := queue.Get()
		if shutdown {
			return
		}
		finishWell(queue, key, work(key))
	}
}
