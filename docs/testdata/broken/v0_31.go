package broken

import (
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
)

func queue() workqueue.TypedRateLimitingInterface[string] {
	return workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
}

func oldWorker(workqueue.RateLimitingInterface) {}

func worker(workqueue.TypedRateLimitingInterface[string]) {}

func start() {
	oldWorker(queue()) // want "does not implement workqueue.RateLimitingInterface (wrong type for method Add)"
	worker(queue())
}

func resourceClaims(client kubernetes.Interface) {
	client.ResourceV1alpha2() // want "client.ResourceV1alpha2 undefined"
	client.ResourceV1()
}
