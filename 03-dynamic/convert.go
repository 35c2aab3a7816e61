package main

import (
	"context"
	"fmt"
	"io"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
)

// convert goes from a Go type to a map and back, twice with everything, and several times with less.
func convert(ctx context.Context, client dynamic.Interface, namespace string, out io.Writer) error {
	fmt.Fprintln(out, "-- from a type to a map")
	if err := toMap(ctx, client.Resource(configMaps).Namespace(namespace), out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- from a map to a type")
	if err := toType(out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- what gets lost without a word")
	if err := lost(out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- the same on the server")
	return onServer(ctx, client.Resource(cronJobs).Namespace(namespace), out)
}

// toMap converts a typed object and creates what comes out of it.
func toMap(ctx context.Context, client dynamic.ResourceInterface, out io.Writer) error {
	tea := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "tea", Labels: map[string]string{labLabel: "03"}},
		Data:       map[string]string{"leaves": "green"},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(tea)
	if err != nil {
		return fmt.Errorf("convert the ConfigMap tea: %w", err)
	}
	object := &unstructured.Unstructured{Object: content}
	fmt.Fprintf(out, "kind %q, data %v\n", object.GetKind(), content["data"])

	// A typed object rarely has its kind and version: the type says it. A map has no type. Create survives that, because
	// the server knows from the URL what to expect. Apply, a mapper, and every other program that reads it, do not.
	options := metav1.ApplyOptions{FieldManager: manager}
	_, err = client.Apply(ctx, "tea", object, options)
	if err == nil {
		return unexpected("apply an object without a kind", "an error", err)
	}
	fmt.Fprintf(out, "apply: %s\n", err)

	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	applied, err := client.Apply(ctx, "tea", object, options)
	if err != nil {
		return fmt.Errorf("apply the ConfigMap tea: %w", err)
	}
	fmt.Fprintf(out, "apply with a kind: %s %s\n", applied.GetKind(), applied.GetName())
	return nil
}

// toType converts a map that has a field too many, and does not say so unless it is asked to.
func toType(out io.Writer) error {
	object := newCronJob("kettle")
	spec := object.Object["spec"].(map[string]any)
	spec["schedul"] = "0 6 * * *" // a slip

	job := &batchv1.CronJob{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, job); err != nil {
		return fmt.Errorf("convert the CronJob kettle: %w", err)
	}
	fmt.Fprintf(out, "FromUnstructured: no error; Schedule %s\n", job.Spec.Schedule)

	err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, job, true)
	if !runtime.IsStrictDecodingError(err) {
		return unexpected("convert strictly", "a strict decoding error", err)
	}
	fmt.Fprintf(out, "FromUnstructuredWithValidation: %s\n", err)

	spec["suspend"] = "true" // a string, not a bool
	err = runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, job)
	if err == nil {
		return unexpected("convert a string to a bool", "an error", err)
	}
	fmt.Fprintf(out, "a string for a bool: %s\n", err)
	return nil
}

// lost shows what a map had and a type does not have: after the way there and back it is gone. Whoever reads with an
// old type and writes the whole object back deletes what the type did not know.
func lost(out io.Writer) error {
	object := newCronJob("kettle")
	spec := object.Object["spec"].(map[string]any)
	spec["newInTwoYears"] = "a field that this program's types do not have"
	spec["failedJobsHistoryLimit"] = int64(1<<32 + 2) // the type has an int32
	spec["jobTemplate"].(map[string]any)["metadata"] = map[string]any{"labels": map[string]any{}}

	job := &batchv1.CronJob{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, job); err != nil {
		return fmt.Errorf("convert the CronJob kettle: %w", err)
	}
	back, err := runtime.DefaultUnstructuredConverter.ToUnstructured(job)
	if err != nil {
		return fmt.Errorf("convert the CronJob kettle back: %w", err)
	}
	after := back["spec"].(map[string]any)
	for _, field := range []string{"newInTwoYears", "failedJobsHistoryLimit"} {
		fmt.Fprintf(out, "%s: %v -> %v\n", field, spec[field], after[field])
	}
	fmt.Fprintf(out, "jobTemplate.metadata: %v -> %v\n",
		spec["jobTemplate"].(map[string]any)["metadata"], after["jobTemplate"].(map[string]any)["metadata"])
	fmt.Fprintf(out, "status: %v -> %v\n", object.Object["status"], back["status"])
	return nil
}

// onServer lets the server decode the object with the slip, as a dry run: the default is to warn and to drop the field.
func onServer(ctx context.Context, client dynamic.ResourceInterface, out io.Writer) error {
	object := newCronJob("kettle")
	object.Object["spec"].(map[string]any)["schedul"] = "0 6 * * *"
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationIgnore}
	created, err := client.Create(ctx, object, options)
	if err != nil {
		return fmt.Errorf("create the CronJob kettle: %w", err)
	}
	_, found, err := unstructured.NestedFieldNoCopy(created.Object, "spec", "schedul")
	if err != nil {
		return fmt.Errorf("look for the field schedul: %w", err)
	}
	fmt.Fprintf(out, "fieldValidation=Ignore: created, schedul there %t\n", found)

	options.FieldValidation = metav1.FieldValidationStrict
	_, err = client.Create(ctx, object, options)
	if !apierrors.IsBadRequest(err) {
		return unexpected("create the CronJob kettle strictly", "400 BadRequest", err)
	}
	fmt.Fprintf(out, "fieldValidation=Strict: %s\n", err)
	return nil
}
