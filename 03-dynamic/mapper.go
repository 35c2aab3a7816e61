package main

import (
	"context"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// mapping turns kinds into resources and back, and shows what a mapper does not notice.
func mapping(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapperWithContext, out io.Writer) error {
	fmt.Fprintln(out, "-- from a kind, as in a file, to a resource, as in a URL")
	for _, kind := range []schema.GroupKind{
		{Group: "apps", Kind: "Deployment"},
		{Group: "networking.k8s.io", Kind: "NetworkPolicy"},
		{Kind: "Endpoints"},
		{Kind: "Namespace"},
	} {
		found, err := mapper.RESTMappingWithContext(ctx, kind)
		if err != nil {
			return fmt.Errorf("map the kind %s: %w", kind, err)
		}
		fmt.Fprintf(out, "%-32s %s, scope %s\n", kind, path(found.Resource), found.Scope.Name())
	}

	fmt.Fprintln(out, "-- from what a person types to a kind")
	for _, typed := range []string{"deployments.v1.apps", "deployments.apps", "deployments", "deployment", "deploy", "netpol"} {
		found, err := resolve(ctx, mapper, typed)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-32s %s\n", typed, found.GroupVersionKind)
	}

	fmt.Fprintln(out, "-- several versions, several groups: the server says which comes first")
	if err := preferences(ctx, mapper, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- a mapper that has grown old")
	return grownOld(ctx, client, mapper, out)
}

// preferences shows what a mapper does when more than one answer is right.
func preferences(ctx context.Context, mapper meta.RESTMapperWithContext, out io.Writer) error {
	autoscaler := schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}
	preferred, err := mapper.RESTMappingWithContext(ctx, autoscaler)
	if err != nil {
		return fmt.Errorf("map the kind %s: %w", autoscaler, err)
	}
	fmt.Fprintf(out, "%s: %s\n", autoscaler, path(preferred.Resource))
	asked, err := mapper.RESTMappingWithContext(ctx, autoscaler, "v1")
	if err != nil {
		return fmt.Errorf("map the kind %s in version v1: %w", autoscaler, err)
	}
	fmt.Fprintf(out, "%s, version v1: %s\n", autoscaler, path(asked.Resource))
	_, err = mapper.RESTMappingWithContext(ctx, autoscaler, "v2beta2")
	if !meta.IsNoMatchError(err) {
		return unexpected("map a version that there is not", "no match", err)
	}
	fmt.Fprintln(out, err)

	kinds, err := mapper.KindsForWithContext(ctx, schema.GroupVersionResource{Resource: "events"})
	if err != nil {
		return fmt.Errorf("look for the kinds of events: %w", err)
	}
	first, err := mapper.KindForWithContext(ctx, schema.GroupVersionResource{Resource: "events"})
	if err != nil {
		return fmt.Errorf("look for the kind of events: %w", err)
	}
	fmt.Fprintf(out, "events: %d kinds, first %s\n", len(kinds), first)
	return nil
}

// grownOld installs a CRD behind the mapper's back.
func grownOld(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapperWithContext, out io.Writer) error {
	spoon := schema.GroupKind{Group: group, Kind: "Spoon"}
	_, err := mapper.RESTMappingWithContext(ctx, spoon)
	if !meta.IsNoMatchError(err) {
		return unexpected("map a kind that there is not", "no match", err)
	}
	fmt.Fprintf(out, "before:                 %s\n", err)

	if err := installCRD(ctx, client, newCRD("Spoon", map[string]any{"type": "object"})); err != nil {
		return err
	}
	_, err = mapper.RESTMappingWithContext(ctx, spoon) // it looks into its cache, and does not ask again
	if !meta.IsNoMatchError(err) {
		return unexpected("map a kind with an old mapper", "no match", err)
	}
	fmt.Fprintf(out, "the server has it now:  %s\n", err)

	found, err := waitMapped(ctx, mapper, spoon.WithVersion("v1"))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "after the reset:        %s\n", path(found.Resource))
	return nil
}
