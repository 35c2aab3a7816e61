// Package rollout is a sample of a typical mistake: it has a clock of its own, and does not ask the caller's.
package rollout

import (
	"context"
	"errors"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// want: with context.Background() the caller cannot end the wait

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

func thereAtAll(store cache.Store) (bool, error) {
	if len(store.List()) == 0 {
		return false, ErrGone
	}
	return false, nil
}

// Wait goes on when its caller has given up.
func Wait(_ context.Context, client appsv1client.AppsV1Interface, namespace, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	one := fields.OneTermEqualSelector("metadata.name", name)
	lw := cache.NewListWatchFromClient(client.RESTClient(), "deployments", namespace, one)
	_, err := watchtools.UntilWithSync(ctx, lw, &appsv1.Deployment{}, thereAtAll, done)
	return err
}
