// Package apply is a sample of a typical mistake: it splits the text at every "---".
package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

// want: --- separates documents only at the beginning of a line

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

// read cuts a certificate into pieces.
func read(file io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	for _, document := range strings.Split(string(text), "---") {
		content := map[string]any{}
		if err := yaml.Unmarshal([]byte(document), &content); err != nil {
			return nil, err
		}
		if len(content) > 0 {
			objects = append(objects, &unstructured.Unstructured{Object: content})
		}
	}
	return objects, nil
}

// at returns the client for an object: in the object's namespace, or in the one given if it says none; and in no
// namespace at all, if its resource has none.
func at(client dynamic.Interface, mapping *meta.RESTMapping, namespace string, object *unstructured.Unstructured) dynamic.ResourceInterface {
	resource := client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return resource
	}
	if object.GetNamespace() != "" {
		namespace = object.GetNamespace()
	}
	return resource.Namespace(namespace)
}

var (
	namespaceKind = schema.GroupKind{Kind: "Namespace"}
	crdKind       = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
)

// inOrder returns first the objects that others need, namespaces and definitions, and then the others, as they came.
func inOrder(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	rank := func(object *unstructured.Unstructured) int {
		switch object.GroupVersionKind().GroupKind() {
		case namespaceKind:
			return 0
		case crdKind:
			return 1
		}
		return 2
	}
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	return sorted
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
