// Package list is a sample of a typical mistake: it asks for the pods of every namespace, and throws most of them away.
package list

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// want: Who filters afterwards has asked for everything

// PodNames has the right result, and may need a right that its user does not have.
func PodNames(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pod := range pods.Items {
		if pod.Namespace == namespace {
			names = append(names, pod.Name)
		}
	}
	return names, nil
}

// DeploymentNames is not written yet.
func DeploymentNames(context.Context, kubernetes.Interface, string) ([]string, error) {
	return nil, nil
}

// Ready is not written yet.
func Ready(*appsv1.Deployment) (ready, wanted int32) { return 0, 0 }
