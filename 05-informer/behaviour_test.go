package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubelabels "k8s.io/apimachinery/pkg/labels"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/features"
	"k8s.io/client-go/informers"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	listerscorev1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/metadata/metadatainformer"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	fcache "k8s.io/client-go/tools/cache/testing"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"client-go-lab/internal/chapter"
)

// The tests of this file are about informers, and not about the steps: what the table "What happens when" in README.md
// says, and where the fake clientset differs. Most of them stop the clock: in a synctest bubble it jumps ahead whenever
// every goroutine waits.

// startInformer runs an informer of pods over a source that has real resourceVersions.
func startInformer(t *testing.T, source cache.ListerWatcher, handler cache.ResourceEventHandler) cache.SharedIndexInformer {
	t.Helper()
	informer := cache.NewSharedIndexInformerWithOptions(source, &corev1.Pod{}, cache.SharedIndexInformerOptions{})
	registration, err := informer.AddEventHandler(handler)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		informer.RunWithContext(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	require.True(t, cache.WaitFor(t.Context(), "", registration.HasSyncedChecker()))
	return informer
}

// listWatch hides from the reflector that the source knows no watch-list.
func listWatch(source *fcache.FakeControllerSource) cache.ListerWatcher {
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(_ context.Context, options metav1.ListOptions) (kruntime.Object, error) {
			return source.List(options)
		},
		WatchFuncWithContext: func(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return source.Watch(options)
		},
	}, fake.NewClientset())
}

// A relist swaps the store first, in one go. A handler that looks into the store sees the end, and not the way there.
func TestRelistSwapsTheStoreFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := fcache.NewFakeControllerSource()
		t.Cleanup(source.Shutdown)
		cup, pan := version("cup", ""), version("pan", "")
		source.Add(cup)
		source.Add(pan)
		var said []string
		var informer cache.SharedIndexInformer
		note := func(what string, object any) {
			if informer == nil {
				return // the first list
			}
			keys := informer.GetStore().ListKeys()
			slices.Sort(keys)
			name, err := cache.DeletionHandlingObjectToName(object)
			require.NoError(t, err)
			said = append(said, fmt.Sprintf("%s %s; in the store: %v", what, name, keys))
		}
		informer = startInformer(t, listWatch(source), cache.ResourceEventHandlerFuncs{
			AddFunc:    func(object any) { note("add", object) },
			UpdateFunc: func(_, object any) { note("update", object) },
			DeleteFunc: func(object any) {
				tombstone, ok := object.(cache.DeletedFinalStateUnknown)
				assert.True(t, ok)
				assert.Equal(t, "cup", tombstone.Obj.(*corev1.Pod).Name)
				note("delete", object)
			},
		})
		source.DeleteDropWatch(cup) // nobody is told
		source.AddDropWatch(version("mug", ""))
		source.ResetWatch() // and the source forgets it
		synctest.Wait()
		time.Sleep(time.Minute) // the bubble's clock: past the reflector's backoff, in no time
		synctest.Wait()
		require.Len(t, said, 3)
		assert.Equal(t, "delete cup; in the store: [mug pan]", said[0], "deletes first")
		assert.ElementsMatch(t, []string{"add mug; in the store: [mug pan]", "update pan; in the store: [mug pan]"}, said[1:])
	})
}

// The client itself asks for the end of its watches, after 5 to 10 minutes: that is why they end in good order.
func TestWatchesAskToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := fcache.NewFakeControllerSource()
		t.Cleanup(source.Shutdown)
		var seconds atomic.Int64
		startInformer(t, cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
			ListWithContextFunc: func(_ context.Context, options metav1.ListOptions) (kruntime.Object, error) {
				return source.List(options)
			},
			WatchFuncWithContext: func(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
				seconds.Store(*options.TimeoutSeconds)
				return source.Watch(options)
			},
		}, fake.NewClientset()), cache.ResourceEventHandlerFuncs{})
		synctest.Wait()
		assert.GreaterOrEqual(t, seconds.Load(), int64(300))
		assert.LessOrEqual(t, seconds.Load(), int64(600))
	})
}

