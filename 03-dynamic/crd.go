package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// cups is the resource that this step defines.
var cups = schema.GroupVersionResource{Group: group, Version: "v1", Resource: "cups"}

// cupSchema says what a Cup may be: how many millilitres it holds, how many are in it, and its colour.
var cupSchema = map[string]any{
	"type": "object",
	"properties": map[string]any{
		"spec": map[string]any{
			"type":     "object",
			"required": []any{"holds"},
			"properties": map[string]any{
				"holds":  map[string]any{"type": "integer", "minimum": int64(50)},
				"filled": map[string]any{"type": "integer", "default": int64(0)},
				"colour": map[string]any{"type": "string", "enum": []any{"white", "blue"}, "default": "white"},
			},
			// A rule in CEL, for what a schema cannot say: how fields depend on each other.
			"x-kubernetes-validations": []any{map[string]any{
				"rule":    "self.filled <= self.holds",
				"message": "there is more in the cup than it holds",
			}},
		},
		"status": map[string]any{
			"type":       "object",
			"properties": map[string]any{"celsius": map[string]any{"type": "integer"}},
		},
	},
}

// define installs the resource cups and makes good ones and bad ones.
func define(ctx context.Context, client dynamic.Interface, namespace string, out io.Writer) error {
	crd := newCRD("Cup", cupSchema)
	if err := installCRD(ctx, client, crd); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is established\n", crd.GetName())

	cup := client.Resource(cups).Namespace(namespace)
	fmt.Fprintln(out, "-- a good one: defaults, and what is not in the schema")
	if err := goodCup(ctx, cup, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- bad ones: the causes")
	if err := badCups(ctx, cup, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- spec and status have doors of their own")
	return cupStatus(ctx, cup, out)
}

// newCup makes a Cup with this spec.
func newCup(name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": cups.GroupVersion().String(),
		"kind":       "Cup",
		"metadata":   map[string]any{"name": name, "labels": labels()},
		"spec":       spec,
	}}
}

func goodCup(ctx context.Context, client dynamic.ResourceInterface, out io.Writer) error {
	sent := newCup("tea", map[string]any{"holds": int64(200), "handle": "left"}) // the schema knows no handle
	sent.Object["status"] = map[string]any{"celsius": int64(100)}
	created, err := client.Create(ctx, sent, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create the Cup tea: %w", err)
	}
	fmt.Fprintf(out, "sent:   spec %v, status %v\n", sent.Object["spec"], sent.Object["status"])
	fmt.Fprintf(out, "stored: spec %v, status %v\n", created.Object["spec"], created.Object["status"])

	_, err = client.Create(ctx, newCup("strict", map[string]any{"holds": int64(200), "handle": "left"}),
		metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if !apierrors.IsBadRequest(err) {
		return unexpected("create a Cup with an unknown field, strictly", "400 BadRequest", err)
	}
	fmt.Fprintf(out, "strict: %s\n", err)
	return nil
}

// badCups shows what the server says to Cups that break the schema or the rule. Schema first: if that fails, rules that
// depend on it are not asked.
func badCups(ctx context.Context, client dynamic.ResourceInterface, out io.Writer) error {
	for _, spec := range []map[string]any{
		{"holds": int64(20), "colour": "plaid"},
		{"holds": "a lot"},
		{"filled": int64(10)},
		{"holds": int64(200), "filled": int64(300)},
	} {
		_, err := client.Create(ctx, newCup("bad", spec), metav1.CreateOptions{})
		var status *apierrors.StatusError
		if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.ErrStatus.Details == nil {
			return unexpected("create a bad Cup", "422 Invalid", err)
		}
		fmt.Fprintf(out, "%v: %d %s\n", spec, status.ErrStatus.Code, status.ErrStatus.Reason)
		var lines []string
		for _, cause := range status.ErrStatus.Details.Causes {
			lines = append(lines, fmt.Sprintf("    %s %s: %s\n", cause.Type, cause.Field, cause.Message))
		}
		slices.Sort(lines) // the server looks at properties in no particular order
		fmt.Fprint(out, strings.Join(lines, ""))
	}
	return nil
}

// cupStatus changes spec and status through both doors. Each one takes its part and leaves the other's alone.
func cupStatus(ctx context.Context, client dynamic.ResourceInterface, out io.Writer) error {
	for _, door := range []struct {
		name  string
		write func(context.Context, *unstructured.Unstructured, metav1.UpdateOptions) (*unstructured.Unstructured, error)
	}{
		{"Update", func(ctx context.Context, cup *unstructured.Unstructured, options metav1.UpdateOptions) (*unstructured.Unstructured, error) {
			return client.Update(ctx, cup, options)
		}},
		{"UpdateStatus", client.UpdateStatus},
	} {
		cup, err := client.Get(ctx, "tea", metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("get the Cup tea: %w", err)
		}
		before, _, _ := unstructured.NestedInt64(cup.Object, "spec", "filled")
		if err := errors.Join(
			unstructured.SetNestedField(cup.Object, before+100, "spec", "filled"),
			unstructured.SetNestedField(cup.Object, before+50, "status", "celsius"),
		); err != nil {
			return fmt.Errorf("fill the Cup tea: %w", err)
		}
		after, err := door.write(ctx, cup, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("%s of the Cup tea: %w", door.name, err)
		}
		fmt.Fprintf(out, "%-13s sent filled %d, celsius %d: generation %d, stored spec %v, status %v\n", door.name+":",
			before+100, before+50, after.GetGeneration(), after.Object["spec"], after.Object["status"])
	}
	return nil
}
