// Package owner is a sample of a typical mistake: it reads the whole Deployment, and applies the whole Deployment.
package owner

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// want: Whoever copies what was there owns it, too

// Manager is the name under which the server notes what this program owns.
const Manager = "scaler"

// Scale repeats what it has read, as an Update must.
func Scale(ctx context.Context, client kubernetes.Interface, namespace, name string, replicas int32) error {
	deployment, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	template := corev1ac.PodTemplateSpec().WithLabels(deployment.Spec.Template.Labels).WithSpec(corev1ac.PodSpec())
	for _, container := range deployment.Spec.Template.Spec.Containers {
		template.Spec.WithContainers(corev1ac.Container().WithName(container.Name).WithImage(container.Image))
	}
	configuration := appsac.Deployment(name, namespace).
		WithLabels(map[string]string{"scaled-by": Manager}).
		WithSpec(appsac.DeploymentSpec().
			WithReplicas(replicas).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(deployment.Spec.Selector.MatchLabels)).
			WithTemplate(template))
	_, err = client.AppsV1().Deployments(namespace).Apply(ctx, configuration, metav1.ApplyOptions{FieldManager: Manager})
	return err
}

// Conflicts is not written yet.
func Conflicts(error) []string { return nil }

// Release is not written yet.
func Release(context.Context, kubernetes.Interface, string, string) error { return nil }
