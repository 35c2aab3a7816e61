// Package owner is a sample of a typical mistake: it says who owns one field, and not who owns the others.
package owner

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/client-go/kubernetes"
)

// want: Return all of them

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

// Conflicts returns the first conflict that it finds.
func Conflicts(err error) []string {
	var status *apierrors.StatusError
	if !errors.As(err, &status) || status.ErrStatus.Details == nil {
		return nil
	}
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			return []string{cause.Field + ": " + cause.Message}
		}
	}
	return nil
}

// Release is not written yet.
func Release(context.Context, kubernetes.Interface, string, string) error { return nil }
