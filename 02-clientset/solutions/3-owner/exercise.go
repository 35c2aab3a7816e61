// Package owner owns two fields of a Deployment, and leaves all others to their owners.
package owner

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/client-go/kubernetes"
)

// Manager is the name under which the server notes what this program owns.
const Manager = "scaler"

// labels are those that this program puts on what it scales.
func labels() map[string]string { return map[string]string{"scaled-by": Manager} }

// Scale says how many replicas a Deployment shall have, labels it, and says nothing else. It takes no field away from
// anybody: then it returns the server's conflict.
func Scale(ctx context.Context, client kubernetes.Interface, namespace, name string, replicas int32) error {
	// lab:begin 1 build an apply configuration with labels() and replicas, and Apply it as Manager
	configuration := appsac.Deployment(name, namespace).
		WithLabels(labels()).
		WithSpec(appsac.DeploymentSpec().WithReplicas(replicas))
	if _, err := client.AppsV1().Deployments(namespace).Apply(ctx, configuration, metav1.ApplyOptions{FieldManager: Manager}); err != nil {
		return fmt.Errorf("scale %s: %w", name, err)
	}
	return nil
	// lab:stub _ = appsac.Deployment(name, namespace).WithLabels(labels())
	// lab:stub return fmt.Errorf("step 1 is not written yet")
	// lab:end
}

// Conflicts says which fields belong to whom, as `.spec.replicas: conflict with "hpa"`, if err is the
// conflict of an Apply. For every other error it says nothing; the conflict of an Update is such another one.
func Conflicts(err error) []string {
	// lab:begin 2 the Status in err has Details, and these have Causes: take those of the type that is about field managers
	var status *apierrors.StatusError
	if !errors.As(err, &status) || status.ErrStatus.Details == nil {
		return nil
	}
	var conflicts []string
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			conflicts = append(conflicts, cause.Field+": "+cause.Message)
		}
	}
	return conflicts
	// lab:stub return nil
	// lab:end
}

// Release gives the replicas up, for another one who owns them, too. The label stays.
func Release(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	// lab:begin 3 there is no call for it: what does the server take for given up?
	configuration := appsac.Deployment(name, namespace).WithLabels(labels())
	if _, err := client.AppsV1().Deployments(namespace).Apply(ctx, configuration, metav1.ApplyOptions{FieldManager: Manager}); err != nil {
		return fmt.Errorf("release %s: %w", name, err)
	}
	return nil
	// lab:stub return fmt.Errorf("step 3 is not written yet")
	// lab:end
}
