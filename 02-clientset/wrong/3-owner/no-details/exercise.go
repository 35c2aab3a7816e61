// Package owner is a sample of a typical mistake: it believes that every Status has Details.
package owner

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/client-go/kubernetes"
)

// want: Conflicts panics (
// want: not every Status has it

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

// Conflicts uses a pointer without asking whether it is nil.
func Conflicts(err error) []string {
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return nil
	}
	var conflicts []string
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			conflicts = append(conflicts, cause.Field+": "+cause.Message)
		}
	}
	return conflicts
}

// Release is not written yet.
func Release(context.Context, kubernetes.Interface, string, string) error { return nil }
