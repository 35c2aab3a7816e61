// Package pages is a sample of a typical mistake: it does not hand the token on.
package pages

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// want: your loop does not end
// want: limit=2 continue= (21 times)

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

// Names asks for the first page for ever.
func Names(ctx context.Context, client rest.Interface, namespace string, limit int64) ([]string, error) {
	var names []string
	for {
		page, err := listPage(ctx, client, namespace, metav1.ListOptions{Limit: limit})
		if err != nil {
			return nil, err
		}
		for _, configMap := range page.Items {
			names = append(names, configMap.Name)
		}
		if page.Continue == "" {
			return names, nil
		}
	}
}
