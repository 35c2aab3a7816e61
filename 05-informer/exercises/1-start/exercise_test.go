package start

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaOrder    = "StartWithContext starts the informers that the factory has been asked for. One that it has not is never started, nothing waits for it, and its cache stays empty"
	ideaOnce     = "HasSynced asks once; wait with cache.WaitFor"
	ideaHandler  = "the cache is synced before the handler: between the two lies the buffer in front of the handler. Wait for its HasSyncedChecker, too"
	ideaShutdown = "cancel only tells the goroutines to end; Shutdown waits until they have"
	ideaCancel   = "Shutdown only waits: without cancel before it, it waits for ever. The last defer runs first"
)

func pod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: corev1.PodSpec{
			SchedulingGates: []corev1.PodSchedulingGate{{Name: "example.com/never"}}, // it runs nowhere
			Containers:      []corev1.Container{{Name: "main", Image: "tea"}},
		},
	}
}

// lifetime is how long a caller waits. The clock in these tests is that of a synctest bubble: it jumps ahead whenever
// every goroutine waits, so that an hour takes no time.
const lifetime = time.Hour

// inBubble calls f with a context that ends after a lifetime, and sees to it that nothing is left running.
func inBubble(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), lifetime)
		defer time.Sleep(lifetime) // the bubble's clock stops when this function ends: let handlers that are slow finish
		defer cancel()
		f(t, ctx)
	})
}

// started calls ready. What it starts ends with ctx.
func started(ctx context.Context, client kubernetes.Interface, heard func(*corev1.Pod)) (string, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace("shop"))
	lister, err := ready(ctx, factory, "shop", heard)
	if err != nil {
		return "", err
	}
	_, err = lister.Get("kettle")
	return fmt.Sprintf("kettle: %t", err == nil), nil
}

// ideaOf is the idea for what ready has returned: an error before ctx has ended comes of who does not wait.
func ideaOf(ctx context.Context, err error) string {
	if err != nil && ctx.Err() == nil {
		return ideaOnce
	}
	return ideaOrder
}

func TestStep1Order(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		found, err := started(ctx, fake.NewClientset(pod("kettle")), func(*corev1.Pod) {})
		if err != nil || found != "kettle: true" {
			labtest.Unexpected(t, fmt.Sprintf("when ready returns, the pod is in the cache: %s; error: %v", found, err), "kettle: true", ideaOf(ctx, err))
		}
	})
}

func TestStep2Handler(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		var heard atomic.Int32
		_, err := started(ctx, fake.NewClientset(pod("kettle"), pod("cup"), pod("pan")), func(*corev1.Pod) {
			time.Sleep(time.Second) // the bubble's clock: a handler that is a second slower than the cache
			heard.Add(1)
		})
		if err != nil {
			labtest.Unexpected(t, fmt.Sprintf("error: %v", err), "no error", ideaOf(ctx, err))
		}
		if n := heard.Load(); n != 3 {
			labtest.Unexpected(t, fmt.Sprintf("when ready returned, the handler had heard of %d pods", n), "of all 3 that were there", ideaHandler)
		}
	})
}

func TestStep2Limit(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err := started(ctx, fake.NewClientset(pod("kettle")), func(*corev1.Pod) { time.Sleep(10 * time.Minute) })
		if err == nil {
			labtest.Unexpected(t, "the context ended before the handler had heard of anything, and ready returned no error", "an error",
				"cache.WaitFor says true when it has seen what it waited for, and false when the context ended before")
		}
	})
}

func TestStep3Names(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		client := fake.NewClientset(pod("kettle"), pod("cup"), pod("pan"), pod("bowl"), pod("glass"))
		factory := informers.NewSharedInformerFactory(client, 0)
		lister := factory.Core().V1().Pods().Lister().Pods("shop")
		factory.StartWithContext(ctx)
		factory.WaitForCacheSyncWithContext(ctx)
		synctest.Wait()
		client.ClearActions()
		got, err := names(lister)
		if seen, want := strings.Join(got, " "), "bowl cup glass kettle pan"; err != nil || seen != want {
			labtest.Unexpected(t, fmt.Sprintf("%q, error: %v", seen, err), fmt.Sprintf("%q", want), "a lister reads memory, where nothing has an order")
		}
	})
}

// The same on a real API server.
func TestStep3RealServer(t *testing.T) {
	config := rest.CopyConfig(labtest.Cluster(t))
	namespace := labtest.Namespace(t, labtest.CoreClient(t, config))
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, name := range []string{"kettle", "cup"} {
		p := pod(name)
		p.Namespace = namespace
		err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			_, err := client.CoreV1().Pods(namespace).Create(ctx, p, metav1.CreateOptions{})
			if apierrors.IsForbidden(err) { // a new namespace has no ServiceAccount for its pods yet
				return false, nil
			}
			return true, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var heard atomic.Int32
	seen := "read was not called"
	err = Follow(ctx, client, namespace, func(*corev1.Pod) { heard.Add(1) }, func(names []string) {
		seen = fmt.Sprintf("%s; heard of: %d", strings.Join(names, " "), heard.Load())
		cancel() // how Follow ends without that is the matter of step 4
	})
	if want := "cup kettle; heard of: 2"; err != nil || seen != want {
		labtest.Unexpected(t, fmt.Sprintf("%s; error: %v", seen, err), want, ideaHandler)
	}
}

func TestStep4Shutdown(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		client := fake.NewClientset(pod("kettle"))
		began := time.Now()
		var calls, running atomic.Int32
		err := Follow(ctx, client, "shop", func(p *corev1.Pod) {
			calls.Add(1)
			if p.Name == "late" {
				running.Add(1)
				time.Sleep(time.Minute) // the bubble's clock
				running.Add(-1)
			}
		}, func([]string) {
			synctest.Wait() // until the fake's watch is open: what is added before that is lost
			if _, err := client.CoreV1().Pods("shop").Create(ctx, pod("late"), metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
			synctest.Wait() // until the handler hears of it
		})
		if n := calls.Load(); err != nil || n != 2 {
			labtest.Unexpected(t, fmt.Sprintf("the handler was called %d times; error: %v", n, err), "twice: for a pod that was there, and for one that was added", "the informer runs until Follow ends it")
		}
		if running.Load() != 0 {
			labtest.Unexpected(t, "Follow has returned, and the handler is still being called", "that no goroutine of the informer runs any more", ideaShutdown)
		}
		if time.Since(began) >= lifetime {
			labtest.Unexpected(t, "Follow hung until its caller's context ended, an hour later", "that it ends after read has returned", ideaCancel)
		}
	})
}
