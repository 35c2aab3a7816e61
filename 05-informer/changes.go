package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// newPod returns a pod that nobody but the steps will touch: a scheduling gate keeps it from every node, so it needs no
// image, no kubelet changes its status, and it goes away at once when it is deleted.
func newPod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()},
		Spec: corev1.PodSpec{
			SchedulingGates: []corev1.PodSchedulingGate{{Name: "client-go-lab/never"}},
			Containers:      []corev1.Container{{Name: "main", Image: "registry.example/" + name + ":1"}},
		},
	}
}

func makePod(ctx context.Context, client kubernetes.Interface, namespace, name string) (*corev1.Pod, error) {
	return create(ctx, client, namespace, newPod(name))
}

func create(ctx context.Context, client kubernetes.Interface, namespace string, pod *corev1.Pod) (*corev1.Pod, error) {
	made, err := client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create the pod %s: %w", pod.Name, err)
	}
	return made, nil
}

// paint changes a pod: it gives it the label "colour".
func paint(ctx context.Context, client kubernetes.Interface, namespace, name, colour string) (*corev1.Pod, error) {
	change := fmt.Appendf(nil, `{"metadata":{"labels":{"colour":%q}}}`, colour)
	pod, err := client.CoreV1().Pods(namespace).Patch(ctx, name, types.MergePatchType, change, metav1.PatchOptions{})
	if err != nil {
		return nil, fmt.Errorf("paint the pod %s: %w", name, err)
	}
	return pod, nil
}

func dropPod(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}
	if err := client.CoreV1().Pods(namespace).Delete(ctx, name, now); err != nil {
		return fmt.Errorf("delete the pod %s: %w", name, err)
	}
	return nil
}
