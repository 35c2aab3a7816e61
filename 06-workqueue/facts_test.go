package main

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	listerscorev1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	"k8s.io/utils/clock"
)

// What the lesson says of client-go's queues, and no step prints exactly.

func TestDefaultLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still: the delays are exact
		limiter := workqueue.DefaultTypedControllerRateLimiter[int]()
		delays := map[int]time.Duration{}
		for key := 1; key <= 150; key++ {
			delays[key] = limiter.When(key)
		}
		assert.Equal(t, 5*time.Millisecond, delays[1])
		assert.Equal(t, 5*time.Millisecond, delays[100], "the bucket has had 100 tokens")
		assert.Equal(t, 100*time.Millisecond, delays[101], "and gets one every 100 ms")
		assert.Equal(t, 5*time.Second, delays[150])
		limiter.Forget(150)
		assert.Equal(t, 5100*time.Millisecond, limiter.When(150), "Forget gives no token back")

		<-time.After(time.Hour) // in this bubble: at once
		assert.Equal(t, 5*time.Millisecond, limiter.When(151), "synctest's clock is the bucket's, too")
	})
}

func TestBackoffEndsAtItsMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := workqueue.DefaultTypedControllerRateLimiter[string]()
		want := 5 * time.Millisecond
		for range 18 {
			require.Equal(t, want, limiter.When("tea"))
			want *= 2
		}
		for range 80 {
			require.Equal(t, 1000*time.Second, limiter.When("tea"))
		}
		assert.Equal(t, 98, limiter.NumRequeues("tea"))
	})
}

// asked is a limiter that counts how often it is asked.
type asked struct {
	workqueue.TypedRateLimiter[string]
	n int
}

func (a *asked) When(key string) time.Duration {
	a.n++
	return a.TypedRateLimiter.When(key)
}

// News is never slowed down.
func TestAddAsksNoLimiter(t *testing.T) {
	limiter := &asked{TypedRateLimiter: workqueue.DefaultTypedControllerRateLimiter[string]()}
	queue := workqueue.NewTypedRateLimitingQueue[string](limiter)
	defer queue.ShutDown()
	queue.Add("tea")
	queue.AddAfter("tea", time.Second)
	assert.Zero(t, limiter.n)
	queue.AddRateLimited("tea")
	assert.Equal(t, 1, limiter.n)
}

// A key's urgency in the key makes two keys of it, and two workers get the same object.
func TestUrgencyInTheKey(t *testing.T) {
	type key struct {
		name   string
		urgent bool
	}
	queue := workqueue.NewTyped[key]()
	defer queue.ShutDown()
	queue.Add(key{"tea", false})
	queue.Add(key{"tea", true})
	first, _ := queue.Get()
	second, _ := queue.Get() // would wait if it were the same key
	assert.Equal(t, first.name, second.name)
}

// Two pointers are two keys: an informer's objects are no keys.
func TestPointersAreNoKeys(t *testing.T) {
	type order struct{ name string }
	queue := workqueue.NewTyped[*order]()
	defer queue.ShutDown()
	queue.Add(&order{"tea"})
	queue.Add(&order{"tea"})
	assert.Equal(t, 2, queue.Len())
}

// The worker loop of the main step: whatever happened before, a success sets the count of failures back, and gives the key back.
func TestProcessNext(t *testing.T) {
	lister := listerscorev1.NewConfigMapLister(cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{}))
	k := &kitchen{trace: newTrace(), queue: newOrderQueue(), lister: lister.ConfigMaps("kitchen")}
	tea := cache.NewObjectName("kitchen", "tea")
	k.queue.AddRateLimited(tea)
	require.Equal(t, 1, k.queue.NumRequeues(tea))
	require.True(t, k.processNext(t.Context()))
	assert.Zero(t, k.queue.NumRequeues(tea), "no Forget")
	k.queue.Add(tea)
	assert.Equal(t, 1, k.queue.Len(), "no Done")
	k.queue.ShutDown()
	require.True(t, k.processNext(t.Context()), "what is queued is still done")
	assert.False(t, k.processNext(t.Context()))
}

