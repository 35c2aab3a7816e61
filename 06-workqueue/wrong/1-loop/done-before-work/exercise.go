// Package loop is a sample of a typical mistake: Done where it stands on every way out, but before the work.
package loop

import (
	"context"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// want: these were called: Done, work, Forget

// Queue is what the loop works with.
type Queue = workqueue.TypedRateLimitingInterface[cache.ObjectName]

// ProcessNext gives the key back before it works on it.
func ProcessNext(ctx context.Context, queue Queue, work func(context.Context, cache.ObjectName) error) bool {
	key, shutdown := queue.Get()
	if shutdown {
		return false
	}
	queue.Done(key)
	if err := work(ctx, key); err != nil {
		queue.AddRateLimited(key)
		return true
	}
	queue.Forget(key)
	return true
}
