package main

import (
	"context"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// crud creates, reads, changes and deletes an object that has no Go type here: it is a map, as JSON has it.
func crud(ctx context.Context, client dynamic.Interface, namespace string, out io.Writer) error {
	fmt.Fprintln(out, "-- create, get, update, delete")
	if err := createToDelete(ctx, client.Resource(cronJobs).Namespace(namespace), out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- reading a field")
	readFields(newCronJob("kettle"), out)
	fmt.Fprintln(out, "-- a copy, or the thing itself")
	if err := copies(newCronJob("kettle"), out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- writing a field")
	writeFields(newCronJob("kettle"), out)
	return nil
}

// newCronJob makes a CronJob that is suspended, so that nothing comes of it.
// Only what JSON knows may be in here: map[string]any, []any, string, bool, int64, float64 and nil.
func newCronJob(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", // without these two nobody knows what this is
		"kind":       "CronJob",
		"metadata":   map[string]any{"name": name, "labels": labels()},
		"spec": map[string]any{
			"schedule":               "0 4 * * *",
			"suspend":                true,
			"failedJobsHistoryLimit": int64(2),
			"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
				"restartPolicy": "Never",
				"containers":    []any{map[string]any{"name": "water", "image": "example.com/water:1"}},
			}}}},
		},
	}}
}

func createToDelete(ctx context.Context, client dynamic.ResourceInterface, out io.Writer) error {
	created, err := client.Create(ctx, newCronJob("kettle"), metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create the CronJob kettle: %w", err)
	}
	fmt.Fprintf(out, "created %s %s: %s\n", created.GetKind(), created.GetName(), schedule(created))

	got, err := client.Get(ctx, "kettle", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the CronJob kettle: %w", err)
	}
	// Change what came from the server and send it back: all of it, also what this program knows nothing about.
	if err := unstructured.SetNestedField(got.Object, "0 5 * * *", "spec", "schedule"); err != nil {
		return fmt.Errorf("set the schedule of the CronJob kettle: %w", err)
	}
	updated, err := client.Update(ctx, got, metav1.UpdateOptions{}) // 409 if somebody else was faster: see chapter 02
	if err != nil {
		return fmt.Errorf("update the CronJob kettle: %w", err)
	}
	fmt.Fprintf(out, "updated %s %s: %s\n", updated.GetKind(), updated.GetName(), schedule(updated))

	if err := client.Delete(ctx, "kettle", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the CronJob kettle: %w", err)
	}
	if _, err = client.Get(ctx, "kettle", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return unexpected("get the deleted CronJob kettle", "404 NotFound", err)
	}
	fmt.Fprintf(out, "deleted: %s\n", err) // the same errors and the same predicates as with typed clients
	return nil
}

// schedule reads a string that must be there: found and err both matter.
func schedule(object *unstructured.Unstructured) string {
	text, found, err := unstructured.NestedString(object.Object, "spec", "schedule")
	if err != nil || !found {
		return fmt.Sprintf("no schedule (found %t, error %v)", found, err)
	}
	return text
}

// readFields shows the three ways in which reading a field can end: found, not found, and an error.
func readFields(object *unstructured.Unstructured, out io.Writer) {
	show := func(doing string, value any, found bool, err error) {
		if err != nil {
			fmt.Fprintf(out, "%s: error: %s\n", doing, err)
			return
		}
		fmt.Fprintf(out, "%s: %#v, found %t\n", doing, value, found)
	}
	text, found, err := unstructured.NestedString(object.Object, "spec", "schedule")
	show("NestedString spec.schedule", text, found, err)
	text, found, err = unstructured.NestedString(object.Object, "spec", "timeZone")
	show("NestedString spec.timeZone, which is not there", text, found, err)
	text, found, err = unstructured.NestedString(object.Object, "spec", "suspend")
	show("NestedString spec.suspend, a bool", text, found, err)
	text, found, err = unstructured.NestedString(object.Object, "spec", "schedule", "hour")
	show("NestedString spec.schedule.hour, through a string", text, found, err)

	number, found, err := unstructured.NestedInt64(object.Object, "spec", "failedJobsHistoryLimit")
	show("NestedInt64 spec.failedJobsHistoryLimit", number, found, err)
	object.Object["spec"].(map[string]any)["failedJobsHistoryLimit"] = 2 // an int: JSON decoding never makes one
	number, found, err = unstructured.NestedInt64(object.Object, "spec", "failedJobsHistoryLimit")
	show("NestedInt64 of an int", number, found, err)

	object.Object["status"] = nil // as in {"status": null}
	value, found, err := unstructured.NestedFieldNoCopy(object.Object, "status")
	show("NestedFieldNoCopy of null", value, found, err)
	value, found, err = unstructured.NestedMap(object.Object, "status")
	show("NestedMap of null", value, found, err)
}

// copies shows which helpers return a copy. A change of a copy changes nothing until it is set again.
func copies(object *unstructured.Unstructured, out io.Writer) error {
	containers := []string{"spec", "jobTemplate", "spec", "template", "spec", "containers"}
	image := func() any {
		list, _, _ := unstructured.NestedFieldNoCopy(object.Object, containers...)
		return list.([]any)[0].(map[string]any)["image"]
	}
	list, found, err := unstructured.NestedSlice(object.Object, containers...)
	if err != nil || !found {
		return fmt.Errorf("read the containers: found %t, error %w", found, err)
	}
	list[0].(map[string]any)["image"] = "example.com/water:2"
	fmt.Fprintf(out, "NestedSlice, changed:         the object has %s\n", image())
	if err := unstructured.SetNestedSlice(object.Object, list, containers...); err != nil {
		return fmt.Errorf("set the containers: %w", err)
	}
	fmt.Fprintf(out, "SetNestedSlice:               the object has %s\n", image())

	itself, _, err := unstructured.NestedFieldNoCopy(object.Object, containers...)
	if err != nil {
		return fmt.Errorf("read the containers: %w", err)
	}
	itself.([]any)[0].(map[string]any)["image"] = "example.com/water:3"
	fmt.Fprintf(out, "NestedFieldNoCopy, changed:   the object has %s\n", image())
	return nil
}

// writeFields shows what SetNestedField does with values that JSON does not have, and with a path that leads nowhere.
func writeFields(object *unstructured.Unstructured, out io.Writer) {
	limit := []string{"spec", "failedJobsHistoryLimit"}
	fmt.Fprintf(out, "SetNestedField int64(5): error %v\n", unstructured.SetNestedField(object.Object, int64(5), limit...))
	fmt.Fprintf(out, "SetNestedField 5:        panics: %v\n", panicOf(func() {
		_ = unstructured.SetNestedField(object.Object, 5, limit...) // an int cannot be deep-copied as JSON
	}))
	fmt.Fprintf(out, "SetNestedField []string: panics: %v\n", panicOf(func() {
		_ = unstructured.SetNestedField(object.Object, []string{"a"}, "metadata", "finalizers")
	}))
	fmt.Fprintf(out, "SetNestedStringSlice:    error %v\n",
		unstructured.SetNestedStringSlice(object.Object, []string{"a"}, "metadata", "finalizers"))
	fmt.Fprintf(out, "through a string:        error %v\n",
		unstructured.SetNestedField(object.Object, "4", "spec", "schedule", "hour"))
}

// panicOf returns what a function panics with.
func panicOf(do func()) (value any) {
	defer func() { value = recover() }()
	do()
	return nil
}
