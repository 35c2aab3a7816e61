// Package pages lists a large collection, page by page.
package pages

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

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

// everyPage follows the tokens to the end. A part of a list is no list: with an error it returns no names.
func everyPage(ctx context.Context, client rest.Interface, namespace string, limit int64) ([]string, error) {
	// TODO 1: call listPage again and again, with the last page's token, until the server says that there is no more
	page, err := listPage(ctx, client, namespace, metav1.ListOptions{Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("list a page of ConfigMaps: %w", err)
	}
	return []string{fmt.Sprintf("one page of %d", len(page.Items))}, nil
}

// Names returns the names of all ConfigMaps in a namespace, each once, and asks for at most limit of them at a time. The
// server may forget the list in the middle of it: then it begins again.
func Names(ctx context.Context, client rest.Interface, namespace string, limit int64) ([]string, error) {
	names, err := everyPage(ctx, client, namespace, limit)
	// TODO 2: if the token has expired, ask again, for everything in one request: without a token nothing can expire
	return names, err
}