// A key that becomes urgent while it is at a worker is urgent when it comes back, and only once.
func TestUrgentWhileProcessing(t *testing.T) {
	order := &byUrgency{}
	queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[string]{Queue: order})
	defer queue.ShutDown()
	queue.Add("tea")
	_, _ = queue.Get()
	queue.Add("toast")
	order.hurry("tea")
	queue.Add("tea") // no Touch: it is not in the queue
	queue.Done("tea")
	next, _ := queue.Get()
	assert.Equal(t, "tea", next, "urgent: before toast, that came earlier")
	queue.Done("tea")

	queue.Add("tea") // a mark is good for once
	next, _ = queue.Get()
	assert.Equal(t, "toast", next)
}

// counting is a provider that counts what it is asked for.
type counting struct {
	made  atomic.Int32
	depth atomic.Int32
	adds  atomic.Int32
	retry atomic.Int32
}

type count struct{ n *atomic.Int32 }

func (c count) Inc()            { c.n.Add(1) }
func (c count) Dec()            { c.n.Add(-1) }
func (c count) Set(float64)     {}
func (c count) Observe(float64) {}

// make counts a metric that was asked for.
func (c *counting) make(n *atomic.Int32) count {
	c.made.Add(1)
	return count{n}
}

func (c *counting) NewDepthMetric(string) workqueue.GaugeMetric            { return c.make(&c.depth) }
func (c *counting) NewAddsMetric(string) workqueue.CounterMetric           { return c.make(&c.adds) }
func (c *counting) NewLatencyMetric(string) workqueue.HistogramMetric      { return c.make(nil) }
func (c *counting) NewWorkDurationMetric(string) workqueue.HistogramMetric { return c.make(nil) }
func (c *counting) NewUnfinishedWorkSecondsMetric(string) workqueue.SettableGaugeMetric {
	return c.make(nil)
}
func (c *counting) NewLongestRunningProcessorSecondsMetric(string) workqueue.SettableGaugeMetric {
	return c.make(nil)
}
func (c *counting) NewRetriesMetric(string) workqueue.CounterMetric { return c.make(&c.retry) }

func newCounted(name string, provider workqueue.MetricsProvider) keyQueue {
	return workqueue.NewTypedRateLimitingQueueWithConfig(workqueue.DefaultTypedControllerRateLimiter[string](),
		workqueue.TypedRateLimitingQueueConfig[string]{Name: name, MetricsProvider: provider})
}

func TestNoNameNoMetrics(t *testing.T) {
	unnamed, named := &counting{}, &counting{}
	defer newCounted("", unnamed).ShutDown()
	defer newCounted("kitchen", named).ShutDown()
	assert.Zero(t, unnamed.made.Load())
	assert.EqualValues(t, 7, named.made.Load())
}

// The name on the outermost layer is for the layers that it makes itself. With a DelayingQueue it makes none.
func TestNameOnTheOutermostLayerOnly(t *testing.T) {
	provider := &counting{}
	queue := workqueue.NewTypedRateLimitingQueueWithConfig(workqueue.DefaultTypedControllerRateLimiter[string](),
		workqueue.TypedRateLimitingQueueConfig[string]{Name: "kitchen", MetricsProvider: provider,
			DelayingQueue: workqueue.NewTypedDelayingQueue[string]()})
	defer queue.ShutDown()
	assert.Zero(t, provider.made.Load())
}

func TestDepthCountsDirtyKeys(t *testing.T) {
	provider := &counting{}
	queue := newCounted("kitchen", provider)
	defer queue.ShutDown()
	queue.Add("tea")
	_, _ = queue.Get()
	queue.Add("tea") // while it is at the worker
	assert.Zero(t, queue.Len(), "nothing for other workers")
	assert.EqualValues(t, 1, provider.depth.Load(), "but one that needs to be processed")
}

func TestRetriesCountsDelays(t *testing.T) {
	provider := &counting{}
	queue := newCounted("kitchen", provider)
	defer queue.ShutDown()
	queue.AddAfter("tea", time.Hour)
	queue.AddAfter("tea", time.Hour)
	assert.EqualValues(t, 2, provider.retry.Load(), "no failure, and one of them is merged")
	assert.Zero(t, provider.adds.Load())
}

// firstProvider is the provider of this process: there is one, and none that comes later. asked is how often it was called
// for a queue that was there before it.
var firstProvider = sync.OnceValues(func() (provider *counting, asked int32) {
	provider = &counting{}
	early := newCounted("early", nil)
	defer early.ShutDown()
	workqueue.SetProvider(provider)
	early.Add("tea")
	return provider, provider.made.Load() + provider.adds.Load() + provider.depth.Load()
})

