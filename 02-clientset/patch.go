package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// patches changes the same list, the containers of a Deployment, in three languages.
func patches(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	for _, part := range []struct {
		name    string
		kind    types.PatchType
		patches []string
	}{
		{"merge", types.MergePatchType, []string{
			`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"shop:2"}]}}}}`,
		}},
		{"strategic", types.StrategicMergePatchType, []string{
			`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"shop:2"}]}}}}`,
			`{"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"COLOUR","value":"green"}],"args":["-q"]}]}}}}`,
			`{"spec":{"template":{"spec":{"containers":[{"name":"apq","image":"shop:3"}]}}}}`,
			`{"spec":{"template":{"spec":{"containers":[{"name":"apq","$patch":"delete"}]}}}}`,
		}},
		{"json", types.JSONPatchType, []string{
			`[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"shop:2"}]`,
			`[{"op":"add","path":"/spec/template/spec/containers/0","value":{"name":"proxy","image":"proxy:1"}}]`,
			`[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"shop:3"}]`,
			`[{"op":"test","path":"/spec/template/spec/containers/0/name","value":"app"},
			  {"op":"replace","path":"/spec/template/spec/containers/0/image","value":"shop:3"}]`,
			`[{"op":"add","path":"/spec/template/spec/containers/2/env/-","value":{"name":"COLOUR","value":"green"}}]`,
		}},
	} {
		fmt.Fprintf(out, "-- %s: %s\n", part.name, part.kind)
		deployment, err := client.AppsV1().Deployments(namespace).Create(ctx, newShop(part.name), metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("create the Deployment %s: %w", part.name, err)
		}
		showContainers(deployment, out)
		for _, patch := range part.patches {
			if err := onePatch(ctx, client, namespace, part.name, part.kind, patch, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// newShop makes a Deployment whose pods would have two containers. It wants none, so nothing is ever started.
func newShop(name string) *appsv1.Deployment {
	shop := newDeployment(name, 0)
	shop.Spec.Template.Spec.Containers = []corev1.Container{
		{
			Name: "app", Image: "shop:1", Args: []string{"-v", "-x"},
			Env: []corev1.EnvVar{{Name: "SIZE", Value: "large"}, {Name: "COLOUR", Value: "red"}},
		},
		{Name: "log", Image: "log:1"},
	}
	return shop
}

// onePatch sends a patch, and shows what the server made of it. Nothing has to be read before.
func onePatch(ctx context.Context, client kubernetes.Interface, namespace, name string, kind types.PatchType, patch string, out io.Writer) error {
	fmt.Fprintf(out, "%s\n", shortened(patch))
	patched, err := client.AppsV1().Deployments(namespace).Patch(ctx, name, kind, []byte(patch), metav1.PatchOptions{})
	switch {
	case apierrors.IsInvalid(err): // 422: the patch does not fit, and the server does not say where
		fmt.Fprintf(out, "    %s: %v\n", apierrors.ReasonForError(err), err)
		return nil
	case err != nil:
		return fmt.Errorf("patch the Deployment %s: %w", name, err)
	}
	showContainers(patched, out)
	return nil
}

// shortened leaves out where all these patches begin.
func shortened(patch string) string {
	patch = strings.Join(strings.Fields(patch), " ")
	patch = strings.ReplaceAll(patch, `{"spec":{"template":{"spec":{"containers":`, `{...`)
	patch = strings.ReplaceAll(patch, `}}}}`, `}`)
	return strings.ReplaceAll(patch, "/spec/template/spec", "...")
}

func showContainers(deployment *appsv1.Deployment, out io.Writer) {
	for _, container := range deployment.Spec.Template.Spec.Containers {
		var env []string
		for _, variable := range container.Env {
			env = append(env, variable.Name+"="+variable.Value)
		}
		fmt.Fprintf(out, "    %s: %s %v %v\n", container.Name, container.Image, container.Args, env)
	}
}
