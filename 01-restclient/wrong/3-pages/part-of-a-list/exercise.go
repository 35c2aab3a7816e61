// Package pages is a sample of a typical mistake: with an error it returns the pages that it has.
package pages

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// want: a part of a list is no list

// listPage gets one page of the ConfigMaps in a namespace.
func listPage(ctx context.Context, client rest.Interface, namespace string, options metav1.ListOptions) (*corev1.ConfigMapList, error) {
	page := &corev1.ConfigMapList{}
	err := client.Get().
		Namespace(namespace).
		Resource("configmaps").
		VersionedParams(&options, scheme.ParameterCodec).
		Do(ctx).
		Into(page)
	return page, err
}

// Names returns what it has got so far.
func Names(ctx context.Context, client rest.Interface, namespace string, limit int64) ([]string, error) {
	var names []string
	options := metav1.ListOptions{Limit: limit}
	for {
		page, err := listPage(ctx, client, namespace, options)
		if err != nil {
			return names, err
		}
		for _, configMap := range page.Items {
			names = append(names, configMap.Name)
		}
		options.Continue = page.Continue
		if options.Continue == "" {
			return names, nil
		}
	}
}
