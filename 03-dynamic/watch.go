package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// watchExample makes a ConfigMap, changes it and deletes it, and prints what a watch says about that.
func watchExample(ctx context.Context, client dynamic.Interface, namespace string, out io.Writer) error {
	resource := client.Resource(configMaps).Namespace(namespace)
	list, err := resource.List(ctx, mine())
	if err != nil {
		return fmt.Errorf("list the ConfigMaps in %s: %w", namespace, err)
	}
	options := mine()
	options.ResourceVersion = list.GetResourceVersion() // from here on, nothing is missed
	stream, err := resource.Watch(ctx, options)
	if err != nil {
		return fmt.Errorf("watch the ConfigMaps in %s: %w", namespace, err)
	}
	defer stream.Stop()

	kettle := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "ConfigMap",
		"metadata":   map[string]any{"name": "kettle", "labels": labels()},
		"data":       map[string]any{"water": "cold"},
	}}
	if _, err := resource.Create(ctx, kettle, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the ConfigMap kettle: %w", err)
	}
	hot := []byte(`{"data":{"water":"hot"}}`)
	if _, err := resource.Patch(ctx, "kettle", types.MergePatchType, hot, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("patch the ConfigMap kettle: %w", err)
	}
	if err := resource.Delete(ctx, "kettle", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the ConfigMap kettle: %w", err)
	}
	for range 3 {
		event, err := nextEvent(ctx, stream)
		if err != nil {
			return err
		}
		// What differs from run to run is left out here, so that the output is the same each time.
		if err := printEvent(event, out, "uid", "resourceVersion", "creationTimestamp", "managedFields"); err != nil {
			return err
		}
	}
	return nil
}

// nextEvent waits for the next event. The channel of a stream that has ended gives zero events for ever.
func nextEvent(ctx context.Context, stream watch.Interface) (watch.Event, error) {
	select {
	case <-ctx.Done():
		return watch.Event{}, ctx.Err()
	case event, ok := <-stream.ResultChan():
		if !ok {
			return event, errors.Join(errors.New("the stream has ended"), ctx.Err())
		}
		return event, nil
	}
}

// follow prints what there is of a resource, then what happens to it, until ctx ends.
func follow(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapperWithContext, name, namespace string, out io.Writer) error {
	mapping, err := resolve(ctx, mapper, name)
	if err != nil {
		return err
	}
	resource := at(client, mapping, namespace)
	for {
		list, err := resource.List(ctx, metav1.ListOptions{})
		if ctx.Err() != nil {
			return nil // Ctrl-C is how this ends
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", path(mapping.Resource), err)
		}
		if list.GetResourceVersion() == "" { // it is not stored: the server makes it up for each request
			return fmt.Errorf("%s: this resource cannot be watched", path(mapping.Resource))
		}
		for i := range list.Items {
			if err := printEvent(watch.Event{Type: watch.Added, Object: &list.Items[i]}, out, "managedFields"); err != nil {
				return err
			}
		}
		err = followFrom(ctx, resource, list.GetResourceVersion(), out)
		switch {
		case ctx.Err() != nil:
			return nil
		case !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err):
			return fmt.Errorf("watch %s: %w", path(mapping.Resource), err)
		}
		// The server has forgotten what happened since: list again. What is there is printed once more, and what was
		// deleted meanwhile is not. To know that, one has to remember what was there: an informer does (chapter 05).
	}
}

// followFrom watches from a resourceVersion on. A RetryWatcher goes on by itself when a stream ends, as all do sooner or
// later; what it cannot mend, it sends as an ERROR.
func followFrom(ctx context.Context, resource dynamic.ResourceInterface, version string, out io.Writer) error {
	stream, err := watchtools.NewRetryWatcherWithContext(ctx, version, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return resource.Watch(ctx, options)
		},
	})
	if err != nil {
		return err
	}
	defer stream.Stop()
	for {
		event, err := nextEvent(ctx, stream)
		if err != nil {
			return err
		}
		if event.Type == watch.Error {
			return apierrors.FromObject(event.Object)
		}
		if err := printEvent(event, out, "managedFields"); err != nil {
			return err
		}
	}
}

// printEvent prints an event as one line of JSON, without some of the fields of its metadata.
func printEvent(event watch.Event, out io.Writer, without ...string) error {
	object, ok := event.Object.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("the stream brought %s: %w", event.Type, apierrors.FromObject(event.Object))
	}
	object = object.DeepCopy() // it is not ours alone: a cache may hold it, too
	for _, field := range without {
		unstructured.RemoveNestedField(object.Object, "metadata", field)
	}
	line, err := json.Marshal(map[string]any{"type": event.Type, "object": object.Object})
	if err != nil {
		return fmt.Errorf("write an event of %s as JSON: %w", object.GetName(), err)
	}
	_, err = fmt.Fprintf(out, "%s\n", line)
	return err
}
