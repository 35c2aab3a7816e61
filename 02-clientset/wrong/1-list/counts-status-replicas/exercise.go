// Package list is a sample of a typical mistake: it counts the pods that exist for ready ones.
package list

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// want: status.replicas counts the pods that exist, ready or not

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

// Ready takes status.replicas for the ready ones.
func Ready(deployment *appsv1.Deployment) (ready, wanted int32) {
	wanted = 1
	if deployment.Spec.Replicas != nil {
		wanted = *deployment.Spec.Replicas
	}
	return deployment.Status.Replicas, wanted
}
