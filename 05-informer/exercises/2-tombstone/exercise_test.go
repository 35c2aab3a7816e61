package guests

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	fcache "k8s.io/client-go/tools/cache/testing"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaKey   = "what a DeleteFunc gets may be a tombstone, a cache.DeletedFinalStateUnknown: all that it surely has is the key"
	ideaOwn   = "the object in a tombstone is an old state, and may be nil: what you need from it, keep it yourself"
	ideaTyped = "GetObjectName works always; OptionalObj is an old state, and nil if the informer has not even that"
	ideaPanic = "a panic in a handler is not caught: it ends the process"
)

func pod(name, node string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.PodSpec{NodeName: node}}
}

// said calls f, and says what it told or with what it panicked.
func said(f func(tell func(string))) (all string) {
	var news []string
	defer func() {
		if r := recover(); r != nil {
			news = append(news, fmt.Sprint("panic: ", r))
		}
		all = cmp.Or(strings.Join(news, ", "), "nothing")
	}()
	f(func(n string) { news = append(news, n) })
	return ""
}

func check(t *testing.T, seen, expected, idea string) {
	t.Helper()
	if seen == expected {
		return
	}
	if strings.Contains(seen, "panic: ") {
		idea = ideaPanic + ". And " + idea
	}
	labtest.Unexpected(t, seen, expected, idea)
}

func TestStep1Key(t *testing.T) {
	for _, c := range []struct {
		what string
		obj  any
		want string
	}{
		{"a pod", pod("cup", "shelf"), "shop/cup"},
		{"a tombstone with a pod", cache.DeletedFinalStateUnknown{Key: "shop/cup", Obj: pod("cup", "shelf")}, "shop/cup"},
		{"a tombstone without a pod", cache.DeletedFinalStateUnknown{Key: "shop/cup"}, "shop/cup"},
		{"a tombstone with a nil pod", cache.DeletedFinalStateUnknown{Key: "shop/cup", Obj: (*corev1.Pod)(nil)}, "shop/cup"},
		{"a tombstone of what is in no namespace", cache.DeletedFinalStateUnknown{Key: "shelf"}, "shelf"},
		{"a string", "shop/cup", "an error"},
	} {
		check(t, said(func(tell func(string)) {
			key, err := keyOf(c.obj)
			switch {
			case err != nil && c.want != "an error":
				tell(fmt.Sprintf("keyOf(%s): error: %v", c.what, err))
			case err != nil:
				tell(fmt.Sprintf("keyOf(%s): an error", c.what))
			default:
				tell(fmt.Sprintf("keyOf(%s): %s", c.what, key))
			}
		}), fmt.Sprintf("keyOf(%s): %s", c.what, c.want), ideaKey)
	}
}

func TestStep2Left(t *testing.T) {
	key := cache.NewObjectName("shop", "cup")
	check(t, said(func(tell func(string)) {
		g := &Guests{Tell: tell}
		g.Saw(pod("cup", "shelf"))
		g.Saw(pod("cup", "table")) // it was made anew there
		g.Saw(pod("pan", "stove"))
		g.left(key)
	}), "shop/cup has left table", ideaOwn)
	check(t, said(func(tell func(string)) {
		g := &Guests{Tell: tell}
		g.Saw(pod("cup", "shelf"))
		g.left(key)
		g.left(key)
	}), "shop/cup has left shelf", "forget what is gone: else your map grows for ever, and tells old news; and a pod that is not in the map is no news")
	check(t, said(func(tell func(string)) {
		g := &Guests{Tell: tell}
		g.Saw(pod("cup", "")) // the scheduler has not found a node yet
		g.left(key)
		g.Saw(pod("cup", "shelf"))
		g.left(key)
	}), "shop/cup has left shelf", "a pod that was on no node has left none: that is no news")
	check(t, said(func(tell func(string)) {
		g := &Guests{Tell: tell}
		g.Saw(pod("cup", ""))
		g.left(key)
		if len(g.node) > 0 {
			tell("the map still has it")
		}
	}), "nothing", "forget a pod that was on no node, too: else your map grows for ever")
	check(t, said(func(tell func(string)) {
		(&Guests{Tell: tell}).left(key)
	}), "nothing", "a delete need not be of something that the handler was told of")
}

func TestStep2Tombstone(t *testing.T) {
	for _, obj := range []any{(*corev1.Pod)(nil), nil, pod("cup", "a node of old")} {
		check(t, said(func(tell func(string)) {
			g := &Guests{Tell: tell}
			g.Handler().OnAdd(pod("cup", "shelf"), true)
			g.Handler().OnDelete(cache.DeletedFinalStateUnknown{Key: "shop/cup", Obj: obj})
		}), "shop/cup has left shelf", ideaOwn)
	}
}

