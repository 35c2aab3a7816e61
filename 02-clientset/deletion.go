package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// propagation deletes three Deployments, each with a ReplicaSet and a pod, in the three ways there are.
func propagation(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	for _, policy := range []metav1.DeletionPropagation{
		metav1.DeletePropagationBackground, // the default for Deployments
		metav1.DeletePropagationForeground,
		metav1.DeletePropagationOrphan,
	} {
		if err := deleteFamily(ctx, client, namespace, policy, out); err != nil {
			return fmt.Errorf("delete with propagation %s: %w", policy, err)
		}
	}
	return nil
}

// deleteFamily makes a Deployment, waits for its ReplicaSet and pod, and watches how it goes.
func deleteFamily(ctx context.Context, client kubernetes.Interface, namespace string, policy metav1.DeletionPropagation, out io.Writer) error {
	deployments := client.AppsV1().Deployments(namespace)
	name := strings.ToLower(string(policy))
	if _, err := deployments.Create(ctx, newDeployment(name, 1), metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := waitForFamily(ctx, client, namespace, name, 1, 1); err != nil {
		return err
	}
	list, err := deployments.List(ctx, metav1.ListOptions{LabelSelector: mine().LabelSelector})
	if err != nil {
		return err
	}
	stream, err := deployments.Watch(ctx, metav1.ListOptions{
		LabelSelector: mine().LabelSelector, ResourceVersion: list.ResourceVersion,
	})
	if err != nil {
		return err
	}
	defer stream.Stop()

	if err := deployments.Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
		return err
	}
	finalizers, err := lastWords(ctx, stream, name)
	if err != nil {
		return err
	}
	waited := "goes at once"
	if finalizers != "" {
		waited = "waits for the finalizer " + finalizers
	}
	fmt.Fprintf(out, "%s: the Deployment %s\n", policy, waited)

	// The Deployment is gone. Which of its family is there, now and in the end?
	replicaSets, pods, owned, err := family(ctx, client, namespace, name)
	if err != nil {
		return err
	}
	switch policy {
	case metav1.DeletePropagationForeground:
		fmt.Fprintf(out, "    by then: ReplicaSets %d, pods %d\n", replicaSets, pods)
	case metav1.DeletePropagationBackground:
		if err := waitForFamily(ctx, client, namespace, name, 0, 0); err != nil {
			return err
		}
		fmt.Fprintln(out, "    soon after: ReplicaSets 0, pods 0")
	case metav1.DeletePropagationOrphan:
		fmt.Fprintf(out, "    it leaves: ReplicaSets %d (with an owner: %d), pods %d\n", replicaSets, owned, pods)
	}
	return nil
}

// family counts the ReplicaSets and pods of a Deployment, and the ReplicaSets that have an owner.
func family(ctx context.Context, client kubernetes.Interface, namespace, name string) (replicaSets, pods, owned int, err error) {
	options := metav1.ListOptions{LabelSelector: "app=" + name}
	replicaSetList, err := client.AppsV1().ReplicaSets(namespace).List(ctx, options)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("list its ReplicaSets: %w", err)
	}
	podList, err := client.CoreV1().Pods(namespace).List(ctx, options)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("list its pods: %w", err)
	}
	for _, replicaSet := range replicaSetList.Items {
		if metav1.GetControllerOf(&replicaSet) != nil {
			owned++
		}
	}
	return len(replicaSetList.Items), len(podList.Items), owned, nil
}

func waitForFamily(ctx context.Context, client kubernetes.Interface, namespace, name string, replicaSets, pods int) error {
	what := fmt.Sprintf("%d ReplicaSets and %d pods of %s", replicaSets, pods, name)
	return poll(ctx, what, func(ctx context.Context) (bool, error) {
		haveReplicaSets, havePods, _, err := family(ctx, client, namespace, name)
		return haveReplicaSets == replicaSets && havePods == pods, err
	})
}

// lastWords reads events until a Deployment is deleted, and returns the finalizers that it waited for. Where the garbage
// collector does not run, that would be for ever.
func lastWords(ctx context.Context, stream watch.Interface, name string) (finalizers string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		select {
		case event, ok := <-stream.ResultChan():
			deployment, isDeployment := event.Object.(*appsv1.Deployment)
			switch {
			case !ok || !isDeployment:
				return "", fmt.Errorf("the watch ended before %s did: %v", name, event)
			case deployment.Name != name:
			case event.Type == watch.Deleted:
				return finalizers, nil
			case deployment.DeletionTimestamp != nil && len(deployment.Finalizers) > 0:
				finalizers = strings.Join(deployment.Finalizers, ", ")
			}
		case <-ctx.Done():
			return "", fmt.Errorf("wait for %s to go: %w", name, ctx.Err())
		}
	}
}

// deleteCollection deletes what a selector matches, in one request. With empty ListOptions it is everything in the
// namespace, no questions asked.
func deleteCollection(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	deployments := client.AppsV1().Deployments(namespace)
	for _, name := range []string{"spring", "summer", "autumn"} {
		deployment := newDeployment(name, 0)
		deployment.Labels["season"] = name
		if _, err := deployments.Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create the Deployment %s: %w", name, err)
		}
	}
	err := deployments.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "season in (spring, summer)"})
	if err != nil {
		return fmt.Errorf("delete the Deployments of spring and summer: %w", err)
	}
	left, err := deployments.List(ctx, metav1.ListOptions{LabelSelector: "season"})
	if err != nil {
		return fmt.Errorf("list the Deployments with a season: %w", err)
	}
	for _, deployment := range left.Items {
		fmt.Fprintf(out, "left: %s\n", deployment.Name)
	}
	return nil
}
