// Package pages is a sample of a typical mistake: whatever goes wrong, it lists again.
package pages

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// want: only a 410 is mended by listing again

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

// everyPage is right.
func everyPage(ctx context.Context, client rest.Interface, namespace string, limit int64) ([]string, error) {
	var names []string
	options := metav1.ListOptions{Limit: limit}
	for {
		page, err := listPage(ctx, client, namespace, options)
		if err != nil {
			return nil, err
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

// Names asks again even when it was refused.
func Names(ctx context.Context, client rest.Interface, namespace string, limit int64) ([]string, error) {
	names, err := everyPage(ctx, client, namespace, limit)
	if err == nil {
		return names, nil
	}
	return everyPage(ctx, client, namespace, 0)
}
