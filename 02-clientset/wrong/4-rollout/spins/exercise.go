// Package rollout is a sample of a typical mistake: it does not notice that the stream has ended.
package rollout

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
)

// want: a closed channel gives zero events, at once and for ever

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

// Wait goes round and round when the server closes the stream, as it does after some minutes.
func Wait(ctx context.Context, client appsv1client.AppsV1Interface, namespace, name string) error {
	options := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()}
	list, err := client.Deployments(namespace).List(ctx, options)
	if err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return ErrGone
	}
	if Complete(&list.Items[0]) {
		return nil
	}
	options.ResourceVersion = list.ResourceVersion
	stream, err := client.Deployments(namespace).Watch(ctx, options)
	if err != nil {
		return err
	}
	defer stream.Stop()
	for {
		if ok, err := done(<-stream.ResultChan()); ok || err != nil {
			return err
		}
	}
}
