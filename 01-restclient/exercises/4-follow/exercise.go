// Package follow watches ConfigMaps for as long as it is let, over the end of every stream.
package follow

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

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
	// TODO 1: a watch is a list request with three more options; the last call of the chain is Watch
	return nil, fmt.Errorf("step 1 is not written yet")
}

// Read tells everything that the stream brings until it ends, which is no error. A bookmark is no news, but it moves
// f.Version, as every event does. An ERROR event is an error.
func (f *Follower) Read(ctx context.Context, stream watch.Interface) error {
	defer stream.Stop()
	// TODO 2: read stream.ResultChan() until it is closed, and tell the news, such as "ADDED c"
	_ = stream.ResultChan()
	return ctx.Err() // the stream ends when ctx does, too
}

// Follow lists, and then watches until ctx ends or something goes wrong that a new stream does not mend.
func (f *Follower) Follow(ctx context.Context) error {
	if err := f.List(ctx); err != nil {
		return err
	}
	// TODO 3: for ever: open a stream, read it, go on where it ended; on a 410 list again; return every other error
	return fmt.Errorf("step 3 is not written yet")
}
