// Package hello is a sample of a typical mistake: no Namespace in the chain, and a filter on the client to make up for it.
package hello

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// want: you listed every namespace

// PodNames asks for all pods of the cluster.
func PodNames(ctx context.Context, client rest.Interface, namespace string) ([]string, error) {
	pods := &corev1.PodList{}
	if err := client.Get().Resource("pods").Do(ctx).Into(pods); err != nil {
		return nil, err
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Name)
	}
	return names, nil
}

// PodsOnNode is not written yet.
func PodsOnNode(ctx context.Context, client rest.Interface, node string) ([]string, error) {
	return nil, nil
}
