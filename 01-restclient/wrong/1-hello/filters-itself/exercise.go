// Package hello is a sample of a typical mistake: the right result, but chosen on the client.
package hello

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// want: let the server choose

// PodNames is right.
func PodNames(ctx context.Context, client rest.Interface, namespace string) ([]string, error) {
	pods := &corev1.PodList{}
	if err := client.Get().Namespace(namespace).Resource("pods").Do(ctx).Into(pods); err != nil {
		return nil, err
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Name)
	}
	return names, nil
}

// PodsOnNode fetches every pod of the cluster and throws most of them away.
func PodsOnNode(ctx context.Context, client rest.Interface, node string) ([]string, error) {
	pods := &corev1.PodList{}
	if err := client.Get().Resource("pods").Do(ctx).Into(pods); err != nil {
		return nil, err
	}
	var names []string
	for _, pod := range pods.Items {
		if pod.Spec.NodeName == node {
			names = append(names, pod.Namespace+"/"+pod.Name)
		}
	}
	return names, nil
}
