package main

import (
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// newCoreClient makes a RESTClient for the core group, version v1: everything below /api/v1.
// A RESTClient is bound to one group-version; other groups need a client of their own.
func newCoreClient(config *rest.Config) (*rest.RESTClient, error) {
	config = rest.CopyConfig(config) // a Config is shared: change a copy
	config.APIPath = "/api"          // "/apis" for every other group
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()

	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a RESTClient for %s: %w", config.GroupVersion, err)
	}
	return client, nil
}

// listPods prints the names of the pods in a namespace.
func listPods(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	pods := &corev1.PodList{}
	err := client.Get().
		Namespace(namespace).
		Resource("pods").
		Do(ctx).
		Into(pods)
	if err != nil {
		return fmt.Errorf("list the pods in the namespace %q: %w", namespace, err)
	}
	for _, pod := range pods.Items {
		fmt.Fprintln(out, pod.Name)
	}
	return nil
}