// The queue is RealFIFO, and no gate brings DeltaFIFO back.
func TestQueue(t *testing.T) {
	assert.Equal(t, "RealFIFO *v1.Pod", queueOfToday())
	if os.Getenv("KUBE_FEATURE_InOrderInformers") != "" {
		assert.True(t, features.FeatureGates().Enabled(features.InOrderInformers), "locked")
		return
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestQueue$")
	again.Env = append(os.Environ(), "KUBE_FEATURE_InOrderInformers=false")
	output, err := again.CombinedOutput()
	require.NoError(t, err, string(output))
}

// All that DeltaFIFO ever merged: a deletion after a deletion. RealFIFO does not even do that.
func TestWhatDeltaFIFOMerges(t *testing.T) {
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	for i, want := range []int{3, 4} {
		queue := queues[i].make(store)
		require.NoError(t, errors.Join(queue.Add(version("cup", "1")), queue.Update(version("cup", "2")),
			queue.Delete(version("cup", "3")), queue.Delete(version("cup", "3"))))
		queue.Close()
		n := 0
		for {
			popped, err := queue.Pop(func(any, bool) error { return nil })
			if err != nil {
				break
			}
			n += len(popped.(cache.Deltas))
		}
		assert.Equal(t, want, n, queues[i].name)
	}
}

// A batch has at most 1,000 deltas, of different objects, and of kinds that go together.
func TestBatches(t *testing.T) {
	queue := queues[1].make(nil).(*cache.RealFIFO)
	var sizes []int
	pop := func() {
		require.NoError(t, queue.PopBatch(
			func(deltas []cache.Delta, _ bool) error { sizes = append(sizes, len(deltas)); return nil },
			func(any, bool) error { sizes = append(sizes, 1); return nil }))
	}
	for i := range 1500 {
		require.NoError(t, queue.Add(version(fmt.Sprint(i), "1")))
	}
	pop()
	pop()
	assert.Equal(t, []int{1000, 500}, sizes)

	sizes = nil
	require.NoError(t, errors.Join(queue.Add(version("a", "1")), queue.Add(version("b", "2")), queue.Update(version("a", "3")), queue.Resync()))
	pop()
	pop()
	pop()
	assert.Equal(t, []int{2, 1, 1}, sizes, "a and b; a again; the resync by itself")
}

// While a batch is processed the reflector may add to the queue, as long as fewer than 2,000 deltas wait. Beyond that it
// has to wait until the batch is done.
func TestBackPressure(t *testing.T) {
	for _, c := range []struct {
		waiting int
		blocked bool
	}{{1999, false}, {2000, true}} {
		queue := queues[1].make(nil).(*cache.RealFIFO)
		for range c.waiting + 1 { // one object: batches of one
			require.NoError(t, queue.Update(version("cup", "1")))
		}
		var added atomic.Bool
		done := make(chan struct{})
		require.NoError(t, queue.PopBatch(nil, func(any, bool) error {
			go func() {
				defer close(done)
				assert.NoError(t, queue.Update(version("cup", "2")))
				added.Store(true)
			}()
			if !c.blocked {
				<-done // it would never come if it had to wait for us
				return nil
			}
			require.Eventually(t, func() bool { return added.Load() || waitsForLock("cache.(*RealFIFO).Update") }, 10*time.Second, time.Millisecond)
			assert.False(t, added.Load())
			return nil
		}))
		<-done
		assert.True(t, added.Load())
	}
}

// waitsForLock says whether a goroutine waits for a lock in a function of such a name.
func waitsForLock(function string) bool {
	stacks := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		state, calls, _ := strings.Cut(stack, "\n")
		if strings.Contains(state, "Mutex.") && strings.Contains(calls, function) {
			return true
		}
	}
	return false
}

// panickingHandler in the environment makes the test binary run an informer whose handler panics.
const panickingHandler = "CHAPTER_05_PANIC"