func TestStep3Typed(t *testing.T) {
	unknown := &cache.DeletedFinalStateUnknown{Key: "shop/cup"}
	for _, c := range []struct {
		what string
		pod  informersv1.DeletedPod
	}{
		{"a deleted pod", informersv1.DeletedPod{OptionalObj: pod("cup", "shelf")}},
		{"a tombstone with an old state", informersv1.DeletedPod{OptionalObj: pod("cup", "a node of old"), FinalStateUnknown: unknown}},
		{"a tombstone without a pod", informersv1.DeletedPod{FinalStateUnknown: unknown}},
	} {
		check(t, said(func(tell func(string)) {
			g := &Guests{Tell: func(news string) { tell(c.what + ": " + news) }}
			g.TypedHandler().OnAdd(pod("cup", "shelf"), true)
			g.TypedHandler().OnDelete(c.pod)
		}), c.what+": shop/cup has left shelf", ideaTyped)
	}
}

// A tombstone as it comes: the watch breaks, a pod is deleted meanwhile, and the server has forgotten it. And a pod that was
// deleted and made anew meanwhile: of that one no handler hears a delete, but an update, to an object with another UID.
func TestStep3Relist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := fcache.NewFakeControllerSource()
		defer source.Shutdown()
		informer := cache.NewSharedIndexInformerWithOptions(listWatch(source), &corev1.Pod{}, cache.SharedIndexInformerOptions{})
		var news []string
		var tombstones, madeAnew atomic.Int32
		tell := func(n string) { news = append(news, n) }
		untyped, typed := &Guests{Tell: func(n string) { tell("untyped: " + n) }}, &Guests{Tell: func(n string) { tell("typed: " + n) }}
		// One handler after the other, so that the order of the news is always the same; and a panic is caught.
		guard := func(f func()) {
			defer func() {
				if r := recover(); r != nil {
					tell(fmt.Sprint("panic: ", r))
				}
			}()
			f()
		}
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(obj any) {
				guard(func() { untyped.Handler().OnAdd(obj, true) })
				guard(func() { typed.TypedHandler().OnAdd(obj.(*corev1.Pod), true) })
			},
			UpdateFunc: func(before, after any) {
				if before.(*corev1.Pod).UID != after.(*corev1.Pod).UID {
					madeAnew.Add(1)
				}
				guard(func() { untyped.Handler().OnUpdate(before, after) })
				guard(func() { typed.TypedHandler().OnUpdate(before.(*corev1.Pod), after.(*corev1.Pod)) })
			},
			DeleteFunc: func(obj any) {
				deleted := informersv1.DeletedPod{}
				if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
					tombstones.Add(1)
					deleted.FinalStateUnknown = &tombstone
				} else {
					deleted.OptionalObj = obj.(*corev1.Pod)
				}
				guard(func() { untyped.Handler().OnDelete(obj) })
				guard(func() { typed.TypedHandler().OnDelete(deleted) })
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); informer.RunWithContext(ctx) }()
		defer func() { cancel(); <-ended }()

		cup, pan := pod("cup", "shelf"), pod("pan", "stove")
		glass, anew := pod("glass", "shelf"), pod("glass", "table")
		glass.UID, anew.UID = "1", "2"
		source.Add(cup)
		source.Add(pan)
		source.Add(glass)
		synctest.Wait()
		source.Delete(pan)
		synctest.Wait()
		source.DeleteDropWatch(cup)
		source.DeleteDropWatch(glass)
		source.AddDropWatch(anew)
		source.ResetWatch()
		time.Sleep(time.Minute) // the bubble's clock: past the reflector's backoff, in no time
		synctest.Wait()
		source.Delete(anew)
		synctest.Wait()
		if tombstones.Load() != 1 || madeAnew.Load() != 1 {
			t.Fatalf("this test is wrong: %d tombstones, %d pods made anew", tombstones.Load(), madeAnew.Load())
		}
		check(t, strings.Join(news, ", "),
			strings.Join([]string{
				"untyped: shop/pan has left stove", "typed: shop/pan has left stove",
				"untyped: shop/cup has left shelf", "typed: shop/cup has left shelf",
				"untyped: shop/glass has left table", "typed: shop/glass has left table",
			}, ", "), ideaKey)
	})
}

// listWatch hides from the reflector that the source knows no watch-list.
func listWatch(source *fcache.FakeControllerSource) cache.ListerWatcher {
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(_ context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return source.List(options)
		},
		WatchFuncWithContext: func(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return source.Watch(options)
		},
	}, fake.NewClientset())
}
