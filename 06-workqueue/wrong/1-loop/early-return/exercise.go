// Package loop is a sample of a typical mistake: Done is only reached when all goes well.
package loop

import (
	"context"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// want: Done, once, after a failure, too

// Queue is what the loop works with.
type Queue = workqueue.TypedRateLimitingInterface[cache.ObjectName]

// ProcessNext returns early.
func ProcessNext(ctx context.Context, queue Queue, work func(context.Context, cache.ObjectName) error) bool {
	key, shutdown := queue.Get()
	if shutdown {
		return false
	}
	if err := work(ctx, key); err != nil {
		queue.AddRateLimited(key)
		return true
	}
	queue.Forget(key)
	queue.Done(key)
	return true
}