func panicInHandler() {
	source := fcache.NewFakeControllerSource()
	source.Add(version("cup", ""))
	informer := cache.NewSharedIndexInformerWithOptions(listWatch(source), &corev1.Pod{}, cache.SharedIndexInformerOptions{})
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) { panic("a handler's mistake") }})
	if err != nil {
		return
	}
	informer.RunWithContext(context.Background()) // never returns
}

func TestHandlerPanicEndsTheProcess(t *testing.T) {
	program := exec.CommandContext(t.Context(), os.Args[0])
	program.Env = append(os.Environ(), panickingHandler+"=1")
	output, err := program.CombinedOutput()
	require.ErrorAs(t, err, new(*exec.ExitError))
	assert.Equal(t, 2, program.ProcessState.ExitCode())
	assert.Contains(t, string(output), "panic: a handler's mistake")
}

// The mutation detector ends the process, too, and says what changed.
func TestMutationDetector(t *testing.T) {
	_, kubeconfig := serve(t, "lab")
	program := exec.CommandContext(t.Context(), os.Args[0], "sharing", "-kubeconfig", kubeconfig)
	program.Env = append(os.Environ(), "LAB_TEST_AS_PROGRAM=1", detectorVariable+"=true")
	output, err := program.CombinedOutput()
	require.ErrorAs(t, err, new(*exec.ExitError))
	assert.Contains(t, string(output), "CACHE *v1.Pod[0] ALTERED!")
	assert.Contains(t, string(output), "panic: cache *v1.Pod modified")
}

// A refusal that is no 429 and no refused connection makes the reflector read everything again. Step relist shows a 503.
func TestRefusedWatchRelists(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for _, refusal := range []*apierrors.StatusError{
		apierrors.NewInternalError(errors.New("out of order")),
		apierrors.NewForbidden(pods, "", errors.New("no role lets you")),
		apierrors.NewNotFound(pods, ""),
	} {
		t.Run(string(refusal.ErrStatus.Reason), func(t *testing.T) {
			t.Parallel()
			_, kubeconfig := serve(t, "lab")
			conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
			require.NoError(t, err)
			var out strings.Builder
			require.NoError(t, play(t.Context(), conn.config, labNamespace, nil, func(s *scene) {
				s.paint("cup", "blue")
				s.show(1)
				s.cut(withStatus(refusal))
				s.show(5)
				s.showAny(2)
			}, &out))
			assert.Equal(t, `  handler: update cup: colour "blue"
  log:     Watch close
  request: WATCH from where it was
  log:     Failed to watch
  log:     Listing and watching
  request: WATCH, all that is there first, from where it was
  handler: update cup, to the same resourceVersion
  handler: update pan, to the same resourceVersion
`, out.String())
		})
	}
}

// With LIST, which is what the fake clientset leaves to an informer, a transform is called once for each object. Step
// filter shows that it is twice with watch-list.
func TestTransformOfAListIsCalledOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var calls atomic.Int32
	factory := informers.NewSharedInformerFactoryWithOptions(fake.NewClientset(version("cup", ""), version("pan", "")), 0,
		informers.WithTransform(func(object any) (any, error) { calls.Add(1); return object, nil }))
	defer factory.Shutdown()
	defer cancel()
	factory.Core().V1().Pods().Informer()
	factory.StartWithContext(ctx)
	require.NoError(t, factory.WaitForCacheSyncWithContext(ctx).AsError())
	assert.EqualValues(t, 2, calls.Load())
}

