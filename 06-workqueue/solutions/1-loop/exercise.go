// Package loop is a worker loop with three classic mistakes in it.
package loop

import (
	"context"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Queue is what the loop works with.
type Queue = workqueue.TypedRateLimitingInterface[cache.ObjectName]

// ProcessNext takes a key out of the queue and works on it. It says whether there will be another one.
func ProcessNext(ctx context.Context, queue Queue, work func(context.Context, cache.ObjectName) error) bool {
	key, shutdown := queue.Get()
	if shutdown {
		return false
	}
	// lab:begin 1 the key is never given back: nobody will ever get it again. One call is missing; it must be made on every way out
	defer queue.Done(key)
	// lab:end
	if err := work(ctx, key); err != nil {
		// lab:begin 2 a key that has failed comes back at once, again and again: let it wait, longer each time
		queue.AddRateLimited(key)
		// lab:stub queue.Add(key)
		// lab:end
		return true
	}
	// lab:begin 3 all went well, but the queue goes on counting old failures: one call is missing
	queue.Forget(key)
	// lab:end
	return true
}
