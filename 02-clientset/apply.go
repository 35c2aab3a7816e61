package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedappsv1 "k8s.io/client-go/kubernetes/typed/apps/v1"
)

// apply lets two programs, "deployer" and "scaler", say what each of them wants of one Deployment.
func apply(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	deployments := client.AppsV1().Deployments(namespace)
	for _, part := range []struct {
		what string
		show func(context.Context, typedappsv1.DeploymentInterface, string, io.Writer) error
	}{
		{"apply creates", applyCreates},
		{"a conflict, and force", applyConflict},
		{"leaving it to the other", applyWithout},
		{"one value, two owners", applyShared},
		{"giving a field up", applyGiveUp},
		{"extract, change, apply", applyExtracted},
	} {
		fmt.Fprintf(out, "-- %s\n", part.what)
		if err := part.show(ctx, deployments, namespace, out); err != nil {
			return err
		}
		shop, err := deployments.Get(ctx, "shop", metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("get the Deployment shop: %w", err)
		}
		showOwners(shop, out)
	}
	return nil
}

// wanted is the deployer's opinion: everything but the number of replicas. Every field of an apply configuration is a
// pointer, so "not my business" and "zero" are not the same. A Deployment struct cannot say the first.
func wanted(namespace string) *appsv1ac.DeploymentApplyConfiguration {
	podLabels := labels()
	podLabels["app"] = "shop"
	return appsv1ac.Deployment("shop", namespace).
		WithLabels(labels()).
		WithSpec(appsv1ac.DeploymentSpec().
			WithPaused(true). // no pods: this step is about fields
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{"app": "shop"})).
			WithTemplate(corev1ac.PodTemplateSpec().
				WithLabels(podLabels).
				WithSpec(corev1ac.PodSpec().
					WithContainers(corev1ac.Container().WithName("app").WithImage("shop:1")))))
}

// replicas is the scaler's opinion: one field.
func replicas(namespace string, n int32) *appsv1ac.DeploymentApplyConfiguration {
	return appsv1ac.Deployment("shop", namespace).WithSpec(appsv1ac.DeploymentSpec().WithReplicas(n))
}

// by says who applies. It takes a name: without one the server refuses.
func by(manager string) metav1.ApplyOptions { return metav1.ApplyOptions{FieldManager: manager} }

// applyCreates: nothing has to exist, nothing has to be read.
func applyCreates(ctx context.Context, deployments typedappsv1.DeploymentInterface, namespace string, out io.Writer) error {
	all := wanted(namespace)
	all.Spec.WithReplicas(1)
	shop, err := deployments.Apply(ctx, all, by("deployer"))
	if err != nil {
		return fmt.Errorf("apply as deployer: %w", err)
	}
	fmt.Fprintf(out, "created %s, replicas %d\n", shop.Name, *shop.Spec.Replicas)
	return nil
}

// applyConflict: a field belongs to whoever set it last by apply. Another value from somebody else is an error, or theft.
func applyConflict(ctx context.Context, deployments typedappsv1.DeploymentInterface, namespace string, out io.Writer) error {
	_, err := deployments.Apply(ctx, replicas(namespace, 3), by("scaler"))
	if !apierrors.IsConflict(err) {
		return unexpected("apply another number of replicas", "409 Conflict", err)
	}
	fmt.Fprintf(out, "scaler:  %v\n", err)

	force := by("scaler")
	force.Force = true
	if _, err := deployments.Apply(ctx, replicas(namespace, 3), force); err != nil {
		return fmt.Errorf("apply by force: %w", err)
	}
	fmt.Fprintln(out, "scaler:  forced")
	return nil
}

// applyWithout: the deployer would now run into a conflict itself. It stops having an opinion on replicas.
func applyWithout(ctx context.Context, deployments typedappsv1.DeploymentInterface, namespace string, out io.Writer) error {
	if _, err := deployments.Apply(ctx, wanted(namespace), by("deployer")); err != nil {
		return fmt.Errorf("apply without replicas: %w", err)
	}
	return nil
}