// A factory starts what it was asked for before, and no more. What comes later waits for the next start.
func TestStartKnowsOnlyWhatWasAskedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := fake.NewClientset(version("cup", ""))
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0)
	defer factory.Shutdown()
	defer cancel()
	pods := factory.Core().V1().Pods()
	factory.StartWithContext(ctx)
	require.NoError(t, factory.WaitForCacheSyncWithContext(ctx).AsError(), "there is nothing to wait for")
	lister := pods.Lister()
	_, err := lister.Pods("").Get("cup")
	assert.True(t, apierrors.IsNotFound(err))

	factory.StartWithContext(ctx)
	require.NoError(t, factory.WaitForCacheSyncWithContext(ctx).AsError())
	_, err = lister.Pods("").Get("cup")
	assert.NoError(t, err)

	factory.StartWithContext(ctx) // once more: what runs is left alone
	client.ClearActions()
	factory.Core().V1().ConfigMaps().Informer()
	factory.StartWithContext(ctx)
	require.NoError(t, factory.WaitForCacheSyncWithContext(ctx).AsError())
	var lists []string // not the watches: the one of the pods may come only now
	for _, action := range client.Actions() {
		if action.GetVerb() == "list" {
			lists = append(lists, action.GetResource().Resource)
		}
	}
	assert.Equal(t, []string{"configmaps"}, lists)
}

// Shutdown waits for informers to end. It does not end them.
func TestShutdownOnlyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		factory := informers.NewSharedInformerFactoryWithOptions(fake.NewClientset(), 0)
		factory.Core().V1().Pods().Informer()
		factory.StartWithContext(ctx)
		var ended atomic.Bool
		go func() {
			factory.Shutdown()
			ended.Store(true)
		}()
		synctest.Wait() // nothing will happen any more
		assert.False(t, ended.Load())
		cancel()
		synctest.Wait()
		assert.True(t, ended.Load())
	})
}

// An informer that may not list tries for ever, and logs why. A step does not wait as long, and says what to look for.
func TestNotSyncedIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, kruntime.Object, error) {
			return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no"))
		})
		var log bytes.Buffer // the informer is stopped when it is read
		ctx := klog.NewContext(t.Context(), textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(&log))))
		err := events(ctx, client, labNamespace, t.Output())
		assert.ErrorIs(t, err, errNotSynced)
		assert.ErrorContains(t, err, "wait for the first list of pods: failed to sync all caches: *v1.Pod: nothing in 30 s")
		assert.Contains(t, log.String(), `"Failed to watch" err="`)
		assert.Contains(t, log.String(), "pods is forbidden: no")
	})
}

// Two tweaks are not combined: the last one wins.
func TestLastTweakWins(t *testing.T) {
	var seen metav1.ListOptions
	client := fake.NewClientset()
	client.PrependReactor("list", "pods", func(action clienttesting.Action) (bool, kruntime.Object, error) {
		seen = action.(clienttesting.ListActionImpl).ListOptions
		return false, nil, nil
	})
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.LabelSelector = "drink=tea" }),
		informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.FieldSelector = "metadata.name=cup" }))
	ctx, cancel := context.WithCancel(t.Context())
	defer factory.Shutdown()
	defer cancel()
	factory.Core().V1().Pods().Informer()
	factory.StartWithContext(ctx)
	require.NoError(t, factory.WaitForCacheSyncWithContext(ctx).AsError())
	assert.Equal(t, "metadata.name=cup", seen.FieldSelector)
	assert.Empty(t, seen.LabelSelector)
}

// An index function cannot fail: the store panics. And a name can be given once.
func TestIndexFunctions(t *testing.T) {
	failing := cache.Indexers{"bad": func(any) ([]string, error) { return nil, errors.New("no idea") }}
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, failing)
	assert.Panics(t, func() { _ = store.Add(version("cup", "1")) })
	assert.ErrorContains(t, store.AddIndexers(failing), "indexer conflict")
}

// NewInformerWithOptions has one handler and no buffer before it: a handler that is slow holds the loop up, and with it the
// store. A shared informer's does not: see the step "slow".
func TestUnsharedHandlerHoldsTheStoreUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := fcache.NewFakeControllerSource()
		t.Cleanup(source.Shutdown)
		goOn := make(chan struct{})
		store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
			ListerWatcher: listWatch(source), ObjectType: &corev1.Pod{},
			Handler: cache.ResourceEventHandlerFuncs{AddFunc: func(any) { <-goOn }},
		})
		ctx, cancel := context.WithCancel(t.Context())
		go controller.RunWithContext(ctx)
		synctest.Wait()
		for _, name := range []string{"cup", "pan"} {
			source.Add(version(name, ""))
			synctest.Wait()
		}
		assert.Equal(t, []string{"cup"}, store.ListKeys())
		close(goOn)
		synctest.Wait()
		assert.Len(t, store.ListKeys(), 2)
		cancel()
		synctest.Wait()
	})
}

