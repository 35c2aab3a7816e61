// Package nested is a sample of a typical mistake: type assertions without ok, one after the other.
package nested

import (
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// want: nothing, but panics

// Replicas panics when anything is not as expected.
func Replicas(object *unstructured.Unstructured) (int64, error) {
	spec := object.Object["spec"].(map[string]any)
	if spec["replicas"] == nil {
		return 1, nil
	}
	return spec["replicas"].(int64), nil
}

// SetReplicas is not written yet.
func SetReplicas(*unstructured.Unstructured, int) error {
	return errors.New("step 2 is not written yet")
}

// Images is not written yet.
func Images(*unstructured.Unstructured) ([]string, error) { return nil, nil }