// applyShared: the same value is no conflict. Both own the field now.
func applyShared(ctx context.Context, deployments typedappsv1.DeploymentInterface, namespace string, out io.Writer) error {
	all := wanted(namespace)
	all.Spec.WithReplicas(3)
	if _, err := deployments.Apply(ctx, all, by("deployer")); err != nil {
		return fmt.Errorf("apply the same number of replicas: %w", err)
	}
	return nil
}

// applyGiveUp: what a manager had applied and applies no longer is removed, unless somebody else owns it, too.
func applyGiveUp(ctx context.Context, deployments typedappsv1.DeploymentInterface, namespace string, out io.Writer) error {
	shop, err := deployments.Apply(ctx, appsv1ac.Deployment("shop", namespace), by("scaler"))
	if err != nil {
		return fmt.Errorf("give replicas up as scaler: %w", err)
	}
	fmt.Fprintf(out, "scaler gives up, deployer still owns: replicas %d\n", *shop.Spec.Replicas)
	shop, err = deployments.Apply(ctx, wanted(namespace), by("deployer"))
	if err != nil {
		return fmt.Errorf("give replicas up as deployer: %w", err)
	}
	fmt.Fprintf(out, "deployer gives up, nobody owns:       replicas %d\n", *shop.Spec.Replicas)
	return nil
}

// applyExtracted changes one field without repeating the others in the program: it reads what it owns, and no more.
func applyExtracted(ctx context.Context, deployments typedappsv1.DeploymentInterface, namespace string, out io.Writer) error {
	shop, err := deployments.Apply(ctx, replicas(namespace, 2), by("scaler"))
	if err != nil {
		return fmt.Errorf("apply as scaler: %w", err)
	}
	mine, err := appsv1ac.ExtractDeploymentFrom(shop, "deployer", "") // "" is the object itself, "status" its status
	if err != nil {
		return fmt.Errorf("extract what the deployer owns: %w", err)
	}
	fmt.Fprintf(out, "in the deployer's extract: image %t, replicas %t\n",
		mine.Spec.Template.Spec.Containers[0].Image != nil, mine.Spec.Replicas != nil)
	mine.Spec.Template.Spec.Containers[0].WithImage("shop:2")
	shop, err = deployments.Apply(ctx, mine, by("deployer"))
	if err != nil {
		return fmt.Errorf("apply what was extracted: %w", err)
	}
	fmt.Fprintf(out, "image %s, replicas %d\n", shop.Spec.Template.Spec.Containers[0].Image, *shop.Spec.Replicas)
	return nil
}

// showOwners prints who owns which field, from metadata.managedFields, without the entries of Kubernetes' controllers.
func showOwners(shop *appsv1.Deployment, out io.Writer) {
	entries := slices.SortedFunc(slices.Values(shop.ManagedFields), func(a, b metav1.ManagedFieldsEntry) int {
		return strings.Compare(a.Manager, b.Manager)
	})
	for _, entry := range entries {
		if entry.Subresource != "" || entry.Manager == "kube-controller-manager" {
			continue
		}
		fmt.Fprintf(out, "    %-8s %s: %s\n", entry.Manager, entry.Operation, ownedFields(entry.FieldsV1))
	}
}

// ownedFields shortens a set of fields to two levels: {"f:spec":{"f:replicas":{},"f:template":{...}}} is
// "spec.replicas spec.template".
func ownedFields(set *metav1.FieldsV1) string {
	tree := map[string]map[string]any{}
	if err := json.Unmarshal(set.GetRawBytes(), &tree); err != nil {
		return err.Error()
	}
	var owned []string
	for first, rest := range tree {
		for second := range rest {
			owned = append(owned, strings.TrimPrefix(first, "f:")+"."+strings.TrimPrefix(second, "f:"))
		}
	}
	slices.Sort(owned)
	return strings.Join(owned, " ")
}