// A tombstone may have nothing but a name.
func TestTombstoneWithoutObject(t *testing.T) {
	pod := informersv1.DeletedPod{FinalStateUnknown: &cache.DeletedFinalStateUnknown{Key: "kitchen/cup"}}
	assert.Equal(t, cache.NewObjectName("kitchen", "cup"), pod.GetObjectName())
	assert.Equal(t, "kitchen/cup", pod.GetKey())
	assert.Equal(t, "cup", pod.GetName())
	_, err := cache.MetaNamespaceKeyFunc(*pod.FinalStateUnknown)
	assert.Error(t, err, "the usual key function does not know tombstones")
	s := &scene{feed: newFeed(t.Context())}
	s.handler().OnDelete(pod)
	assert.Equal(t, "  handler: delete cup, a tombstone", <-s.lines)
}

// Resyncs come once a second at most, whatever was asked for.
func TestShortestResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := fcache.NewFakeControllerSource()
		t.Cleanup(source.Shutdown)
		source.Add(version("cup", ""))
		informer := cache.NewSharedIndexInformerWithOptions(listWatch(source), &corev1.Pod{}, cache.SharedIndexInformerOptions{ResyncPeriod: time.Hour})
		var updates atomic.Int32
		short := time.Millisecond
		_, err := informer.AddEventHandlerWithOptions(cache.ResourceEventHandlerFuncs{UpdateFunc: func(before, after any) { updates.Add(1) }},
			cache.HandlerOptions{ResyncPeriod: &short, Logger: &klog.Logger{}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		go informer.RunWithContext(ctx)
		time.Sleep(3500 * time.Millisecond) // the bubble's clock
		synctest.Wait()
		assert.EqualValues(t, 3, updates.Load())
		cancel()
		synctest.Wait()
	})
}

// A handler that comes after the start has to do with the informer's resync period.
func TestLateHandlerResyncsNoSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := fcache.NewFakeControllerSource()
		t.Cleanup(source.Shutdown)
		source.Add(version("cup", ""))
		hour, second := time.Hour, time.Second
		informer := cache.NewSharedIndexInformerWithOptions(listWatch(source), &corev1.Pod{}, cache.SharedIndexInformerOptions{ResyncPeriod: hour})
		add := func(period time.Duration) *atomic.Int32 {
			var updates atomic.Int32
			_, err := informer.AddEventHandlerWithOptions(cache.ResourceEventHandlerFuncs{UpdateFunc: func(before, after any) { updates.Add(1) }},
				cache.HandlerOptions{ResyncPeriod: &period, Logger: &klog.Logger{}})
			require.NoError(t, err)
			return &updates
		}
		add(hour)
		ctx, cancel := context.WithCancel(t.Context())
		go informer.RunWithContext(ctx)
		synctest.Wait()
		late := add(second)
		time.Sleep(30 * time.Minute) // the bubble's clock
		synctest.Wait()
		assert.Zero(t, late.Load())
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.EqualValues(t, 2, late.Load())
		cancel()
		synctest.Wait()
	})
}

// The old way to wait asks every 100 ms.
func TestWaitForCacheSyncPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asked []time.Duration
		require.True(t, cache.WaitForCacheSync(t.Context().Done(), func() bool {
			asked = append(asked, time.Since(began))
			return len(asked) == 3
		}))
		assert.Equal(t, []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond}, asked)
	})
}

// looks is a selector that counts the objects that it is asked about.
type looks struct {
	kubelabels.Selector
	n int
}

func (l *looks) Matches(set kubelabels.Labels) bool {
	l.n++
	return l.Selector.Matches(set)
}

