// Package loop is a sample of a typical mistake: Done for a key that nobody has got.
package loop

import (
	"context"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// want: there is no key

// Queue is what the loop works with.
type Queue = workqueue.TypedRateLimitingInterface[cache.ObjectName]

// ProcessNext defers too early.
func ProcessNext(ctx context.Context, queue Queue, work func(context.Context, cache.ObjectName) error) bool {
	key, shutdown := queue.Get()
	defer queue.Done(key)
	if shutdown {
		return false
	}
	if err := work(ctx, key); err != nil {
		queue.AddRateLimited(key)
		return true
	}
	queue.Forget(key)
	return true
}
