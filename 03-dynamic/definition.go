package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
)

// group is the API group of this chapter's own resources.
const group = "dynamic.lab.example.com"

// patience is how long the server may take to serve a new CRD, or to remove one with its objects.
const patience = 30 * time.Second

// newCRD makes a CustomResourceDefinition for objects of a kind in version v1. Its schema is that of the whole object.
func newCRD(kind string, schema map[string]any) *unstructured.Unstructured {
	singular := strings.ToLower(kind)
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": singular + "s." + group, "labels": labels()}, // it must be plural.group
		"spec": map[string]any{
			"group": group,
			"scope": "Namespaced",
			"names": map[string]any{"kind": kind, "plural": singular + "s", "singular": singular},
			"versions": []any{map[string]any{
				"name":         "v1",
				"served":       true,
				"storage":      true,
				"schema":       map[string]any{"openAPIV3Schema": schema},
				"subresources": map[string]any{"status": map[string]any{}},
			}},
		},
	}}
}

// installCRD creates a CRD and returns when the server serves it.
func installCRD(ctx context.Context, client dynamic.Interface, crd *unstructured.Unstructured) error {
	if _, err := client.Resource(crds).Create(ctx, crd, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the CustomResourceDefinition %s: %w", crd.GetName(), err)
	}
	return waitEstablished(ctx, client, crd.GetName())
}

// waitEstablished waits until the server has accepted the names of a CRD and serves its resource.
func waitEstablished(ctx context.Context, client dynamic.Interface, name string) error {
	return waitEstablishedFor(ctx, client, name, patience)
}

func waitEstablishedFor(ctx context.Context, client dynamic.Interface, name string, timeout time.Duration) error {
	var last []string
	// The requests get ctx, not the context of the poll: it ends with the poll, and a request that breaks off for that
	// reason would bring an error of its own in the place of "not established".
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, timeout, true, func(context.Context) (bool, error) {
		crd, err := client.Resource(crds).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		// Not NestedSlice: for a moment the conditions are null, which is found, and is no slice.
		value, _, err := unstructured.NestedFieldNoCopy(crd.Object, "status", "conditions")
		if err != nil {
			return false, err
		}
		conditions, _ := value.([]any)
		last = nil
		for _, item := range conditions {
			condition, _ := item.(map[string]any)
			switch {
			case condition["type"] == "Established" && condition["status"] == "True":
				return true, nil
			case condition["status"] == "False": // NamesAccepted, NonStructuralSchema: they say what is wrong
				last = append(last, fmt.Sprintf("%v is False: %v", condition["type"], condition["message"]))
			}
		}
		return false, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("the CustomResourceDefinition %s is not established after %s: %s", name, timeout, strings.Join(last, ", "))
	}
	if err != nil {
		return fmt.Errorf("wait for the CustomResourceDefinition %s: %w", name, err)
	}
	return nil
}

// waitMapped resets the mapper until it knows a kind in a version: the server may serve a new resource a moment before it lists it.
func waitMapped(ctx context.Context, mapper meta.RESTMapperWithContext, kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	var mapping *meta.RESTMapping
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		meta.MaybeResetRESTMapperWithContext(ctx, mapper)
		var err error
		mapping, err = mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
		if meta.IsNoMatchError(err) {
			return false, nil
		}
		return err == nil, err
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return nil, fmt.Errorf("the server does not list the kind %s in %s after %s, though its CRD is established", kind.Kind, kind.GroupVersion(), patience)
	}
	if err != nil {
		return nil, fmt.Errorf("wait until the server lists the kind %s in %s: %w", kind.Kind, kind.GroupVersion(), err)
	}
	return mapping, nil
}

// slowRemoval is when a removal has taken so long that the CRD is changed, which makes the server look again. It
// deletes the objects first, and if their storage is just being made, it may put that off for minutes: "storage is
// (re)initializing" is what the condition Terminating says then.
const slowRemoval = 2 * time.Second

// removeCRD deletes a CRD, and with it every object of its kind, and returns when it is gone.
func removeCRD(ctx context.Context, client dynamic.Interface, name string) error {
	return removeCRDWithin(ctx, client, name, patience)
}

func removeCRDWithin(ctx context.Context, client dynamic.Interface, name string, timeout time.Duration) error {
	err := client.Resource(crds).Delete(ctx, name, metav1.DeleteOptions{})
	if err == nil {
		touch, n := time.Now().Add(slowRemoval), 0
		err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, timeout, true, func(context.Context) (bool, error) {
			_, err := client.Resource(crds).Get(ctx, name, metav1.GetOptions{})
			if err == nil && time.Now().After(touch) {
				n++
				touch = time.Now().Add(slowRemoval)
				patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"client-go-lab/touched":"%d"}}}`, n)
				_, err = client.Resource(crds).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
			}
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		})
	}
	if wait.Interrupted(err) && !errors.Is(ctx.Err(), context.Canceled) { // its time is over, or that of the whole cleaning up
		return fmt.Errorf("the CustomResourceDefinition %s is still there after %s: do its objects have finalizers?", name, timeout)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove the CustomResourceDefinition %s: %w", name, err)
	}
	return nil
}
