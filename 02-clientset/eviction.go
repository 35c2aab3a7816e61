package main

import (
	"context"
	"fmt"
	"io"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
)

// eviction asks a pod to go, politely: the server looks at the PodDisruptionBudgets first. kubectl drain does the same.
func eviction(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	if err := makeGuards(ctx, client, namespace); err != nil {
		return err
	}
	if err := evict(ctx, client, namespace, "guard-1"); err != nil {
		return fmt.Errorf("evict the Pod guard-1: %w", err)
	}
	fmt.Fprintln(out, "EvictV1 guard-1: granted")
	err := evict(ctx, client, namespace, "guard-2")
	if !apierrors.IsTooManyRequests(err) {
		return unexpected("evict the last pod of a budget", "429 TooManyRequests", err)
	}
	fmt.Fprintf(out, "EvictV1 guard-2: %v (a %s: %t)\n", err, policyv1.DisruptionBudgetCause, apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause))

	// Delete does not ask.
	if err := client.CoreV1().Pods(namespace).Delete(ctx, "guard-2", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the Pod guard-2: %w", err)
	}
	fmt.Fprintln(out, "Delete guard-2: done, budget or not")
	return nil
}

func evict(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	return client.CoreV1().Pods(namespace).EvictV1(ctx, &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, // the pod's: an Eviction has no name of its own
	})
}

// makeGuards makes two running pods and a budget that wants one of them to stay, and waits until the budget's controller
// has counted them: before that, every eviction is refused, and client-go would wait 10 seconds and try again.
func makeGuards(ctx context.Context, client kubernetes.Interface, namespace string) error {
	app := map[string]string{"app": "guard"}
	for _, name := range []string{"guard-1", "guard-2"} {
		pod := samplePod(name)
		pod.Labels["app"] = "guard"
		if _, err := client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create the Pod %s: %w", name, err)
		}
	}
	one := intstr.FromInt32(1)
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "guards", Labels: labels()},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: app}},
	}
	if _, err := client.PolicyV1().PodDisruptionBudgets(namespace).Create(ctx, budget, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the PodDisruptionBudget guards: %w", err)
	}
	for _, name := range []string{"guard-1", "guard-2"} {
		if err := waitReady(ctx, client, namespace, name); err != nil {
			return err
		}
	}
	return poll(ctx, "the PodDisruptionBudget guards to allow one disruption", func(ctx context.Context) (bool, error) {
		budget, err := client.PolicyV1().PodDisruptionBudgets(namespace).Get(ctx, "guards", metav1.GetOptions{})
		return err == nil && budget.Status.ObservedGeneration == budget.Generation && budget.Status.DisruptionsAllowed == 1, err
	})
}
