// Package nested reads and writes fields of objects that have no Go type here: Deployments, StatefulSets, or whatever
// else has replicas and a pod template in its spec.
package nested

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Replicas returns spec.replicas. Where the field is missing, it is 1; where it is no whole number, that is an error.
func Replicas(object *unstructured.Unstructured) (int64, error) {
	// lab:begin 1 a Nested... helper gives three answers, and two of them are thrown away here
	replicas, found, err := unstructured.NestedInt64(object.Object, "spec", "replicas")
	if err != nil {
		return 0, fmt.Errorf("read the replicas of %s: %w", object.GetName(), err)
	}
	if !found {
		return 1, nil
	}
	return replicas, nil
	// lab:stub replicas, _, _ := unstructured.NestedInt64(object.Object, "spec", "replicas")
	// lab:stub return replicas, nil
	// lab:end
}

// SetReplicas sets spec.replicas, and makes spec if there is none. If spec is no map, that is an error.
func SetReplicas(object *unstructured.Unstructured, replicas int) error {
	// lab:begin 2 one call; but which numbers does an unstructured object hold?
	return unstructured.SetNestedField(object.Object, int64(replicas), "spec", "replicas")
	// lab:stub return fmt.Errorf("step 2 is not written yet")
	// lab:end
}

// Images returns the images of the containers in spec.template.spec.containers. No containers are no error; a container
// without an image, or whose image is no text, is one.
func Images(object *unstructured.Unstructured) ([]string, error) {
	// lab:begin 3 a path leads through maps only, so it ends at the list; then read each item as a map of its own
	containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
	if err != nil {
		return nil, fmt.Errorf("read the containers of %s: %w", object.GetName(), err)
	}
	var images []string
	for i, container := range containers {
		fields, ok := container.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("container %d of %s is a %T and no map", i, object.GetName(), container)
		}
		image, found, err := unstructured.NestedString(fields, "image")
		if err != nil || !found {
			return nil, fmt.Errorf("container %d of %s: no image (%v)", i, object.GetName(), err)
		}
		images = append(images, image)
	}
	return images, nil
	// lab:stub return nil, nil
	// lab:end
}
