package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
)

// paths goes where Namespace, Resource and Name do not lead.
func paths(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	fmt.Fprintln(out, "-- paths that are no resources")
	if err := health(ctx, client, out); err != nil {
		return err
	}
	if err := serverVersion(ctx, client, out); err != nil {
		return err
	}
	if err := groups(ctx, client, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- subresources")
	if err := subresources(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- two kinds of 404")
	return notFound(ctx, client, namespace, out)
}

// health asks whether the API server is alive, ready and well. The answers are plain text: DoRaw does not decode.
func health(ctx context.Context, client rest.Interface, out io.Writer) error {
	for _, path := range []string{"/livez", "/readyz", "/healthz"} { // healthz is deprecated since v1.16, and much used
		answer, err := client.Get().AbsPath(path).DoRaw(ctx)
		if err != nil {
			return fmt.Errorf("ask %s: %w", path, err)
		}
		fmt.Fprintf(out, "%s: %s\n", path, answer)
	}
	return nil
}

// serverVersion asks for the server's version: JSON, but no API object (it has no kind), so Into cannot take it.
func serverVersion(ctx context.Context, client rest.Interface, out io.Writer) error {
	answer, err := client.Get().AbsPath("/version").DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("ask /version: %w", err)
	}
	var info version.Info
	if err := json.Unmarshal(answer, &info); err != nil {
		return fmt.Errorf("read the answer of /version: %w", err)
	}
	fmt.Fprintf(out, "/version: %s\n", info.GitVersion)
	return nil
}

// groups asks which API groups there are, and prints the oldest: those whose names have no domain.
func groups(ctx context.Context, client rest.Interface, out io.Writer) error {
	list := &metav1.APIGroupList{}
	if err := client.Get().AbsPath("/apis").Do(ctx).Into(list); err != nil {
		return fmt.Errorf("ask /apis: %w", err)
	}
	for _, group := range list.Groups {
		if !strings.Contains(group.Name, ".") {
			fmt.Fprintf(out, "/apis: %s\n", group.PreferredVersion.GroupVersion)
		}
	}
	return nil
}

// subresources are objects behind an object: a part of it with its own URL, verbs and permissions.
func subresources(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	// Deployments are not in /api/v1, where this client lives. AbsPath replaces that; the rest of the path stays.
	deployments := func(request *rest.Request) *rest.Request {
		return request.AbsPath("/apis/apps/v1").Namespace(namespace).Resource("deployments")
	}
	body := []byte(`{"apiVersion":"apps/v1","kind":"Deployment",
		"metadata":{"name":"web","labels":{"` + labLabel + `":"01"}},
		"spec":{"replicas":1,"paused":true,
			"selector":{"matchLabels":{"app":"web"}},
			"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"nginx"}]}}}}`)
	if err := deployments(client.Post()).Body(body).Do(ctx).Error(); err != nil { // paused: it will start no pods
		return fmt.Errorf("create the Deployment web: %w", err)
	}

	// scale is the same small object for everything that can be scaled.
	scale := &autoscalingv1.Scale{}
	web := func(request *rest.Request) *rest.Request { return deployments(request).Name("web") }
	if err := web(client.Get()).SubResource("scale").Do(ctx).Into(scale); err != nil {
		return fmt.Errorf("get the scale of the Deployment web: %w", err)
	}
	fmt.Fprintf(out, "GET scale: %d replicas\n", scale.Spec.Replicas)
	// A PATCH, because a PUT would bring the resourceVersion just read, and the Deployment's controller may be faster.
	if err := web(client.Patch(types.MergePatchType)).SubResource("scale").Body([]byte(`{"spec":{"replicas":3}}`)).Do(ctx).Into(scale); err != nil {
		return fmt.Errorf("scale the Deployment web: %w", err)
	}
	fmt.Fprintf(out, "PATCH scale: %d replicas\n", scale.Spec.Replicas)

	// A write to the object itself cannot change its status, and a write to status cannot change anything else.
	// Both answer 200 and silently leave out the rest.
	change := []byte(`{"spec":{"replicas":5},"status":{"observedGeneration":99}}`)
	deployment := &appsv1.Deployment{}
	if err := web(client.Patch(types.MergePatchType)).SubResource("status").Body(change).Do(ctx).Into(deployment); err != nil {
		return fmt.Errorf("patch the status of the Deployment web: %w", err)
	}
	if deployment.Spec.Replicas == nil { // a pointer: not set is not zero; the server always sets it
		return fmt.Errorf("patch the status of the Deployment web: the answer has no spec.replicas")
	}
	fmt.Fprintf(out, "PATCH status: spec.replicas %d, status.observedGeneration %d\n", *deployment.Spec.Replicas, deployment.Status.ObservedGeneration)
	return nil
}

// notFound asks for a pod that is not there, and for a path that is not there.
func notFound(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	noPod := client.Get().Namespace(namespace).Resource("pods").Name("nobody").Do(ctx).Error()
	noPath := client.Get().Namespace(namespace).Resource("pod").Name("nobody").Do(ctx).Error() // should be "pods"
	for _, err := range []error{noPod, noPath} {
		if !apierrors.IsNotFound(err) {
			return unexpected("ask for what is not there", "404 NotFound", err)
		}
		fmt.Fprintln(out, err)
	}
	return nil
}
