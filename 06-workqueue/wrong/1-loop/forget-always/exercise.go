// Package loop is a sample of a typical mistake: Forget on every way out, as Done.
package loop

import (
	"context"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// want: the delay never grows

// Queue is what the loop works with.
type Queue = workqueue.TypedRateLimitingInterface[cache.ObjectName]

// ProcessNext forgets always.
func ProcessNext(ctx context.Context, queue Queue, work func(context.Context, cache.ObjectName) error) bool {
	key, shutdown := queue.Get()
	if shutdown {
		return false
	}
	defer queue.Done(key)
	defer queue.Forget(key)
	if err := work(ctx, key); err != nil {
		queue.AddRateLimited(key)
	}
	return true
}
