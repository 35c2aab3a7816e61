package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// labNamespace is where the steps write. They leave it there, empty, for the next step.
const labNamespace = "client-go-lab"

// labLabel is on everything that this chapter makes, so that it can be found again.
const labLabel = "client-go-lab/chapter"

// manager is the name under which this chapter applies fields.
const manager = "chapter-03"

// A dynamic client is told the resource with each call: group, version, and the plural name in the URL.
var (
	namespaces      = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	configMaps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	cronJobs        = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}
	priorityClasses = schema.GroupVersionResource{Group: "scheduling.k8s.io", Version: "v1", Resource: "priorityclasses"}
	crds            = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// labels returns the labels of this chapter's objects, as an unstructured object has them.
func labels() map[string]any { return map[string]any{labLabel: "03"} }

// mine selects this chapter's objects.
func mine() metav1.ListOptions { return metav1.ListOptions{LabelSelector: labLabel + "=03"} }

// inLab runs a step that writes. It makes the namespace if there is none, removes what an interrupted run may have left
// behind, and cleans up after the step, however that ends.
func inLab(ctx context.Context, client dynamic.Interface, step func() error) (err error) {
	if err := makeNamespace(ctx, client); err != nil {
		return fmt.Errorf("make the namespace %s: %w", labNamespace, err)
	}
	if err := sweep(ctx, client); err != nil {
		return fmt.Errorf("remove what an earlier run left: %w", err)
	}
	defer func() {
		// After Ctrl-C ctx is cancelled and no request with it would leave this machine. Cleaning up gets a context that
		// keeps ctx's values but not its end, and a time limit of its own.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if cleanErr := sweep(ctx, client); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("clean up: %w", cleanErr))
		}
	}()
	return step()
}

// makeNamespace makes the lab's namespace if it is not there.
func makeNamespace(ctx context.Context, client dynamic.Interface) error {
	found, err := client.Resource(namespaces).Get(ctx, labNamespace, metav1.GetOptions{})
	switch {
	case err == nil:
		if phase, _, _ := unstructured.NestedString(found.Object, "status", "phase"); phase == "Terminating" {
			return errors.New("it is being deleted: wait until it is gone, then try again")
		}
		return nil
	case !apierrors.IsNotFound(err):
		return err
	}
	namespace := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Namespace",
		"metadata":   map[string]any{"name": labNamespace},
	}}
	_, err = client.Resource(namespaces).Create(ctx, namespace, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // another program was faster
	}
	return err
}

// sweep deletes this chapter's objects. CRDs go with their objects, and are waited for: until they are gone,
// nobody can make them anew.
func sweep(ctx context.Context, client dynamic.Interface) error {
	list, err := client.Resource(crds).List(ctx, mine())
	if err != nil {
		return fmt.Errorf("list the CustomResourceDefinitions: %w", err)
	}
	var failed []error
	for _, crd := range list.Items {
		failed = append(failed, removeCRD(ctx, client, crd.GetName()))
	}
	for _, resource := range []dynamic.ResourceInterface{
		client.Resource(configMaps).Namespace(labNamespace),
		client.Resource(cronJobs).Namespace(labNamespace),
		client.Resource(priorityClasses),
	} {
		failed = append(failed, resource.DeleteCollection(ctx, metav1.DeleteOptions{}, mine()))
	}
	return errors.Join(failed...)
}
