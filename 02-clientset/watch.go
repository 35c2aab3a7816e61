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
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// watches follows the ConfigMap kettle: by hand, with a RetryWatcher, and with UntilWithSync.
func watches(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	for _, part := range []struct {
		what string
		show func(context.Context, kubernetes.Interface, string, io.Writer) error
	}{
		{"typed events", typedEvents},
		{"the end of a stream", endOfStream},
		{"RetryWatcher: opens the next stream itself", retryWatcher},
		{"RetryWatcher: stops at 410", retryWatcherTooLate},
		{"UntilWithSync: lists again after 410", untilHot},
	} {
		fmt.Fprintf(out, "-- %s\n", part.what)
		if err := part.show(ctx, client, namespace, out); err != nil {
			return err
		}
	}
	return nil
}

// kettle selects one ConfigMap. The list and the watch that follows it must ask for the same.
var kettle = fields.OneTermEqualSelector("metadata.name", "kettle").String()

// kettleVersion lists, which is the only honest way to a resourceVersion to watch from.
func kettleVersion(ctx context.Context, client kubernetes.Interface, namespace string) (string, error) {
	list, err := client.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{FieldSelector: kettle})
	if err != nil {
		return "", fmt.Errorf("list the ConfigMaps in %s: %w", namespace, err)
	}
	return list.ResourceVersion, nil
}

// setKettle creates the ConfigMap kettle, or changes it.
func setKettle(ctx context.Context, client kubernetes.Interface, namespace, water string) error {
	configMap := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "kettle", Labels: labels()},
		Data:       map[string]string{"water": water},
	}
	_, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, configMap, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = client.CoreV1().ConfigMaps(namespace).Update(ctx, configMap, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("write the ConfigMap kettle: %w", err)
	}
	return nil
}

// errEnd says that the server has closed the stream.
var errEnd = errors.New("the stream has ended")

// next waits for the next event. A closed channel gives zero events for ever: a loop that does not look at ok spins.
func next(ctx context.Context, stream watch.Interface) (watch.Event, error) {
	select {
	case <-ctx.Done():
		return watch.Event{}, ctx.Err()
	case event, ok := <-stream.ResultChan():
		if !ok {
			return event, errors.Join(errEnd, ctx.Err())
		}
		return event, nil
	}
}

// printEvent prints an event. The stream is typed, but an event's Object is not: an ERROR carries a *metav1.Status.
func printEvent(event watch.Event, out io.Writer) error {
	switch object := event.Object.(type) {
	case *corev1.ConfigMap:
		fmt.Fprintf(out, "%-8s %s %v\n", event.Type, object.Name, object.Data)
	case *metav1.Status:
		fmt.Fprintf(out, "%-8s %d %s: %s\n", event.Type, object.Code, object.Reason, object.Message)
	default:
		return fmt.Errorf("the stream brought %s with a %T: %w", event.Type, object, apierrors.FromObject(object))
	}
	return nil
}

// typedEvents lists, watches from there, and changes something to see it come by.
func typedEvents(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	version, err := kettleVersion(ctx, client, namespace)
	if err != nil {
		return err
	}
	configMaps := client.CoreV1().ConfigMaps(namespace)
	stream, err := configMaps.Watch(ctx, metav1.ListOptions{FieldSelector: kettle, ResourceVersion: version}) // sets watch=true
	if err != nil {
		return fmt.Errorf("watch the ConfigMaps in %s: %w", namespace, err)
	}
	defer stream.Stop()
	for _, change := range []func() error{
		func() error { return setKettle(ctx, client, namespace, "cold") },
		func() error { return setKettle(ctx, client, namespace, "hot") },
		func() error { return configMaps.Delete(ctx, "kettle", metav1.DeleteOptions{}) },
	} {
		if err := change(); err != nil {
			return err
		}
		event, err := next(ctx, stream)
		if err != nil {
			return err
		}
		if err := printEvent(event, out); err != nil {
			return err
		}
	}
	return nil
}

// endOfStream watches with a time limit, and then reads on, as a loop that does not look at ok would.
func endOfStream(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	version, err := kettleVersion(ctx, client, namespace)
	if err != nil {
		return err
	}
	seconds := int64(3)
	stream, err := client.CoreV1().ConfigMaps(namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector:       "metadata.name=nobody", // so nothing comes but bookmarks
		ResourceVersion:     version,
		AllowWatchBookmarks: true,
		TimeoutSeconds:      &seconds, // the server's default is 30 to 60 minutes
	})
	if err != nil {
		return fmt.Errorf("watch the ConfigMaps in %s: %w", namespace, err)
	}
	defer stream.Stop()
	if err := setKettle(ctx, client, namespace, "cold"); err != nil { // something for a bookmark to tell
		return err
	}
	bookmarks := 0
	for {
		event, err := next(ctx, stream)
		if errors.Is(err, errEnd) && ctx.Err() == nil {
			break
		}
		if err != nil {
			return err
		}
		if event.Type != watch.Bookmark {
			return fmt.Errorf("the stream brought %s: %w", event.Type, apierrors.FromObject(event.Object))
		}
		if bookmarks++; bookmarks == 1 { // the server's clock decides whether it is one or two
			configMap := event.Object.(*corev1.ConfigMap) // of the type that is watched, and empty
			fmt.Fprintf(out, "%s name %q, resourceVersion set: %t\n", event.Type, configMap.Name, configMap.ResourceVersion != "")
		}
	}
	for range 2 {
		event := <-stream.ResultChan() // does not wait: the channel is closed
		fmt.Fprintf(out, "read on: type %q, object %v\n", event.Type, event.Object)
	}
	return nil
}

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
	if event.Type != watch.Error {
		if ctx.Err() == nil {
			fmt.Fprintln(out, youngServer)
			return nil
		}
		return errors.Join(err, ctx.Err())
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
