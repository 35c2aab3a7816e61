// Package list is a sample of a typical mistake: it follows a pointer that may be nil.
package list

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// want: A real server fills in the default, 1; a fake does not, and leaves nil

// PodNames is right.
func PodNames(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Name)
	}
	return names, nil
}

// DeploymentNames is right.
func DeploymentNames(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	deployments, err := client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, deployment := range deployments.Items {
		names = append(names, deployment.Name)
	}
	return names, nil
}

// Ready works on a real server, whose defaults are filled in.
func Ready(deployment *appsv1.Deployment) (ready, wanted int32) {
	return deployment.Status.ReadyReplicas, *deployment.Spec.Replicas
}
