// Package pages is a sample of a typical mistake: after a 410 it lists page by page again.
package pages

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// want: the next token could expire, too

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

// Names begins again with nothing, but page by page.
func Names(ctx context.Context, client rest.Interface, namespace string, limit int64) ([]string, error) {
	names, err := everyPage(ctx, client, namespace, limit)
	for apierrors.IsResourceExpired(err) {
		names, err = everyPage(ctx, client, namespace, limit)
	}
	return names, err
}
