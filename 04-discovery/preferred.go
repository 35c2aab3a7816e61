package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// preferred shows that one object has several addresses.
func preferred(ctx context.Context, config *rest.Config, namespace, _ string, out io.Writer) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a clientset: %w", err)
	}
	fmt.Fprintln(out, "-- groups with several versions, the preferred one first")
	if err := severalVersions(ctx, client.Discovery(), out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- one name, several groups or versions")
	if err := severalAddresses(ctx, client.Discovery(), out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- one autoscaler, two versions")
	if err := twoVersions(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- one event, two groups")
	return twoGroups(ctx, client, namespace, out)
}

// severalVersions prints the groups that are served in more than one version. The order of Versions is the server's:
// stable before beta before alpha, and higher numbers first. PreferredVersion is the first.
func severalVersions(ctx context.Context, client discovery.ServerGroupsInterfaceWithContext, out io.Writer) error {
	groups, err := client.ServerGroupsWithContext(ctx)
	if err != nil {
		return fmt.Errorf("ask the server for its groups: %w", err)
	}
	for _, group := range groups.Groups {
		if len(group.Versions) < 2 {
			continue
		}
		var names []string
		for _, v := range group.Versions {
			names = append(names, v.Version)
		}
		fmt.Fprintf(out, "%s: %s; preferred: %s\n", group.Name, strings.Join(names, ", "), group.PreferredVersion.Version)
	}
	return nil
}

// severalAddresses prints the resources that can be reached in more than one group-version. ServerPreferredResources
// leaves one version of each, but one in each group: groups have nothing to do with each other.
func severalAddresses(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, out io.Writer) error {
	_, all, err := client.ServerGroupsAndResourcesWithContext(ctx)
	if err != nil {
		return fmt.Errorf("ask the server for every version: %w", err)
	}
	best, err := client.ServerPreferredResourcesWithContext(ctx)
	if err != nil {
		return fmt.Errorf("ask the server for the preferred versions: %w", err)
	}
	addresses, chosen := byResource(all), byResource(best)
	var names []string
	for name := range addresses {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if len(addresses[name]) > 1 {
			fmt.Fprintf(out, "%s: %s; preferred: %s\n", name, strings.Join(addresses[name], ", "), strings.Join(chosen[name], ", "))
		}
	}
	return nil
}

// byResource turns lists of resources into the group-versions of each resource, sorted.
func byResource(lists []*metav1.APIResourceList) map[string][]string {
	groupVersions := map[string][]string{}
	for _, list := range lists {
		for _, resource := range list.APIResources {
			if !strings.Contains(resource.Name, "/") { // pods/log is a subresource
				groupVersions[resource.Name] = append(groupVersions[resource.Name], list.GroupVersion)
			}
		}
	}
	for _, versions := range groupVersions {
		slices.Sort(versions)
	}
	return groupVersions
}

// twoVersions writes an autoscaler as v1 and reads it as v2. The server stores it once, and converts.
func twoVersions(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	percent := int32(80)
	_, err := client.AutoscalingV1().HorizontalPodAutoscalers(namespace).Create(ctx, &autoscalingv1.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "teahouse", Labels: labels()},
		Spec: autoscalingv1.HorizontalPodAutoscalerSpec{
			ScaleTargetRef:                 autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "teahouse"},
			MaxReplicas:                    3,
			TargetCPUUtilizationPercentage: &percent,
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create an autoscaler as autoscaling/v1: %w", err)
	}
	fmt.Fprintf(out, "written as %s: targetCPUUtilizationPercentage %d\n", autoscalingv1.SchemeGroupVersion, percent)
	v2, err := client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(ctx, "teahouse", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get it as autoscaling/v2: %w", err)
	}
	for _, metric := range v2.Spec.Metrics {
		if metric.Resource != nil && metric.Resource.Target.AverageUtilization != nil {
			fmt.Fprintf(out, "read as autoscaling/v2:    metrics[].resource %s, target.averageUtilization %d\n",
				metric.Resource.Name, *metric.Resource.Target.AverageUtilization)
		}
	}
	return nil
}

// twoGroups writes an Event in the core group and reads it in events.k8s.io.
func twoGroups(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	_, err := client.CoreV1().Events(namespace).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "teatime", Labels: labels()},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: namespace, Namespace: namespace},
		Type:           corev1.EventTypeNormal,
		Reason:         "Teatime",
		Message:        "the kettle is on",
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create an event in the core group: %w", err)
	}
	fmt.Fprintf(out, "written in v1:             message %q\n", "the kettle is on")
	event, err := client.EventsV1().Events(namespace).Get(ctx, "teatime", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get it in the group events.k8s.io: %w", err)
	}
	fmt.Fprintf(out, "read in events.k8s.io/v1:  note %q\n", event.Note)
	return nil
}
