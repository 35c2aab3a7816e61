package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/disk"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

const broken = brokenGroup + "/v1" // the group-version that nobody serves

// partial registers an API whose program does not run, and asks what there is. As long as it is registered, discovery is
// partial for every client of the cluster: a namespace that is deleted meanwhile, say, has to wait.
func partial(ctx context.Context, config *rest.Config, namespace, dir string, out io.Writer) error {
	wire := tap(config)
	live, err := newDiscoveryClient(config)
	if err != nil {
		return err
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a dynamic client: %w", err)
	}
	// As in kubectl. Made now, it has nothing on disk yet.
	onDisk, err := disk.NewCachedDiscoveryClientForConfig(config, filepath.Join(dir, "discovery"), filepath.Join(dir, "http"), 6*time.Hour)
	if err != nil {
		return fmt.Errorf("make a discovery client with a cache on disk: %w", err)
	}

	if err := breakIt(ctx, objects, live, namespace, out); err != nil {
		return err
	}
	for _, ask := range []struct {
		heading string
		client  discovery.DiscoveryInterfaceWithContext
	}{
		{"-- everything, aggregated", live},
		{"-- everything, legacy", live.WithLegacyWithContext(ctx)},
		{"-- everything, with a cache on disk, as kubectl asks", onDisk},
	} {
		fmt.Fprintln(out, ask.heading)
		wire.take()
		if err := askForEverything(ctx, ask.client, wire, out); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "-- less than everything")
	if err := askForLess(ctx, live, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- without the APIService")
	if err := repair(ctx, objects, live); err != nil {
		return err
	}
	wire.take()
	return askForEverything(ctx, live, wire, out)
}

// breakIt creates a Service without endpoints and an APIService that points to it, and waits until discovery notices.
func breakIt(ctx context.Context, objects dynamic.Interface, live *discovery.DiscoveryClient, namespace string, out io.Writer) error {
	service := object("v1", "Service", "broken", map[string]any{ // no selector, so no endpoints
		"ports": []any{map[string]any{"port": int64(443)}},
	})
	if _, err := objects.Resource(serviceResource).Namespace(namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the Service broken: %w", err)
	}
	apiService := object("apiregistration.k8s.io/v1", "APIService", "v1."+brokenGroup, map[string]any{
		"group": brokenGroup, "version": "v1",
		"groupPriorityMinimum": int64(100), "versionPriority": int64(10), // low: behind all others
		"insecureSkipTLSVerify": true,
		"service":               map[string]any{"namespace": namespace, "name": "broken"},
	})
	if _, err := objects.Resource(apiServiceResource).Create(ctx, apiService, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the APIService %s: %w", apiService.GetName(), err)
	}
	err := waitFor(ctx, "discovery to become partial", func(ctx context.Context) (bool, error) {
		_, _, failed, err := live.GroupsAndMaybeResourcesWithContext(ctx)
		_, missing := failed[schema.GroupVersion{Group: brokenGroup, Version: "v1"}]
		return missing, err
	})
	if err != nil {
		return err
	}
	// The same is in kubectl get apiservices: the place to look when discovery is partial.
	return waitFor(ctx, "the APIService's condition", func(ctx context.Context) (bool, error) {
		found, err := objects.Resource(apiServiceResource).Get(ctx, apiService.GetName(), metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		conditions, _, err := unstructured.NestedSlice(found.Object, "status", "conditions")
		if err != nil || len(conditions) == 0 {
			return false, err
		}
		condition, _ := conditions[0].(map[string]any)
		if condition["reason"] == "ServiceNotFound" {
			return false, nil // the Service is so new that the server has not seen it yet
		}
		fmt.Fprintf(out, "APIService %s: %v %v, %v\n", found.GetName(), condition["type"], condition["status"], condition["reason"])
		return true, nil
	})
}

// askForEverything shows what comes with the error: nearly everything.
func askForEverything(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, wire *wire, out io.Writer) error {
	lists, err := client.ServerPreferredResourcesWithContext(ctx)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return fmt.Errorf("ask for the preferred resources: %w", err) // no answer at all
	}
	apps := slices.ContainsFunc(lists, func(list *metav1.APIResourceList) bool { return list.GroupVersion == "apps/v1" })
	fmt.Fprintf(out, "apps/v1 is there: %t; error: %t; requests: %d\n", apps, err != nil, len(wire.take()))
	if err == nil {
		return nil
	}
	fmt.Fprintf(out, "the error: %v\n", err)
	wrapped := fmt.Errorf("as you and every library do: %w", err)
	fmt.Fprintf(out, "IsGroupDiscoveryFailedError: %t; of the same error, wrapped: %t\n",
		discovery.IsGroupDiscoveryFailedError(err), discovery.IsGroupDiscoveryFailedError(wrapped))
	failed, _ := discovery.GroupDiscoveryFailedErrorGroups(wrapped) // this one looks through
	for groupVersion := range failed {
		fmt.Fprintf(out, "missing: %s\n", groupVersion)
	}
	return nil
}

// askForLess asks for one group-version, which needs no other to be up, and for the groups, which hides that one is down.
func askForLess(ctx context.Context, live *discovery.DiscoveryClient, out io.Writer) error {
	apps, err := live.ServerResourcesForGroupVersionWithContext(ctx, "apps/v1")
	if err != nil {
		return fmt.Errorf("ask what apps/v1 has: %w", err)
	}
	fmt.Fprintf(out, "apps/v1: deployments are there: %t\n", slices.ContainsFunc(apps.APIResources, func(r metav1.APIResource) bool { return r.Name == "deployments" }))
	_, err = live.ServerResourcesForGroupVersionWithContext(ctx, broken)
	if !apierrors.IsServiceUnavailable(err) {
		return unexpected("ask what "+broken+" has", "503 Service Unavailable", err)
	}
	fmt.Fprintf(out, "%s: %v; IsServiceUnavailable: true, IsNotFound: %t\n", broken, err, apierrors.IsNotFound(err))

	for _, client := range []struct {
		name string
		discovery.ServerGroupsInterfaceWithContext
	}{{"aggregated", live}, {"legacy", live.WithLegacyWithContext(ctx)}} {
		groups, err := client.ServerGroupsWithContext(ctx)
		if err != nil {
			return fmt.Errorf("ask for the groups: %w", err)
		}
		for _, group := range groups.Groups {
			if group.Name == brokenGroup {
				fmt.Fprintf(out, "groups, %s: no error, %s with %d versions\n", client.name, group.Name, len(group.Versions))
			}
		}
	}
	return nil
}

// repair removes the APIService and waits until discovery is complete again.
func repair(ctx context.Context, objects dynamic.Interface, live *discovery.DiscoveryClient) error {
	if err := objects.Resource(apiServiceResource).Delete(ctx, "v1."+brokenGroup, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the APIService: %w", err)
	}
	return waitFor(ctx, "discovery to be complete", func(ctx context.Context) (bool, error) {
		_, _, failed, err := live.GroupsAndMaybeResourcesWithContext(ctx)
		_, stillMissing := failed[schema.GroupVersion{Group: brokenGroup, Version: "v1"}]
		return !stillMissing, err
	})
}
