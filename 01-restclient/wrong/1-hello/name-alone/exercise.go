// Package hello is a sample of a typical mistake: names without their namespaces, from the right request.
package hello

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// want: the request is right; return namespace/name
// want: expected: GET /api/v1/pods?fieldSelector=spec.nodeName%3Dnorth; result: garden/rose kitchen/basil

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

// PodsOnNode forgets that two namespaces may have pods of the same name.
func PodsOnNode(ctx context.Context, client rest.Interface, node string) ([]string, error) {
	options := metav1.ListOptions{FieldSelector: "spec.nodeName=" + node}
	pods := &corev1.PodList{}
	if err := client.Get().Resource("pods").VersionedParams(&options, scheme.ParameterCodec).Do(ctx).Into(pods); err != nil {
		return nil, err
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Name)
	}
	return names, nil
}
