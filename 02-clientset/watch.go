package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
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
	seconds := int64(5)
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
