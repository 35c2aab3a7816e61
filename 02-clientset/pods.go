package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// isTrue says whether a pod has a condition, and it is True.
func isTrue(pod *corev1.Pod, condition corev1.PodConditionType) bool {
	for _, have := range pod.Status.Conditions {
		if have.Type == condition {
			return have.Status == corev1.ConditionTrue
		}
	}
	return false
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
