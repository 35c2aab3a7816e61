package broken

import "k8s.io/client-go/tools/cache"

func pop(queue cache.Queue, object any) {
	_ = queue.AddIfNotPresent(object)    // want "queue.AddIfNotPresent undefined"
	_ = cache.ErrRequeue{}               // want "undefined: cache.ErrRequeue"
	_ = cache.Config{RetryOnError: true} // want "unknown field RetryOnError in struct literal"
	_ = queue.Add(object)
}
