package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/pager"
)

// listAny prints the names of the objects of a resource that is known only now: po, deployments.apps, crontabs.example.com.
func listAny(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapperWithContext, resource, namespace string, out io.Writer) error {
	mapping, err := resolve(ctx, mapper, resource)
	if err != nil {
		return err
	}
	where := "in the whole cluster"
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		where = "in the namespace " + namespace
	}
	fmt.Fprintf(out, "%s: %s, kind %s, %s\n", resource, path(mapping.Resource), mapping.GroupVersionKind.Kind, where)

	list := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return at(client, mapping, namespace).List(ctx, options) // an *unstructured.UnstructuredList, 500 at most
	})
	err = list.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		item, err := meta.Accessor(object)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, item.GetName())
		return nil
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", path(mapping.Resource), err)
	}
	return nil
}

// resolve finds out what a person means by a resource: a plural, a singular or a short name, alone or followed by its
// group, or by version and group: pods, pod, po, deployments.apps, deployments.v1.apps.
func resolve(ctx context.Context, mapper meta.RESTMapperWithContext, resource string) (*meta.RESTMapping, error) {
	// "a.b.c" may be resource a in version b of group c, or in group b.c: try both, as kubectl does.
	withVersion, anyVersion := schema.ParseResourceArg(strings.ToLower(resource))
	candidates := []schema.GroupVersionResource{anyVersion.WithVersion("")}
	if withVersion != nil {
		candidates = []schema.GroupVersionResource{*withVersion, candidates[0]}
	}
	var kind schema.GroupVersionKind
	var err error
	for _, candidate := range candidates {
		if kind, err = mapper.KindForWithContext(ctx, candidate); !meta.IsNoMatchError(err) {
			break // found, or the server has not answered
		}
	}
	if meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("this server has no resource %q (what it has: go run ./lab kubectl api-resources)", resource)
	}
	if err != nil {
		return nil, fmt.Errorf("look for the resource %q: %w", resource, err)
	}
	mapping, err := mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("look for the resource of %s: %w", kind, err)
	}
	return mapping, nil
}

// at returns the client for a resource: within a namespace, if the resource has namespaces.
func at(client dynamic.Interface, mapping *meta.RESTMapping, namespace string) dynamic.ResourceInterface {
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return client.Resource(mapping.Resource).Namespace(namespace)
	}
	return client.Resource(mapping.Resource)
}

// path shows a resource as it stands in URLs: v1/pods, apps/v1/deployments.
func path(resource schema.GroupVersionResource) string {
	return resource.GroupVersion().String() + "/" + resource.Resource
}
