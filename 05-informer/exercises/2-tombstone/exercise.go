// Package guests knows which pod is on which node. Two handlers of informers keep it up to date: one that takes anything,
// as most code has it, and one with types. Both crash, or lose a pod, on the day when the informer has to relist.
package guests

import (
	corev1 "k8s.io/api/core/v1"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// Guests remembers on which node each pod is.
type Guests struct {
	Tell func(news string) // is called with "shop/cup has left shelf"
	node map[cache.ObjectName]string
}

// Saw notes where a pod is. It is complete.
func (g *Guests) Saw(pod *corev1.Pod) {
	if g.node == nil {
		g.node = map[cache.ObjectName]string{}
	}
	g.node[cache.MetaObjectToName(pod)] = pod.Spec.NodeName
}

// Handler is for an informer's AddEventHandler.
func (g *Guests) Handler() cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { g.Saw(obj.(*corev1.Pod)) },
		// A pod made anew under the same name comes here as one update; the old one's leaving is not told. Compare UIDs if
		// you need it.
		UpdateFunc: func(_, obj any) { g.Saw(obj.(*corev1.Pod)) },
		DeleteFunc: func(obj any) {
			if key, err := keyOf(obj); err == nil { // else it is nothing that an informer calls a DeleteFunc with
				g.left(key)
			}
		},
	}
}

// keyOf returns the key of what a DeleteFunc is called with. Without a key it returns an error.
func keyOf(obj any) (cache.ObjectName, error) {
	// TODO 1: right for objects; but a tombstone is none, and has no name: all that it surely has is a key
	return cache.ObjectToName(obj)
}

// left tells which node a deleted pod has left, and forgets the pod. A pod that nobody has seen is no news,
// and neither is one that was on no node.
func (g *Guests) left(key cache.ObjectName) {
	// TODO 2: the object is gone, but you have noted its node yourself, under its key
	g.Tell(key.String() + " has left")
}

// TypedHandler is the same for AddTypedEventHandler, where a deletion has a type of its own.
func (g *Guests) TypedHandler() informersv1.PodHandlerFuncs {
	return informersv1.PodHandlerFuncs{
		AddFunc:    g.Saw,
		UpdateFunc: func(_, pod *corev1.Pod) { g.Saw(pod) },
		DeleteFunc: func(pod informersv1.DeletedPod) {
			// TODO 3: OptionalObj is optional: it may be nil; what works always?
			g.left(cache.MetaObjectToName(pod.OptionalObj))
		},
	}
}
