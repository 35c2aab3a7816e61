// Package mapper is a sample of a typical mistake: it tries the other reading after any error.
package mapper

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// want: no answer is no no

// ForObject returns the mapping for an object that says, for example, "apiVersion: apps/v1" and "kind: Deployment":
// its resource, as it stands in URLs, and whether it has namespaces.
func ForObject(ctx context.Context, mapper meta.RESTMapperWithContext, apiVersion, kind string) (*meta.RESTMapping, error) {
	version, err := schema.ParseGroupVersion(apiVersion) // schema.FromAPIVersionAndKind drops the error, and takes apps/v1/x for core
	if err != nil {
		return nil, fmt.Errorf("find the kind %s: %w", kind, err)
	}
	gvk := version.WithKind(kind)
	mapping, err := mapper.RESTMappingWithContext(ctx, gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, fmt.Errorf("look for the resource of %s: %w", gvk, err)
	}
	return mapping, nil
}

// ForArgument takes a server that does not answer for one that says no.
func ForArgument(ctx context.Context, mapper meta.RESTMapperWithContext, argument string) (*meta.RESTMapping, error) {
	withVersion, anyVersion := schema.ParseResourceArg(argument)
	readings := []schema.GroupVersionResource{anyVersion.WithVersion("")}
	if withVersion != nil {
		readings = []schema.GroupVersionResource{*withVersion, readings[0]}
	}
	var kind schema.GroupVersionKind
	var err error
	for _, reading := range readings {
		if kind, err = mapper.KindForWithContext(ctx, reading); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look for %q: %w", argument, err)
	}
	return mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
}
