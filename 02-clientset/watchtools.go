package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// retryWatcher sees a change that happens between two streams. Each stream ends after a second.
func retryWatcher(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	version, err := kettleVersion(ctx, client, namespace)
	if err != nil {
		return err
	}
	var streams atomic.Int32 // the RetryWatcher counts in its own goroutine
	source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		if streams.Add(1) == 2 { // the first stream has ended, the second one is not there yet
			if err := setKettle(ctx, client, namespace, "hot"); err != nil {
				return nil, err
			}
		}
		seconds := int64(1)
		options.FieldSelector, options.TimeoutSeconds = kettle, &seconds
		return client.CoreV1().ConfigMaps(namespace).Watch(ctx, options) // options.ResourceVersion is where it was
	}}
	for _, from := range []string{"", "0"} { // "any state, then the changes": it could not tell where it stands
		if _, err := watchtools.NewRetryWatcherWithContext(ctx, from, source); err != nil {
			fmt.Fprintln(out, err)
		}
	}
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, version, source)
	if err != nil {
		return fmt.Errorf("make a RetryWatcher: %w", err)
	}
	defer func() { watcher.Stop(); <-watcher.Done() }() // Done: its goroutine has ended
	event, err := next(ctx, watcher)
	if err != nil {
		return err
	}
	if err := printEvent(event, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "in stream %d; bookmarks and ends of streams are not shown\n", streams.Load())
	return nil
}

// youngServer is what a step says where there can be no 410: etcd keeps revisions for some minutes.
const youngServer = "this server is so young that it still has revision 1: no 410 today, try again in ten minutes"

// retryWatcherTooLate goes on from the first resourceVersion there ever was. It watches Events, the one kind without a
// watch cache in the API server, so it depends on nothing but etcd's compaction.
func retryWatcherTooLate(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	watcher, err := watchtools.NewRetryWatcherWithContext(short, "1", eventsSource(client, namespace))
	if err != nil {
		return fmt.Errorf("make a RetryWatcher: %w", err)
	}
	defer func() { watcher.Stop(); <-watcher.Done() }()
	event, err := next(short, watcher)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil { // nothing came, for five seconds
		err = seeRevision1(ctx, client, namespace)
	}
	switch {
	case err != nil:
		return fmt.Errorf("watch Events from revision 1: %w", errors.Join(err, ctx.Err()))
	case event.Type != watch.Error:
		fmt.Fprintln(out, youngServer)
		return nil
	}
	if err := printEvent(event, out); err != nil {
		return err
	}
	err = apierrors.FromObject(event.Object) // makes an error of the *metav1.Status
	fmt.Fprintf(out, "IsResourceExpired %t, IsGone %t\n", apierrors.IsResourceExpired(err), apierrors.IsGone(err))
	if _, err := next(ctx, watcher); !errors.Is(err, errEnd) {
		return unexpected("read on after the 410", "the end of the stream", err)
	}
	fmt.Fprintln(out, "and then the channel is closed: what helps is a new list")
	return nil
}

// seeRevision1 returns an error if the server does not know its first revision any more, or does not answer. A watch that
// brings nothing is no proof: the server may be slow.
func seeRevision1(ctx context.Context, client kubernetes.Interface, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, err := client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{
		ResourceVersion: "1", ResourceVersionMatch: metav1.ResourceVersionMatchExact, Limit: 1,
	})
	return err
}

// eventsSource watches the Events of a namespace.
func eventsSource(client kubernetes.Interface, namespace string) cache.WatcherWithContext {
	return &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		return client.CoreV1().Events(namespace).Watch(ctx, options)
	}}
}

// untilHot waits for a condition, whatever happens to the streams: behind UntilWithSync is an informer (chapter 05).
// Its first stream is one that comes too late; the water gets hot after that.
func untilHot(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	if err := setKettle(ctx, client, namespace, "cold"); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second) // UntilWithSync has no limit of its own
	defer cancel()
	configMaps := client.CoreV1().ConfigMaps(namespace)
	streams := 0
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = kettle
			return configMaps.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			streams++
			switch streams {
			case 1:
				second := int64(1)
				return client.CoreV1().Events(namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: "1", TimeoutSeconds: &second})
			case 2:
				if err := setKettle(ctx, client, namespace, "hot"); err != nil {
					return nil, err
				}
			}
			options.FieldSelector = kettle
			return configMaps.Watch(ctx, options)
		},
	}
	hot := func(event watch.Event) (bool, error) { // an error would end the waiting
		configMap, ok := event.Object.(*corev1.ConfigMap)
		return ok && event.Type != watch.Deleted && configMap.Data["water"] == "hot", nil
	}
	// Without this, an informer made by hand never syncs on a fake clientset, which has no watch-list.
	listerWatcher := cache.ToListWatcherWithWatchListSemantics(source, client)
	event, err := watchtools.UntilWithSync(limited, listerWatcher, &corev1.ConfigMap{}, nil, hot)
	if err != nil {
		return fmt.Errorf("wait until the water is hot: %w", errors.Join(err, ctx.Err()))
	}
	fmt.Fprintf(out, "the water is %s, seen in stream %d\n", event.Object.(*corev1.ConfigMap).Data["water"], streams)
	return nil
}
