// Package keys is a sample of a typical mistake: a controller is taken for granted.
package keys

import (
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// want: GetControllerOf is nil if there is no controller

// Of returns the key of what a handler without types gets: an object, or after a deletion that the informer has missed, a
// cache.DeletedFinalStateUnknown.
func Of(obj any) (cache.ObjectName, error) {
	return cache.DeletionHandlingObjectToName(obj)
}

// Parse is the way back: from "namespace/name", or "name" for what has no namespace, as in a log line, to the key.
func Parse(text string) (cache.ObjectName, error) {
	return cache.ParseObjectName(text)
}

// OfOwner returns the key of the Deployment that controls an object, and whether there is one.
func OfOwner(obj metav1.Object) (cache.ObjectName, bool) {
	owner := metav1.GetControllerOf(obj)
	if owner.APIVersion != appsv1.SchemeGroupVersion.String() || owner.Kind != "Deployment" {
		return cache.ObjectName{}, false
	}
	return cache.NewObjectName(obj.GetNamespace(), owner.Name), true
}
