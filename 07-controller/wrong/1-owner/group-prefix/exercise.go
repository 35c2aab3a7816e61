// Package owner is a sample of a typical mistake: a group is taken for the beginning of a text.
package owner

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// want: tea.example.community

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
	if !strings.HasPrefix(owner.APIVersion, Group) || owner.Kind != Kind {
		return cache.ObjectName{}, false
	}
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
			enqueue(old)
			enqueue(child) // a queue keeps a key once, however often it is added
		},
		DeleteFunc: func(deleted cache.DeletedObject[*corev1.ConfigMap]) {
			child := deleted.OptionalObj
			if child == nil {
				queue.Add(deleted.GetObjectName())
				return
			}
			enqueue(child)
		},
	}
}
