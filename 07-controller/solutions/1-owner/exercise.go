// Package owner turns what happens to a child into the key of its owner.
package owner

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
)

// The owners: Teapots of tea.example.com. Each has one child, a ConfigMap of its own name.
const (
	Group = "tea.example.com"
	Kind  = "Teapot"
)

// Queue takes the keys of Teapots.
type Queue interface{ Add(cache.ObjectName) }

// ownerOf returns the key of the Teapot that controls a child, and whether there is one.
func ownerOf(child metav1.Object) (cache.ObjectName, bool) {
	owner := metav1.GetControllerOf(child)
	if owner == nil {
		return cache.ObjectName{}, false
	}
	// lab:begin 1 it may be of another kind, or of another group's Teapots; which version of ours it is does not matter
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil || version.Group != Group || owner.Kind != Kind {
		return cache.ObjectName{}, false
	}
	// lab:end
	return cache.NewObjectName(child.GetNamespace(), owner.Name), true
}

// Handler queues the key of a Teapot whenever something happens to its ConfigMap. Three places are missing.
func Handler(queue Queue) cache.TypedResourceEventHandler[*corev1.ConfigMap] {
	enqueue := func(child *corev1.ConfigMap) {
		if key, ok := ownerOf(child); ok {
			queue.Add(key)
		}
	}
	return cache.TypedResourceEventHandlerFuncs[*corev1.ConfigMap]{
		AddFunc: enqueue,
		UpdateFunc: func(old, child *corev1.ConfigMap) {
			// lab:begin 2 a child may have been given away, or let go: who had it wants to know, too
			enqueue(old)
			// lab:end
			enqueue(child) // a queue keeps a key once, however often it is added
		},
		DeleteFunc: func(deleted cache.DeletedObject[*corev1.ConfigMap]) {
			child := deleted.OptionalObj
			// lab:begin 3 there may be no object: deleted.GetObjectName is all that is known then. How is the Teapot called?
			if child == nil {
				queue.Add(deleted.GetObjectName())
				return
			}
			// lab:end
			enqueue(child)
		},
	}
}
