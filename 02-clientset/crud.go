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
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// crud takes Deployments through their lives. What happens to their ReplicaSets and pods is in deletion.go.
func crud(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	for _, part := range []struct {
		what string
		show clientStep
	}{
		{"create, get, update, delete", life},
		{"generateName", generatedNames},
		{"preconditions", preconditions},
		{"delete propagation", propagation},
		{"DeleteCollection", deleteCollection},
	} {
		fmt.Fprintf(out, "-- %s\n", part.what)
		if err := part.show(ctx, client, namespace, out); err != nil {
			return err
		}
	}
	return nil
}

// newDeployment makes a Deployment in memory. Its selector must match the labels of its pod template, and can never be
// changed again.
func newDeployment(name string, replicas int32) *appsv1.Deployment {
	podLabels := labels()
	podLabels["app"] = name
	now := int64(0)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, // a pointer: nil and 0 are not the same
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: podLabels},
				Spec: corev1.PodSpec{
					Containers:                    []corev1.Container{{Name: "app", Image: "pause:3.10"}},
					TerminationGracePeriodSeconds: &now,
				},
			},
		},
	}
}

// life is the usual way of a typed object: the struct that you send is the struct that you get back, filled in.
func life(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	deployments := client.AppsV1().Deployments(namespace)

	created, err := deployments.Create(ctx, newDeployment("web", 0), metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create the Deployment web: %w", err)
	}
	fmt.Fprintf(out, "created %s; the server filled in: uid %t, strategy %q, revisionHistoryLimit %t\n", created.Name,
		created.UID != "", created.Spec.Strategy.Type, created.Spec.RevisionHistoryLimit != nil)

	got, err := deployments.Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the Deployment web: %w", err)
	}
	fmt.Fprintf(out, "got     %s; kind %q, apiVersion %q\n", got.Name, got.Kind, got.APIVersion)

	// Update replaces the whole object, so change what you have read: what a fresh struct leaves out would be gone. The
	// Deployment's controller writes its status at this very moment, and then the server says 409: read and try again.
	var updated *appsv1.Deployment
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		deployment, err := deployments.Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		deployment.Spec.Template.Spec.Containers[0].Image = "pause:3.9"
		updated, err = deployments.Update(ctx, deployment, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("update the Deployment web: %w", err)
	}
	fmt.Fprintf(out, "updated %s; image %s, generation %d, then %d\n", updated.Name,
		updated.Spec.Template.Spec.Containers[0].Image, created.Generation, updated.Generation)

	if err := deployments.Delete(ctx, "web", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the Deployment web: %w", err)
	}
	_, err = deployments.Get(ctx, "web", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return unexpected("get the Deployment web after deleting it", "404 NotFound", err)
	}
	fmt.Fprintln(out, "deleted web")
	return nil
}

// generatedNames lets the server choose: the prefix and five random characters.
func generatedNames(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	deployment := newDeployment("", 0)
	deployment.GenerateName = "batch-"
	deployment.Spec.Selector.MatchLabels["app"], deployment.Spec.Template.Labels["app"] = "batch", "batch"
	names := map[string]bool{}
	for range 2 {
		created, err := client.AppsV1().Deployments(namespace).Create(ctx, deployment, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("create a Deployment batch-...: %w", err)
		}
		suffix, found := strings.CutPrefix(created.Name, "batch-")
		fmt.Fprintf(out, "the prefix batch-: %t, and %d characters\n", found, len(suffix))
		names[created.Name] = true // only the answer has the name: deployment.Name is still ""
	}
	fmt.Fprintf(out, "the same object sent twice: %d Deployments\n", len(names))
	return nil
}

// preconditions delete an object only if it is the one that you mean.
func preconditions(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	deployments := client.AppsV1().Deployments(namespace)
	first, err := deployments.Create(ctx, newDeployment("shop", 0), metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create the Deployment shop: %w", err)
	}

	// Meanwhile somebody deletes it and makes another one of the same name.
	if err := deployments.Delete(ctx, "shop", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the Deployment shop: %w", err)
	}
	second, err := deployments.Create(ctx, newDeployment("shop", 0), metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create the Deployment shop again: %w", err)
	}

	err = deployments.Delete(ctx, "shop", *metav1.NewPreconditionDeleteOptions(string(first.UID)))
	if !apierrors.IsConflict(err) {
		return unexpected("delete shop with the uid of another", "409 Conflict", err)
	}
	fmt.Fprintf(out, "uid of the first shop:   %s\n", apierrors.ReasonForError(err))

	err = deployments.Delete(ctx, "shop", *metav1.NewRVDeletionPrecondition(first.ResourceVersion))
	if !apierrors.IsConflict(err) {
		return unexpected("delete shop with an old resourceVersion", "409 Conflict", err)
	}
	fmt.Fprintf(out, "old resourceVersion:     %s\n", apierrors.ReasonForError(err))

	if err := deployments.Delete(ctx, "shop", *metav1.NewPreconditionDeleteOptions(string(second.UID))); err != nil {
		return fmt.Errorf("delete the Deployment shop: %w", err)
	}
	fmt.Fprintln(out, "uid of the second shop:  deleted")
	return nil
}
