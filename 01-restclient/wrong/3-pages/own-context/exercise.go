// Package pages is a sample of a typical mistake: a context of its own, which the caller cannot end.
package pages

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// want: hand ctx to every request

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

// everyPage is right, but for the context.
func everyPage(ctx context.Context, client rest.Interface, namespace string, limit int64) ([]string, error) {
	var names []string
	options := metav1.ListOptions{Limit: limit}
	for {
		page, err := listPage(context.Background(), client, namespace, options)
		if err != nil {
			return nil, fmt.Errorf("list a page of ConfigMaps: %w", err)
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

// Names is right.
func Names(ctx context.Context, client rest.Interface, namespace string, limit int64) ([]string, error) {
	names, err := everyPage(ctx, client, namespace, limit)
	if apierrors.IsResourceExpired(err) {
		names, err = everyPage(ctx, client, namespace, 0)
	}
	return names, err
}
