package main

import (
	"context"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// newClient makes a Clientset: a client for every group and version that is built into Kubernetes.
func newClient(config *rest.Config) (*kubernetes.Clientset, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a Clientset: %w", err)
	}
	return client, nil
}

// list prints the names of the pods in a namespace, and of the Deployments in kube-system. The one is in the core group,
// the other in apps: chapter 01 would have needed two clients.
func list(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the pods in the namespace %q: %w", namespace, err)
	}
	for _, pod := range pods.Items {
		fmt.Fprintln(out, pod.Name)
	}

	fmt.Fprintln(out, "------")

	deployments, err := client.AppsV1().Deployments(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the Deployments in the namespace %q: %w", metav1.NamespaceSystem, err)
	}
	for _, deployment := range deployments.Items {
		fmt.Fprintln(out, deployment.Name)
	}
	return nil
}
