package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// aggregated asks for everything twice, in two protocols, and counts.
func aggregated(ctx context.Context, config *rest.Config, _ []string, out io.Writer) error {
	wire := tap(config)
	client, err := newDiscoveryClient(config)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "-- aggregated: resources come with their groups")
	_, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
	if err != nil {
		return fmt.Errorf("ask for everything: %w", err)
	}
	printWire(wire.take(), out)

	fmt.Fprintln(out, "-- legacy: groups first, then one request for each group-version")
	_, legacyLists, err := client.WithLegacyWithContext(ctx).ServerGroupsAndResourcesWithContext(ctx)
	if err != nil {
		return fmt.Errorf("ask for everything the old way: %w", err)
	}
	printWire(wire.take(), out)
	fmt.Fprintf(out, "the same resources and verbs: %t\n", reflect.DeepEqual(verbsOf(lists), verbsOf(legacyLists)))

	fmt.Fprintln(out, "-- it is the Accept header that makes the difference")
	for _, accept := range []string{discovery.AcceptV1, discovery.AcceptV2 + "," + discovery.AcceptV1} {
		if err := client.RESTClient().Get().AbsPath("/apis").SetHeader("Accept", accept).Do(ctx).Error(); err != nil {
			return fmt.Errorf("get /apis as %s: %w", accept, err)
		}
		for _, e := range wire.take() {
			fmt.Fprintf(out, "Accept:       %s\nContent-Type: %s\n", accept, e.contentType)
		}
	}
	fmt.Fprintln(out, "-- what is inside, of the group batch")
	return lookInside(ctx, client.RESTClient(), out)
}

// verbsOf maps "apps/v1 deployments/scale" to its verbs.
func verbsOf(lists []*metav1.APIResourceList) map[string]string {
	verbs := map[string]string{}
	for _, list := range lists {
		for _, resource := range list.APIResources {
			sorted := slices.Sorted(slices.Values(resource.Verbs))
			verbs[list.GroupVersion+" "+resource.Name] = strings.Join(sorted, ",")
		}
	}
	return verbs
}

// lookInside decodes the aggregated format by hand. The discovery client does the same, and turns it into the types of
// the legacy format, so that programs of before 2022 get it without a change.
func lookInside(ctx context.Context, client rest.Interface, out io.Writer) error {
	body, err := client.Get().AbsPath("/apis").SetHeader("Accept", discovery.AcceptV2).Do(ctx).Raw()
	if err != nil {
		return fmt.Errorf("get /apis as %s: %w", discovery.AcceptV2, err)
	}
	var list apidiscoveryv2.APIGroupDiscoveryList
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("decode the aggregated format: %w", err)
	}
	for _, group := range list.Items {
		if group.Name != "batch" {
			continue
		}
		for _, version := range group.Versions {
			fmt.Fprintf(out, "%s/%s is %s\n", group.Name, version.Version, version.Freshness)
			for _, resource := range version.Resources {
				fmt.Fprintf(out, "  %s, a %s, %s, subresources:", resource.Resource, resource.ResponseKind.Kind, resource.Scope)
				for _, sub := range resource.Subresources {
					fmt.Fprintf(out, " %s", sub.Subresource)
				}
				fmt.Fprintln(out)
			}
		}
	}
	return nil
}
