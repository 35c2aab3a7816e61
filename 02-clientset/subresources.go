package main

import (
	"context"
	"fmt"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applyautoscalingv1 "k8s.io/client-go/applyconfigurations/autoscaling/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// subresources writes to what stands behind an object: its scale, its status, its eviction. Each has its own URL, its
// own rules of RBAC, and its own methods in the typed clients.
func subresources(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	fmt.Fprintln(out, "-- scale")
	if err := scale(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- status")
	if err := status(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- eviction")
	return eviction(ctx, client, namespace, out)
}

// scale changes the replicas of a Deployment in three ways. The Deployment is paused, so it starts no pods.
func scale(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	deployments := client.AppsV1().Deployments(namespace)
	app := map[string]string{"app": "web"}
	one := int32(1)
	web := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: labels()},
		Spec: appsv1.DeploymentSpec{
			Replicas: &one, Paused: true,
			Selector: &metav1.LabelSelector{MatchLabels: app},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: app},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: sampleImage}}},
			},
		},
	}
	if _, err := deployments.Create(ctx, web, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the Deployment web: %w", err)
	}

	got, err := deployments.GetScale(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the scale of the Deployment web: %w", err)
	}
	fmt.Fprintf(out, "GetScale: a %T with %d replicas, of the pods with %s\n", got, got.Spec.Replicas, got.Status.Selector)

	// A Scale carries the Deployment's resourceVersion, and the Deployment's controller writes, too: 409 is possible.
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		got, err := deployments.GetScale(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		got.Spec.Replicas = 2
		got, err = deployments.UpdateScale(ctx, "web", got, metav1.UpdateOptions{FieldManager: "clerk"})
		if err == nil {
			fmt.Fprintf(out, "UpdateScale: %d\n", got.Spec.Replicas)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("update the scale of the Deployment web: %w", err)
	}

	// Server-side apply needs no read before, and says instead who else holds spec.replicas.
	three := applyautoscalingv1.Scale().WithSpec(applyautoscalingv1.ScaleSpec().WithReplicas(3))
	_, err = deployments.ApplyScale(ctx, "web", three, metav1.ApplyOptions{FieldManager: "autoscaler"})
	if !apierrors.IsConflict(err) {
		return unexpected("apply a scale that another manager has set", "409 Conflict", err)
	}
	fmt.Fprintf(out, "ApplyScale: %v\n", err)
	got, err = deployments.ApplyScale(ctx, "web", three, metav1.ApplyOptions{FieldManager: "autoscaler", Force: true})
	if err != nil {
		return fmt.Errorf("apply the scale of the Deployment web: %w", err)
	}
	fmt.Fprintf(out, "ApplyScale with Force: %d\n", got.Spec.Replicas)
	return nil
}

// painted is a condition of our own. A pod with this readiness gate is not Ready before somebody has set it to True:
// this is how a load balancer, say, keeps traffic away until it knows the pod.
const painted corev1.PodConditionType = "client-go-lab/painted"

// status writes the two halves of a pod. Update takes the spec and leaves out the status, UpdateStatus takes the status
// and leaves out the spec, both without a word. The scheduling gate keeps the pod where it is: on no node.
func status(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	pods := client.CoreV1().Pods(namespace)
	door := samplePod("door")
	door.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "client-go-lab/wait"}}
	door.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: painted}}
	if _, err := pods.Create(ctx, door, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the Pod door: %w", err)
	}
	for _, write := range []struct {
		method  string
		seconds int64
		send    func(context.Context, *corev1.Pod, metav1.UpdateOptions) (*corev1.Pod, error)
	}{
		{"Update", 100, pods.Update},
		{"UpdateStatus", 50, pods.UpdateStatus},
	} {
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error { // the scheduler writes the status, too
			door, err := pods.Get(ctx, "door", metav1.GetOptions{})
			if err != nil {
				return err
			}
			door.Labels["by"] = write.method
			door.Spec.ActiveDeadlineSeconds = &write.seconds
			door.Status.Conditions = append(door.Status.Conditions, corev1.PodCondition{Type: painted, Status: corev1.ConditionTrue})
			door, err = write.send(ctx, door, metav1.UpdateOptions{})
			if err == nil {
				fmt.Fprintf(out, "%s: spec %d s, status painted %t, label by=%s\n",
					write.method, *door.Spec.ActiveDeadlineSeconds, isTrue(door, painted), door.Labels["by"])
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s the Pod door: %w", write.method, err)
		}
	}
	return nil
}
