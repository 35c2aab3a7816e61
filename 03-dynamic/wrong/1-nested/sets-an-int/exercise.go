// Package nested is a sample of a typical mistake: it hands an int to SetNestedField.
package nested

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// want: int64 and float64, and never int

// Replicas is right.
func Replicas(object *unstructured.Unstructured) (int64, error) {
	replicas, found, err := unstructured.NestedInt64(object.Object, "spec", "replicas")
	if err != nil {
		return 0, fmt.Errorf("read the replicas of %s: %w", object.GetName(), err)
	}
	if !found {
		return 1, nil
	}
	return replicas, nil
}

// SetReplicas panics: "cannot deep copy int".
func SetReplicas(object *unstructured.Unstructured, replicas int) error {
	return unstructured.SetNestedField(object.Object, replicas, "spec", "replicas")
}

// Images is not written yet.
func Images(*unstructured.Unstructured) ([]string, error) { return nil, nil }
