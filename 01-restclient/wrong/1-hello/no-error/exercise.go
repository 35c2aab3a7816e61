// Package hello is a sample of a typical mistake: an error that becomes an empty list.
package hello

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// want: no answer is not an empty list

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

// PodsOnNode asks for the right pods, and does not look at the error.
func PodsOnNode(ctx context.Context, client rest.Interface, node string) ([]string, error) {
	pods := &corev1.PodList{}
	options := metav1.ListOptions{FieldSelector: "spec.nodeName=" + node}
	_ = client.Get().Resource("pods").VersionedParams(&options, scheme.ParameterCodec).Do(ctx).Into(pods)
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Namespace+"/"+pod.Name)
	}
	return names, nil
}
