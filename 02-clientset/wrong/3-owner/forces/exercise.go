// Package owner is a sample of a typical mistake: it forces, because then there is no error.
package owner

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/client-go/kubernetes"
)

// want: only Force takes it away

// Manager is the name under which the server notes what this program owns.
const Manager = "scaler"

// Scale takes the replicas away from whoever has them. An autoscaler takes them back, and so on.
func Scale(ctx context.Context, client kubernetes.Interface, namespace, name string, replicas int32) error {
	configuration := appsac.Deployment(name, namespace).
		WithLabels(map[string]string{"scaled-by": Manager}).
		WithSpec(appsac.DeploymentSpec().WithReplicas(replicas))
	_, err := client.AppsV1().Deployments(namespace).Apply(ctx, configuration, metav1.ApplyOptions{FieldManager: Manager, Force: true})
	return err
}

// Conflicts is not written yet.
func Conflicts(error) []string { return nil }

// Release is not written yet.
func Release(context.Context, kubernetes.Interface, string, string) error { return nil }
