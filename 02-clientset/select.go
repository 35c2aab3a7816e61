package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/pager"
)

// selectors lists pods: those with certain labels, those with certain fields, and all of them in pages.
func selectors(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	if err := makePods(ctx, client, namespace); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- label selectors")
	for _, selector := range []string{
		"app=web", "app!=web", "app,app!=web", "app in (api, db)", "!canary", "app=web,canary",
	} {
		if err := showSelected(ctx, client, namespace, metav1.ListOptions{LabelSelector: selector}, out); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "-- selectors from values")
	if err := builtSelectors(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- field selectors")
	for _, selector := range []string{
		"metadata.name=db-1", "spec.restartPolicy!=Always", "status.phase=Pending,spec.restartPolicy=Always", "spec.priority=0",
	} {
		if err := showSelected(ctx, client, namespace, metav1.ListOptions{FieldSelector: selector}, out); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "-- pages")
	return selectPages(ctx, client, namespace, out)
}

// makePods makes seven pods that stay as they are: no scheduler of that name will ever give them a node.
func makePods(ctx context.Context, client kubernetes.Interface, namespace string) error {
	for _, pod := range []struct {
		name   string
		labels map[string]string
		policy corev1.RestartPolicy
	}{
		{"api-1", map[string]string{"app": "api"}, corev1.RestartPolicyAlways},
		{"api-2", map[string]string{"app": "api", "canary": "true"}, corev1.RestartPolicyAlways},
		{"db-1", map[string]string{"app": "db"}, corev1.RestartPolicyOnFailure},
		{"stray", nil, corev1.RestartPolicyNever},
		{"web-1", map[string]string{"app": "web"}, corev1.RestartPolicyAlways},
		{"web-2", map[string]string{"app": "web"}, corev1.RestartPolicyAlways},
		{"web-3", map[string]string{"app": "web", "canary": ""}, corev1.RestartPolicyAlways},
	} {
		object := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: pod.name, Labels: klabels.Merge(pod.labels, labels())},
			Spec: corev1.PodSpec{
				SchedulerName: "nobody",
				RestartPolicy: pod.policy,
				Containers:    []corev1.Container{{Name: "app", Image: "pause:3.10"}},
			},
		}
		if _, err := client.CoreV1().Pods(namespace).Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create the pod %s: %w", pod.name, err)
		}
	}
	return nil
}

// showSelected lists this chapter's pods that options select. Selectors joined by a comma must all match; there is no "or".
func showSelected(ctx context.Context, client kubernetes.Interface, namespace string, options metav1.ListOptions, out io.Writer) error {
	selector := options.LabelSelector + options.FieldSelector // here one of them is empty
	if options.LabelSelector != "" {
		options.LabelSelector += ","
	}
	options.LabelSelector += mine().LabelSelector
	pods, err := client.CoreV1().Pods(namespace).List(ctx, options)
	switch {
	case apierrors.IsBadRequest(err): // for this resource the server knows other fields
		fmt.Fprintf(out, "%-47s 400: %v\n", selector, err)
		return nil
	case err != nil:
		return fmt.Errorf("list the pods with %q: %w", selector, err)
	}
	fmt.Fprintf(out, "%-47s %s\n", selector, podNames(pods.Items))
	return nil
}

func podNames(pods []corev1.Pod) string {
	var names []string
	for _, pod := range pods {
		names = append(names, pod.Name)
	}
	return strings.Join(names, " ")
}

// builtSelectors makes selectors of values that a program has, without gluing strings together.
func builtSelectors(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	ofDeployment, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{ // as in a Deployment's spec.selector
		MatchLabels:      map[string]string{"app": "web"},
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "canary", Operator: metav1.LabelSelectorOpDoesNotExist}},
	})
	if err != nil {
		return fmt.Errorf("make a selector of a LabelSelector: %w", err)
	}
	ofSet, err := klabels.ValidatedSelectorFromSet(klabels.Set{"app": "api"})
	if err != nil {
		return fmt.Errorf("make a selector of a set: %w", err)
	}
	for _, options := range []metav1.ListOptions{
		{LabelSelector: ofSet.String()},
		{LabelSelector: ofDeployment.String()},
		{FieldSelector: fields.OneTermEqualSelector("metadata.name", "stray").String()},
	} {
		if err := showSelected(ctx, client, namespace, options, out); err != nil {
			return err
		}
	}
	return nil
}

// selectPages lets the pager follow the continue tokens, three pods at a time.
func selectPages(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	pages := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		pods, err := client.CoreV1().Pods(namespace).List(ctx, options) // Limit and Continue are in options
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "%s; more to come: %t\n", podNames(pods.Items), pods.Continue != "")
		return pods, nil
	})
	pages.PageSize = 3 // the default is 500
	list, paged, err := pages.List(ctx, mine())
	if err != nil {
		return fmt.Errorf("list the pods in pages: %w", err)
	}
	fmt.Fprintf(out, "List returned a %T of %d, in pages: %t\n", list, meta.LenList(list), paged)
	return nil
}