// A lister has no index of labels: it looks at every object of the namespace.
func TestListerScans(t *testing.T) {
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, place := range []string{"kitchen", "shop"} {
		for _, name := range []string{"cup", "pan", "mug"} {
			pod := version(name, "1")
			pod.Namespace, pod.Labels = place, map[string]string{"name": name}
			require.NoError(t, store.Add(pod))
		}
	}
	selector := &looks{Selector: kubelabels.SelectorFromSet(kubelabels.Set{"name": "cup"})}
	found, err := listerscorev1.NewPodLister(store).Pods("kitchen").List(selector)
	require.NoError(t, err)
	assert.Len(t, found, 1)
	assert.Equal(t, 3, selector.n)
}

// The key of what is in no namespace is its name.
func TestKeyWithoutNamespace(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "shelf"}}
	key, err := cache.MetaNamespaceKeyFunc(node)
	require.NoError(t, err)
	assert.Equal(t, "shelf", key)
	assert.Equal(t, key, cache.MetaObjectToName(node).String())
}

// Indexes may be added to a store that has objects.
func TestIndexersMayComeLater(t *testing.T) {
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	require.NoError(t, store.Add(version("cup", "1")))
	require.NoError(t, store.AddIndexers(cache.Indexers{"version": func(object any) ([]string, error) {
		return []string{object.(*corev1.Pod).ResourceVersion}, nil
	}}))
	found, err := store.ByIndex("version", "1")
	require.NoError(t, err)
	assert.Len(t, found, 1)
}

// The keys of an index come sorted; nothing says that they have to.
func TestIndexKeysAreSorted(t *testing.T) {
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{"all": func(any) ([]string, error) { return []string{"here"}, nil }})
	for i := range 100 {
		require.NoError(t, store.Add(version(fmt.Sprint(i), "1")))
	}
	keys, err := store.IndexKeys("all", "here")
	require.NoError(t, err)
	assert.Len(t, keys, 100)
	assert.True(t, slices.IsSorted(keys))
}

// Nothing lies between the goroutine that decodes and the one that takes: the channel has no buffer.
func TestStreamIsUnbuffered(t *testing.T) {
	stream := watch.NewStreamWatcher(endless{}, nil)
	defer stream.Stop()
	assert.Zero(t, cap(stream.ResultChan()))
}

// endless is a stream of which every event is the same.
type endless struct{}

func (endless) Decode() (watch.EventType, kruntime.Object, error) {
	return watch.Added, version("cup", "1"), nil
}
func (endless) Close() {}

// The controller of a shared informer cannot be run.
func TestControllerIsADummy(t *testing.T) {
	informer := cache.NewSharedIndexInformerWithOptions(listWatch(fcache.NewFakeControllerSource()), &corev1.Pod{}, cache.SharedIndexInformerOptions{})
	informer.GetController().RunWithContext(t.Context()) // returns at once
	assert.False(t, informer.HasSynced())
}

// The factories of kinds that are known by name only are started with a channel.
func TestStartWithChannel(t *testing.T) {
	for _, factory := range []reflect.Type{
		reflect.TypeFor[dynamicinformer.DynamicSharedInformerFactory](), reflect.TypeFor[metadatainformer.SharedInformerFactory](),
	} {
		_, ok := factory.MethodByName("StartWithContext")
		assert.False(t, ok, "change README.md: %s", factory)
	}
}

// Where the fake clientset lies.

// A ListWatch of your own over a fake clientset never syncs: the reflector asks for watch-list, and the fake's watch never
// sends the bookmark that ends the list. The client, given to ToListWatcherWithWatchListSemantics, tells it not to.
func TestFakeNeverSyncsByHand(t *testing.T) {
	for _, told := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			client := fake.NewClientset(version("cup", ""))
			own := &cache.ListWatch{
				ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (kruntime.Object, error) {
					return client.CoreV1().Pods("").List(ctx, options)
				},
				WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
					return client.CoreV1().Pods("").Watch(ctx, options)
				},
			}
			var source cache.ListerWatcher = own
			if told {
				source = cache.ToListWatcherWithWatchListSemantics(own, client)
			}
			informer := cache.NewSharedIndexInformerWithOptions(source, &corev1.Pod{}, cache.SharedIndexInformerOptions{})
			ctx, cancel := context.WithCancel(t.Context())
			go informer.RunWithContext(ctx)
			synctest.Wait() // everybody waits: nothing more will happen
			assert.Equal(t, told, informer.HasSynced())
			cancel()
			synctest.Wait()
		})
	}
}

