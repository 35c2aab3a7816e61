package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// version is a pod as the API server would send it: a name and a resourceVersion.
func version(name, resourceVersion string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: resourceVersion}}
}

// deltaFIFO puts the same input into the queue that informers had by default until v0.32, and into the one they have now.
func deltaFIFO(_ context.Context, out io.Writer) error {
	for _, play := range []struct {
		title string
		input func(cache.Queue) error // what the reflector calls
	}{
		{"a list", func(q cache.Queue) error { return q.Replace([]any{version("cup", "1"), version("pan", "2")}, "2") }},
		{"six events, before anything is popped", func(q cache.Queue) error {
			return errors.Join(
				q.Update(version("cup", "3")),
				q.Add(version("kettle", "4")),
				q.Update(version("cup", "5")),
				q.Delete(version("kettle", "6")),
				q.Update(version("pan", "7")),
				q.Delete(version("ghost", "8")), // of which the store has never heard
			)
		}},
		{"a list without pan; an update of cup waits", func(q cache.Queue) error {
			return errors.Join(q.Update(version("cup", "9")), q.Replace([]any{version("cup", "9")}, "10"))
		}},
		{"resync; an update of cup waits", func(q cache.Queue) error {
			return errors.Join(q.Update(version("cup", "11")), q.Resync())
		}},
	} {
		fmt.Fprintf(out, "-- %s\n", play.title)
		for _, queue := range queues {
			// A store that has what the plays before this one have left.
			store := cache.NewStore(cache.DeletionHandlingMetaNamespaceKeyFunc)
			if play.title != "a list" {
				if err := store.Replace([]any{version("cup", "1"), version("pan", "2")}, "2"); err != nil {
					return err
				}
			}
			q := queue.make(store)
			if err := play.input(q); err != nil {
				return err
			}
			q.Close() // so that Pop ends, instead of waiting for more
			for {
				popped, err := q.Pop(func(any, bool) error { return nil })
				if err != nil {
					break // cache.ErrFIFOClosed: it is empty
				}
				fmt.Fprintf(out, "%-10s pops %s\n", queue.name, describeDeltas(popped.(cache.Deltas)))
			}
		}
	}
	fmt.Fprintf(out, "-- an informer of today has a %s\n", queueOfToday())
	return nil
}

// queueOfToday asks an informer for the name of its queue.
func queueOfToday() string {
	_, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: &cache.ListWatch{}, ObjectType: &corev1.Pod{}, Handler: cache.ResourceEventHandlerFuncs{},
	})
	return controller.HasSyncedChecker().Name()
}

var queues = []struct {
	name string
	make func(store cache.Store) cache.Queue
}{
	{"DeltaFIFO", func(store cache.Store) cache.Queue {
		return cache.NewDeltaFIFOWithOptions(cache.DeltaFIFOOptions{
			KnownObjects:          store, // it looks into the store, so the store must not change meanwhile: one lock for both
			EmitDeltaTypeReplaced: true,
		})
	}},
	{"RealFIFO", func(cache.Store) cache.Queue { // it does not know the store
		return cache.NewRealFIFOWithOptions(cache.RealFIFOOptions{AtomicEvents: true, UnlockWhileProcessing: true, EmitDeltaTypeBookmark: true})
	}},
}

// describeDeltas shows what one Pop returns: for DeltaFIFO everything that waited for one key, for RealFIFO one thing.
func describeDeltas(deltas cache.Deltas) string {
	var all []string
	for _, delta := range deltas {
		switch object := delta.Object.(type) {
		case *corev1.Pod:
			all = append(all, fmt.Sprintf("%s %s@%s", delta.Type, object.Name, object.ResourceVersion))
		case cache.DeletedFinalStateUnknown:
			all = append(all, fmt.Sprintf("%s %s (a tombstone)", delta.Type, object.Key))
		case cache.ReplacedAllInfo:
			var names []string
			for _, pod := range object.Objects {
				names = append(names, pod.(*corev1.Pod).Name)
			}
			all = append(all, fmt.Sprintf("%s [%s]", delta.Type, strings.Join(names, " ")))
		default:
			all = append(all, string(delta.Type))
		}
	}
	return strings.Join(all, ", ")
}
