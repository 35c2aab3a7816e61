// Package loop is a sample of a typical mistake: Done on both ways out, and a panic takes a third one.
package loop

import (
	"context"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// want: when the work panicked these were called: work
// want: without defer, a panic skips it

// Queue is what the loop works with.
type Queue = workqueue.TypedRateLimitingInterface[cache.ObjectName]

// ProcessNext defers nothing.
func ProcessNext(ctx context.Context, queue Queue, work func(context.Context, cache.ObjectName) error) bool {
	key, shutdown := queue.Get()
	if shutdown {
		return false
	}
	if err := work(ctx, key); err != nil {
		queue.AddRateLimited(key)
		queue.Done(key)
		return true
	}
	queue.Forget(key)
	queue.Done(key)
	return true
}
