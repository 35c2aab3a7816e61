// Package follow is a sample of a typical mistake: every end of a stream makes it list again.
package follow

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// want: a stream that ends is no error: go on from the last resourceVersion

// Follower follows the ConfigMaps of one namespace.
type Follower struct {
	Client    rest.Interface
	Namespace string
	Tell      func(news string) // is called with "LISTED a b", "ADDED c", "MODIFIED c", "DELETED c"
	Version   string            // the resourceVersion up to which everything was told
}

// List tells what is there, and remembers where a watch can go on. It is complete.
func (f *Follower) List(ctx context.Context) error {
	list := &corev1.ConfigMapList{}
	if err := f.Client.Get().Namespace(f.Namespace).Resource("configmaps").Do(ctx).Into(list); err != nil {
		return fmt.Errorf("list the ConfigMaps in %s: %w", f.Namespace, err)
	}
	news := "LISTED"
	for _, configMap := range list.Items {
		news += " " + configMap.Name
	}
	f.Tell(news)
	f.Version = list.ResourceVersion
	return nil
}

// Open opens a stream that goes on from f.Version and brings bookmarks.
func (f *Follower) Open(ctx context.Context) (watch.Interface, error) {
	options := metav1.ListOptions{Watch: true, ResourceVersion: f.Version, AllowWatchBookmarks: true}
	return f.Client.Get().
		Namespace(f.Namespace).
		Resource("configmaps").
		VersionedParams(&options, scheme.ParameterCodec).
		Watch(ctx)
}

// Read tells everything that the stream brings until it ends, which is no error. A bookmark is no news, but it moves
// f.Version, as every event does. An ERROR event is an error.
func (f *Follower) Read(ctx context.Context, stream watch.Interface) error {
	defer stream.Stop()
	for event := range stream.ResultChan() {
		configMap, ok := event.Object.(*corev1.ConfigMap)
		if !ok {
			return apierrors.FromObject(event.Object)
		}
		if event.Type != watch.Bookmark {
			f.Tell(string(event.Type) + " " + configMap.Name)
		}
		f.Version = configMap.ResourceVersion
	}
	return ctx.Err() // the stream ends when ctx does, too
}

// Follow lists, and then watches until ctx ends or something goes wrong that a new stream does not mend.
func (f *Follower) Follow(ctx context.Context) error {
	if err := f.List(ctx); err != nil {
		return err
	}
	for {
		stream, err := f.Open(ctx)
		if err == nil {
			err = f.Read(ctx, stream)
		}
		if err == nil || apierrors.IsResourceExpired(err) {
			err = f.List(ctx)
		}
		if err != nil {
			return err
		}
	}
}
