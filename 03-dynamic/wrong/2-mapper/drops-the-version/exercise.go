// Package mapper is a sample of a typical mistake: it asks for the kind, and not for the version that the object has.
package mapper

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// want: without a version you get the server's preferred one

// ForObject gets autoscaling/v2 for an object of autoscaling/v1.
func ForObject(ctx context.Context, mapper meta.RESTMapperWithContext, apiVersion, kind string) (*meta.RESTMapping, error) {
	version, err := schema.ParseGroupVersion(apiVersion) // schema.FromAPIVersionAndKind drops the error, and takes apps/v1/x for core
	if err != nil {
		return nil, fmt.Errorf("find the kind %s: %w", kind, err)
	}
	gvk := version.WithKind(kind)
	return mapper.RESTMappingWithContext(ctx, gvk.GroupKind())
}

// ForArgument is not written yet.
func ForArgument(context.Context, meta.RESTMapperWithContext, string) (*meta.RESTMapping, error) {
	return nil, errors.New("step 2 is not written yet")
}
