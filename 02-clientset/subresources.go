package main

import (
	"context"
	"fmt"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
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

// isTrue says whether a pod has a condition, and it is True.
func isTrue(pod *corev1.Pod, condition corev1.PodConditionType) bool {
	for _, have := range pod.Status.Conditions {
		if have.Type == condition {
			return have.Status == corev1.ConditionTrue
		}
	}
	return false
}

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

// sampleImage is what the pods run. The lab's own cluster runs no image, so any name will do; the kind scripts build
// this one and load it into the nodes. Nothing is pulled.
const sampleImage = "client-go-lab/sample:2"

// samplePod is a pod that does nothing until it is told to stop.
func samplePod(name string) *corev1.Pod {
	second := int64(1)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &second,
			Containers:                    []corev1.Container{{Name: "main", Image: sampleImage, ImagePullPolicy: corev1.PullIfNotPresent}},
		},
	}
}

// waitReady waits until a pod is Ready.
func waitReady(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	err := poll(ctx, "the Pod "+name+" to be Ready", func(ctx context.Context) (bool, error) {
		pod, err := client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && isTrue(pod, corev1.PodReady), err
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w (does its node have the image %s? scripts/kind-up.sh loads it)", err, sampleImage)
	}
	return err
}
