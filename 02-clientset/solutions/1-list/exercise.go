// Package list lists pods and Deployments, with a clientset that somebody has made for us.
package list

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// PodNames returns the names of the pods in a namespace.
func PodNames(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	// lab:begin 1 this request works, but it asks for too much: who is told the namespace?
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	// lab:stub pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	// lab:end
	if err != nil {
		return nil, fmt.Errorf("list the pods in the namespace %q: %w", namespace, err)
	}
	var names []string
	for _, pod := range pods.Items {
		names = append(names, pod.Name)
	}
	return names, nil
}

// DeploymentNames returns the names of the Deployments in a namespace.
func DeploymentNames(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	// lab:begin 2 the same for Deployments; they are not in the core group, so CoreV1() does not have them
	deployments, err := client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the Deployments in the namespace %q: %w", namespace, err)
	}
	var names []string
	for _, deployment := range deployments.Items {
		names = append(names, deployment.Name)
	}
	return names, nil
	// lab:stub return nil, nil
	// lab:end
}

// Ready returns how many replicas of a Deployment are ready, and how many it shall have: the READY of kubectl, 1/2.
func Ready(deployment *appsv1.Deployment) (ready, wanted int32) {
	// lab:begin 3 what is, is in Status; what shall be, is in Spec, where a pointer may be nil: nothing was said, so it is 1
	wanted = 1
	if deployment.Spec.Replicas != nil {
		wanted = *deployment.Spec.Replicas
	}
	return deployment.Status.ReadyReplicas, wanted
	// lab:stub return 0, 0
	// lab:end
}
