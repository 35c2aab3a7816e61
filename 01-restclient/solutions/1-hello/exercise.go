// Package hello lists pods, with a RESTClient that somebody has made for us.
package hello

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// PodNames returns the names of the pods in a namespace.
func PodNames(ctx context.Context, client rest.Interface, namespace string) ([]string, error) {
	pods := &corev1.PodList{}
	// lab:begin 1 this request works, but it asks for too much: one call is missing in the chain
	err := client.Get().
		Namespace(namespace).
		Resource("pods").
		Do(ctx).
		Into(pods)
	// lab:stub err := client.Get().
	// lab:stub 	Resource("pods").
	// lab:stub 	Do(ctx).
	// lab:stub 	Into(pods)
	// lab:end
	if err != nil {
		return nil, fmt.Errorf("list the pods in the namespace %q: %w", namespace, err)
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Name)
	}
	return names, nil
}

// PodsOnNode returns the pods of all namespaces that run on a node, as "namespace/name". The server chooses them, so
// that no others come over the wire.
func PodsOnNode(ctx context.Context, client rest.Interface, node string) ([]string, error) {
	// lab:begin 2 list the pods whose field spec.nodeName is the node: a field selector in metav1.ListOptions
	options := metav1.ListOptions{FieldSelector: "spec.nodeName=" + node}
	pods := &corev1.PodList{}
	err := client.Get().
		Resource("pods").
		VersionedParams(&options, scheme.ParameterCodec).
		Do(ctx).
		Into(pods)
	if err != nil {
		return nil, fmt.Errorf("list the pods on the node %q: %w", node, err)
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Namespace+"/"+pod.Name)
	}
	return names, nil
	// lab:stub return nil, nil
	// lab:end
}
