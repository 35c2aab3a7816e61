// Package mapper is a sample of a typical mistake: it reads a.b.c in one way only.
package mapper

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// want: try the one, and then the other

// ForObject is right.
func ForObject(ctx context.Context, mapper meta.RESTMapperWithContext, apiVersion, kind string) (*meta.RESTMapping, error) {
	version, err := schema.ParseGroupVersion(apiVersion) // schema.FromAPIVersionAndKind drops the error, and takes apps/v1/x for core
	if err != nil {
		return nil, fmt.Errorf("find the kind %s: %w", kind, err)
	}
	gvk := version.WithKind(kind)
	return mapper.RESTMappingWithContext(ctx, gvk.GroupKind(), gvk.Version)
}

// ForArgument takes networking for the version in networkpolicies.networking.k8s.io.
func ForArgument(ctx context.Context, mapper meta.RESTMapperWithContext, argument string) (*meta.RESTMapping, error) {
	withVersion, anyVersion := schema.ParseResourceArg(argument)
	resource := anyVersion.WithVersion("")
	if withVersion != nil {
		resource = *withVersion
	}
	kind, err := mapper.KindForWithContext(ctx, resource)
	if err != nil {
		return nil, err
	}
	return mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
}