// Without resourceVersions every update looks like a resync to the informer: it goes only to handlers that want resyncs,
// once the informer has had its first. TestStepsOnCluster/resync shows the truth: a change goes to every handler.
func TestFakeUpdateLooksLikeResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(version("cup", ""))
		factory := informers.NewSharedInformerFactoryWithOptions(client, time.Second)
		never := time.Duration(0)
		var wants, wantsNot atomic.Int32
		count := func(n *atomic.Int32) cache.ResourceEventHandler {
			return cache.ResourceEventHandlerFuncs{UpdateFunc: func(before, after any) {
				if before != after {
					n.Add(1)
				}
			}}
		}
		informer := factory.Core().V1().Pods().Informer()
		_, err := informer.AddEventHandler(count(&wants))
		require.NoError(t, err)
		_, err = informer.AddEventHandlerWithOptions(count(&wantsNot), cache.HandlerOptions{ResyncPeriod: &never})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		factory.StartWithContext(ctx)
		require.NoError(t, factory.WaitForCacheSyncWithContext(ctx).AsError())
		time.Sleep(1500 * time.Millisecond) // the bubble's clock: past the first resync
		synctest.Wait()

		changed := version("cup", "")
		changed.Labels = map[string]string{"colour": "blue"}
		_, err = client.CoreV1().Pods("").Update(ctx, changed, metav1.UpdateOptions{})
		require.NoError(t, err)
		synctest.Wait()
		assert.EqualValues(t, 1, wants.Load())
		assert.EqualValues(t, 0, wantsNot.Load(), "the fake has learnt resourceVersions: change README.md")
		cancel()
		factory.Shutdown()
	})
}

// addsBehindSelector makes a pod that a selector wants and one that it does not, while an informer watches.
func addsBehindSelector(t *testing.T, client kubernetes.Interface) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	feed := newFeed(ctx)
	factory := newFactory(client, labNamespace, informers.WithTweakListOptions(func(options *metav1.ListOptions) {
		options.LabelSelector = "drink=tea"
	}))
	defer factory.Shutdown()
	defer cancel()
	handler, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { feed.say("add %s", object.(*corev1.Pod).Name) },
	})
	require.NoError(t, err)
	factory.StartWithContext(ctx)
	require.True(t, cache.WaitFor(ctx, "", handler.HasSyncedChecker()))
	for _, drink := range []string{"coffee", "tea"} {
		pod := newPod(drink)
		pod.Labels["drink"] = drink
		_, err := create(ctx, client, labNamespace, pod)
		require.NoError(t, err)
	}
	var all []string
	for !slices.Contains(all, "add tea") { // the last one
		line, err := feed.next()
		require.NoError(t, err)
		all = append(all, line)
	}
	return all
}

// The fake clientset's watch ignores selectors. TestWatchHonoursSelectorsOnCluster shows the truth.
func TestFakeWatchIgnoresSelectors(t *testing.T) {
	assert.Equal(t, []string{"add coffee", "add tea"}, addsBehindSelector(t, fake.NewClientset()))
}

// Objects from the fake have no resourceVersion, so nobody can read their own writes. The step "fresh" needs a real server.
func TestFakeHasNoResourceVersions(t *testing.T) {
	made, err := fake.NewClientset().CoreV1().Pods("").Create(t.Context(), version("cup", ""), metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Empty(t, made.ResourceVersion)
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	require.NoError(t, store.Replace([]any{made}, "5"))
	_, err = asFreshAs(store, made)
	assert.ErrorContains(t, err, "resource version is not well formed")
}
