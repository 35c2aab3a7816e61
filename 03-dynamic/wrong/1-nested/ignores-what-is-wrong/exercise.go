// Package nested is a sample of a typical mistake: found is all that it looks at.
package nested

import (
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// want: reading a field ends in one of three ways

// Replicas takes "3" in quotes for nothing, and says 1.
func Replicas(object *unstructured.Unstructured) (int64, error) {
	replicas, found, _ := unstructured.NestedInt64(object.Object, "spec", "replicas")
	if !found {
		return 1, nil
	}
	return replicas, nil
}

// SetReplicas is not written yet.
func SetReplicas(*unstructured.Unstructured, int) error {
	return errors.New("step 2 is not written yet")
}

// Images is not written yet.
func Images(*unstructured.Unstructured) ([]string, error) { return nil, nil }
