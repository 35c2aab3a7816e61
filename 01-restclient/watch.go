package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// watches follows ConfigMaps through everything that a stream can bring.
func watches(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	fmt.Fprintln(out, "-- list, then watch from there")
	last, err := watchChanges(ctx, client, namespace, out)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "-- the end of a stream")
	last, err = watchToTheEnd(ctx, client, namespace, last, out)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "-- going on where it ended")
	if err := watchGoOn(ctx, client, namespace, last, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- going on too late")
	if err := watchTooLate(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- list and watch in one stream")
	return watchList(ctx, client, namespace, out)
}

// startWatch opens a stream of what happens to the ConfigMap kettle. A watch is a GET with watch=true whose answer does
// not end.
func startWatch(ctx context.Context, client rest.Interface, namespace string, options metav1.ListOptions) (watch.Interface, error) {
	options.Watch = true // Request.Watch does not set it: without it the answer is a list, and decoding that fails
	options.FieldSelector = "metadata.name=kettle"
	stream, err := client.Get().Namespace(namespace).Resource("configmaps").
		VersionedParams(&options, scheme.ParameterCodec).
		Watch(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch the ConfigMaps in %s: %w", namespace, err)
	}
	return stream, nil
}

// errEnd is what next returns when the server has closed the stream, as it does with every stream sooner or later.
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

// printEvent prints an event and returns its resourceVersion, from which a later watch can go on.
func printEvent(event watch.Event, out io.Writer) (string, error) {
	configMap, ok := event.Object.(*corev1.ConfigMap)
	if !ok { // an ERROR carries a *metav1.Status instead
		return "", fmt.Errorf("the stream brought %s: %w", event.Type, apierrors.FromObject(event.Object))
	}
	if event.Type == watch.Bookmark { // an empty object: only metadata.resourceVersion is set
		fmt.Fprintln(out, event.Type)
	} else {
		fmt.Fprintf(out, "%-8s %s %v\n", event.Type, configMap.Name, configMap.Data)
	}
	return configMap.ResourceVersion, nil
}

// watchChanges lists, watches from the list's resourceVersion, and changes something to see it come by.
func watchChanges(ctx context.Context, client rest.Interface, namespace string, out io.Writer) (last string, err error) {
	list := &corev1.ConfigMapList{}
	kettle := metav1.ListOptions{FieldSelector: "metadata.name=kettle"} // the same as the watch's
	err = client.Get().Namespace(namespace).Resource("configmaps").VersionedParams(&kettle, scheme.ParameterCodec).Do(ctx).Into(list)
	if err != nil {
		return "", fmt.Errorf("list the ConfigMaps in %s: %w", namespace, err)
	}
	fmt.Fprintf(out, "listed %d\n", len(list.Items))

	// Nothing is lost between the two: the server replays what happened after this resourceVersion.
	stream, err := startWatch(ctx, client, namespace, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		return "", err
	}
	defer stream.Stop() // closes the connection
	for _, change := range []func(context.Context, rest.Interface, string) error{makeKettle, heatKettle, dropKettle} {
		if err := change(ctx, client, namespace); err != nil {
			return "", err
		}
		event, err := next(ctx, stream)
		if err != nil {
			return "", err
		}
		if last, err = printEvent(event, out); err != nil {
			return "", err
		}
	}
	return last, nil
}

// watchToTheEnd watches with a time limit. Meanwhile only the ConfigMap cup changes, which the field selector leaves out.
// So all that comes is a bookmark: an event with no news but a resourceVersion, which says "you have seen everything up
// to here". Without bookmarks a quiet stream's place would grow old, until it is too old to go on from.
func watchToTheEnd(ctx context.Context, client rest.Interface, namespace, from string, out io.Writer) (last string, err error) {
	seconds := int64(3)
	stream, err := startWatch(ctx, client, namespace, metav1.ListOptions{
		ResourceVersion:     from,
		AllowWatchBookmarks: true,     // if there is something to say: about one a minute, and one 2 s before the end
		TimeoutSeconds:      &seconds, // the server's default is 30 to 60 minutes
	})
	if err != nil {
		return "", err
	}
	defer stream.Stop()
	if err := makeConfigMap(ctx, client, namespace, "cup"); err != nil {
		return "", err
	}
	last = from
	bookmarks := 0
	for {
		event, err := next(ctx, stream)
		if errors.Is(err, errEnd) && ctx.Err() == nil {
			fmt.Fprintln(out, "the channel is closed: no event says so, and no error")
			return last, nil
		}
		if err != nil {
			return "", err
		}
		if event.Type == watch.Bookmark {
			bookmarks++
		}
		show := out
		if bookmarks > 1 { // the server's clock decides whether it is one or two
			show = io.Discard
		}
		if last, err = printEvent(event, show); err != nil {
			return "", err
		}
	}
}

// watchGoOn changes something while nobody watches, and gets it all the same.
func watchGoOn(ctx context.Context, client rest.Interface, namespace, from string, out io.Writer) error {
	if err := makeKettle(ctx, client, namespace); err != nil {
		return err
	}
	stream, err := startWatch(ctx, client, namespace, metav1.ListOptions{ResourceVersion: from})
	if err != nil {
		return err
	}
	defer stream.Stop()
	event, err := next(ctx, stream)
	if err != nil {
		return err
	}
	_, err = printEvent(event, out)
	return err
}

// watchTooLate goes on from the first resourceVersion there ever was, which the server has forgotten. The HTTP status is
// 200 and Watch returns no error: the 410 is in the first event.
//
// It watches Events, the one kind without a watch cache in the API server, so the answer comes from etcd and depends on
// nothing but etcd's compaction. For other kinds the cache says the same: "too old resource version: 1 (4711)".
func watchTooLate(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	seconds := int64(2)
	options := metav1.ListOptions{Watch: true, ResourceVersion: "1", TimeoutSeconds: &seconds}
	stream, err := client.Get().Namespace(namespace).Resource("events").
		VersionedParams(&options, scheme.ParameterCodec).
		Watch(ctx)
	if err != nil {
		return fmt.Errorf("watch the Events in %s: %w", namespace, err)
	}
	defer stream.Stop()
	event, err := next(ctx, stream)
	if event.Type != watch.Error {
		if err == nil || errors.Is(err, errEnd) && ctx.Err() == nil {
			fmt.Fprintln(out, "this server is so young that it still has revision 1: no 410 today, try again in ten minutes")
			return nil
		}
		return err
	}
	err = apierrors.FromObject(event.Object) // an ERROR event carries a *metav1.Status: make an error of it
	var status *apierrors.StatusError
	if !errors.As(err, &status) || !apierrors.IsResourceExpired(err) {
		return unexpected("watch from an old resourceVersion", "410 Expired", err)
	}
	fmt.Fprintf(out, "%-8s %d %s: %s\n", event.Type, status.ErrStatus.Code, status.ErrStatus.Reason, status.ErrStatus.Message)
	fmt.Fprintln(out, "what helps: list again, and watch from there")
	return nil
}

// watchList asks for what is there and what comes, in one stream. A bookmark with an annotation ends the first part.
// Informers begin like this today; LIST, then WATCH is what they fall back to.
func watchList(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	initial := true
	stream, err := startWatch(ctx, client, namespace, metav1.ListOptions{
		SendInitialEvents:    &initial,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		AllowWatchBookmarks:  true,
	})
	if err != nil {
		return err
	}
	defer stream.Stop()
	for {
		event, err := next(ctx, stream)
		if err != nil {
			return err
		}
		if _, err := printEvent(event, out); err != nil {
			return err
		}
		configMap := event.Object.(*corev1.ConfigMap)
		if event.Type == watch.Bookmark && configMap.Annotations[metav1.InitialEventsAnnotationKey] == "true" {
			fmt.Fprintf(out, "that was all there is (%s)\n", metav1.InitialEventsAnnotationKey)
			return nil
		}
	}
}

func makeKettle(ctx context.Context, client rest.Interface, namespace string) error {
	return makeConfigMap(ctx, client, namespace, "kettle")
}

func makeConfigMap(ctx context.Context, client rest.Interface, namespace, name string) error {
	configMap := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()},
		Data:       map[string]string{"water": "cold"},
	}
	if err := client.Post().Namespace(namespace).Resource("configmaps").Body(configMap).Do(ctx).Error(); err != nil {
		return fmt.Errorf("create the ConfigMap %s: %w", name, err)
	}
	return nil
}

func heatKettle(ctx context.Context, client rest.Interface, namespace string) error {
	err := client.Patch(types.MergePatchType).Namespace(namespace).Resource("configmaps").Name("kettle").
		Body([]byte(`{"data":{"water":"hot"}}`)).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("patch the ConfigMap kettle: %w", err)
	}
	return nil
}

func dropKettle(ctx context.Context, client rest.Interface, namespace string) error {
	if err := client.Delete().Namespace(namespace).Resource("configmaps").Name("kettle").Do(ctx).Error(); err != nil {
		return fmt.Errorf("delete the ConfigMap kettle: %w", err)
	}
	return nil
}
