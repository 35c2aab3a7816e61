// Package keys is a sample of a typical mistake: a key is cut by hand.
package keys

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// want: "kitchen/tea/1" became
// want: anything else is an error

// Of returns the key of what a handler without types gets: an object, or after a deletion that the informer has missed, a
// cache.DeletedFinalStateUnknown.
func Of(obj any) (cache.ObjectName, error) {
	return cache.DeletionHandlingObjectToName(obj)
}

// Parse is the way back: from "namespace/name", or "name" for what has no namespace, as in a log line, to the key.
func Parse(text string) (cache.ObjectName, error) {
	if namespace, name, found := strings.Cut(text, "/"); found {
		return cache.NewObjectName(namespace, name), nil
	}
	return cache.ObjectName{Name: text}, nil
}

// OfOwner returns the key of the Deployment that controls an object, and whether there is one.
func OfOwner(obj metav1.Object) (cache.ObjectName, bool) {
	owner := metav1.GetControllerOf(obj)
	if owner == nil || owner.APIVersion != appsv1.SchemeGroupVersion.String() || owner.Kind != "Deployment" {
		return cache.ObjectName{}, false
	}
	return cache.NewObjectName(obj.GetNamespace(), owner.Name), true
}
