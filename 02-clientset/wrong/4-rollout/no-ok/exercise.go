// Package rollout is a sample of a typical mistake: it believes that the object of every event is a Deployment.
package rollout

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/watch"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
)

// want: done panics (
// want: assert the type with ok

// ErrGone is the error of who waits for a Deployment that is not there, or not there any more.
var ErrGone = errors.New("the Deployment does not exist")

// Complete is right.
func Complete(d *appsv1.Deployment) bool {
	wanted := *d.Spec.Replicas
	return d.Status.ObservedGeneration >= d.Generation &&
		d.Status.UpdatedReplicas == wanted &&
		d.Status.Replicas == wanted &&
		d.Status.AvailableReplicas == wanted
}

var _ = done // for step 3

func done(event watch.Event) (bool, error) {
	if event.Type == watch.Deleted {
		return false, ErrGone
	}
	return Complete(event.Object.(*appsv1.Deployment)), nil
}

// Wait is not written yet.
func Wait(context.Context, appsv1client.AppsV1Interface, string, string) error {
	return errors.New("step 3 is not written yet")
}
