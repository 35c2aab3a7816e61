// Package keys makes keys: of what an informer's handler gets, of text, and of an owner.
package keys

import (
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Of returns the key of what a handler without types gets: an object, or after a deletion that the informer has missed, a
// cache.DeletedFinalStateUnknown.
func Of(obj any) (cache.ObjectName, error) {
	// lab:begin 1 this works for objects, but not for a cache.DeletedFinalStateUnknown
	return cache.DeletionHandlingObjectToName(obj)
	// lab:stub return cache.ObjectToName(obj)
	// lab:end
}

// Parse is the way back: from "namespace/name", or "name" for what has no namespace, as in a log line, to the key.
func Parse(text string) (cache.ObjectName, error) {
	// lab:begin 2 tools/cache has a function for this; it also knows what is no key
	return cache.ParseObjectName(text)
	// lab:stub return cache.ObjectName{Name: text}, nil
	// lab:end
}

// OfOwner returns the key of the Deployment that controls an object, and whether there is one.
func OfOwner(obj metav1.Object) (cache.ObjectName, bool) {
	// lab:begin 3 ask metav1.GetControllerOf; an owner reference has no namespace: an owner lives where the object lives
	owner := metav1.GetControllerOf(obj)
	if owner == nil || owner.APIVersion != appsv1.SchemeGroupVersion.String() || owner.Kind != "Deployment" {
		return cache.ObjectName{}, false
	}
	return cache.NewObjectName(obj.GetNamespace(), owner.Name), true
	// lab:stub return cache.MetaObjectToName(obj), false
	// lab:end
}