func TestSetProviderOnce(t *testing.T) {
	first, _ := firstProvider()
	second := &counting{}
	workqueue.SetProvider(second) // ignored, silently
	before := first.made.Load()
	defer newCounted("kitchen", nil).ShutDown()
	assert.Equal(t, before+7, first.made.Load())
	assert.Zero(t, second.made.Load())
}

// A queue takes its provider when it is made.
func TestSetProviderTooLate(t *testing.T) {
	first, asked := firstProvider()
	assert.Zero(t, asked)
	before := first.adds.Load()
	queue := newCounted("late", nil)
	defer queue.ShutDown()
	queue.Add("tea")
	assert.Equal(t, before+1, first.adds.Load(), "a queue that is made afterwards has it")
}

// tickerClock tells whether its tickers were stopped.
type tickerClock struct {
	clock.RealClock
	running atomic.Int32
}

type countedTicker struct {
	clock.Ticker
	running *atomic.Int32
}

func (c *tickerClock) NewTicker(d time.Duration) clock.Ticker {
	c.running.Add(1)
	return countedTicker{c.RealClock.NewTicker(d), &c.running}
}

func (c countedTicker) Stop() { c.running.Add(-1) }

// ShutDownWithDrain is the innermost layer's: the goroutine for the delays, and its ticker, go on for up to 10 seconds.
func TestDrainLeavesTheDelaysRunning(t *testing.T) {
	for _, shutDown := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) { // this clock is the bubble's
			clock := &tickerClock{}
			queue := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{Clock: clock})
			queue.ShutDownWithDrain()
			<-time.After(10*time.Second - 1)
			assert.EqualValues(t, 1, clock.running.Load())
			if shutDown {
				queue.ShutDown()
				assert.Zero(t, clock.running.Load())
				return
			}
			<-time.After(1)
			synctest.Wait() // the goroutine has ended: else it would be a deadlock here
		})
	}
}

// What is delayed when the queue is shut down never comes, and ShutDownWithDrain does not wait for it either.
func TestDelayedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newCounted("", nil)
		queue.AddAfter("tea", time.Second)
		synctest.Wait() // it has reached the goroutine for the delays
		queue.ShutDownWithDrain()
		<-time.After(time.Minute)
		assert.Zero(t, queue.Len())
		_, shutdown := queue.Get()
		assert.True(t, shutdown)
		queue.ShutDown()
	})
}

// Without Done, ShutDownWithDrain never returns. ShutDown sets it free.
func TestDrainWaitsForDoneForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newCounted("", nil)
		queue.Add("tea")
		_, _ = queue.Get()
		returned := false
		go func() { queue.ShutDownWithDrain(); returned = true }()
		<-time.After(24 * time.Hour)
		assert.False(t, returned)
		queue.ShutDown()
		synctest.Wait()
		assert.True(t, returned, "ShutDown ends the waiting")
	})
}

// ShutDown of a queue with delays does something once only. After that, nothing but Done ends ShutDownWithDrain.
func TestShutDownSetsFreeOnlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newCounted("", nil)
		queue.Add("tea")
		_, _ = queue.Get()
		queue.ShutDown()
		returned := false
		go func() { queue.ShutDownWithDrain(); returned = true }()
		synctest.Wait()
		queue.ShutDown()
		synctest.Wait()
		assert.False(t, returned)
		queue.Done("tea")
		synctest.Wait()
		assert.True(t, returned)
	})
}

func TestQueueCannotBeOpenedAgain(t *testing.T) {
	queue := newCounted("", nil)
	queue.ShutDown()
	queue.Add("tea")
	assert.Zero(t, queue.Len())
	assert.True(t, queue.ShuttingDown())
	_, shutdown := queue.Get()
	assert.True(t, shutdown)
}

// A worker's panic is logged, and then ends the program all the same.
func TestHandleCrash(t *testing.T) {
	var logged bytes.Buffer
	ctx := klog.NewContext(t.Context(), textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(&logged))))
	assert.PanicsWithValue(t, "no eggs", func() {
		defer utilruntime.HandleCrashWithContext(ctx)
		panic("no eggs")
	})
	assert.Contains(t, logged.String(), "no eggs")
}

// If the informer does not start, the queue's goroutines end all the same: one that stays is a deadlock in this bubble.
func TestTimelineEndsItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(quiet(t))
		cancel()
		require.ErrorIs(t, timeline(ctx, newFake(), labNamespace, io.Discard), context.Canceled)
	})
}
