// Package rollout is a sample of a typical mistake: it waits for the first Deployment of the namespace that is complete.
package rollout

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// want: choose yours with the field selector metadata.name

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

func done(event watch.Event) (bool, error) {
	if event.Type == watch.Deleted {
		return false, ErrGone
	}
	d, ok := event.Object.(*appsv1.Deployment)
	return ok && Complete(d), nil
}

// Wait watches all Deployments.
func Wait(ctx context.Context, client appsv1client.AppsV1Interface, namespace, _ string) error {
	lw := cache.NewListWatchFromClient(client.RESTClient(), "deployments", namespace, fields.Everything())
	_, err := watchtools.UntilWithSync(ctx, lw, &appsv1.Deployment{}, nil, done)
	return err
}
