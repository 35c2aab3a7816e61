// Package owner is a sample of a typical mistake: to give one field up, it leaves everything out.
package owner

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/client-go/kubernetes"
)

// want: You left the label out as well

// Manager is the name under which the server notes what this program owns.
const Manager = "scaler"

// Scale is right.
func Scale(ctx context.Context, client kubernetes.Interface, namespace, name string, replicas int32) error {
	configuration := appsac.Deployment(name, namespace).
		WithLabels(map[string]string{"scaled-by": Manager}).
		WithSpec(appsac.DeploymentSpec().WithReplicas(replicas))
	_, err := client.AppsV1().Deployments(namespace).Apply(ctx, configuration, metav1.ApplyOptions{FieldManager: Manager})
	return err
}

// Conflicts is not written yet.
func Conflicts(error) []string { return nil }

// Release gives up the label, too.
func Release(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	_, err := client.AppsV1().Deployments(namespace).Apply(ctx, appsac.Deployment(name, namespace), metav1.ApplyOptions{FieldManager: Manager})
	return err
}
