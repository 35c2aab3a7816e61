// Package apply applies the objects of a YAML file, of any kinds.
package apply

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

// Apply applies every object of the file. Those without a namespace go into the one given.
func Apply(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapperWithContext, namespace string, file io.Reader) error {
	objects, err := read(file)
	if err != nil {
		return fmt.Errorf("nothing applied: %w", err)
	}
	defined := false // whether there was a definition: its kind takes a moment to be served
	for _, object := range inOrder(objects) {
		kind := object.GroupVersionKind()
		mapping, err := mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
		if meta.IsNoMatchError(err) && defined {
			mapping, err = waitMapped(ctx, mapper, kind)
		}
		defined = defined || kind.GroupKind() == crdKind
		if err == nil {
			_, err = at(client, mapping, namespace, object).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "exercise"})
		}
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// read returns the objects in the documents of a YAML file. A document with nothing in it is no object.
func read(file io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	// TODO 1: yaml.NewYAMLReader gives one document after the other, until io.EOF; yaml.Unmarshal makes a map of each
	_ = yaml.NewYAMLReader(bufio.NewReader(file))
	return objects, nil
}

// at returns the client for an object: in the object's namespace, or in the one given if it says none; and in no
// namespace at all, if its resource has none.
func at(client dynamic.Interface, mapping *meta.RESTMapping, namespace string, object *unstructured.Unstructured) dynamic.ResourceInterface {
	resource := client.Resource(mapping.Resource)
	// TODO 2: the mapping says whether there are namespaces, the object may say which one
	return resource
}

var (
	namespaceKind = schema.GroupKind{Kind: "Namespace"}
	crdKind       = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
)

// inOrder returns first the objects that others need, namespaces before definitions (CRDs), and then the others, as they came.
func inOrder(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	// TODO 3: give each kind a rank, and sort without disturbing what has the same one
	_, _ = namespaceKind, crdKind
	return objects
}

// waitMapped looks for the resource of a kind. Shortly after its CRD was applied, the server does not serve it yet.
func waitMapped(ctx context.Context, mapper meta.RESTMapperWithContext, kind schema.GroupVersionKind) (mapping *meta.RESTMapping, err error) {
	var noMatch error
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		mapping, err = mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
		if meta.IsNoMatchError(err) {
			noMatch = err
			meta.MaybeResetRESTMapperWithContext(ctx, mapper) // ask the server anew the next time
			return false, nil
		}
		return err == nil, err
	})
	if wait.Interrupted(err) && noMatch != nil { // otherwise the server has not answered, and err says so
		err = errors.Join(noMatch, ctx.Err())
	}
	return mapping, err
}
