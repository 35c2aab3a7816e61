// Package rollout is a sample of a typical mistake: it asks whether pods are available, and the old ones are.
package rollout

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/watch"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
)

// want: observedGeneration says of which generation the status speaks

// ErrGone is the error of who waits for a Deployment that is not there, or not there any more.
var ErrGone = errors.New("the Deployment does not exist")

// Complete looks at one number.
func Complete(d *appsv1.Deployment) bool { return d.Status.AvailableReplicas == *d.Spec.Replicas }

var _ = done // for step 3

func done(event watch.Event) (bool, error) {
	if event.Type == watch.Deleted {
		return false, ErrGone
	}
	d, ok := event.Object.(*appsv1.Deployment)
	return ok && Complete(d), nil
}

// Wait is not written yet.
func Wait(context.Context, appsv1client.AppsV1Interface, string, string) error {
	return errors.New("step 3 is not written yet")
}
