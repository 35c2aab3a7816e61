// Package partial is a sample of a typical mistake: one group that is down makes it give up.
package partial

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/client-go/discovery"
)

// want: one group that does not answer is no reason to know nothing

// Everything knows nothing of a cluster whose metrics server is down.
func Everything(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext) (resources, silent []string, err error) {
	_, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the server what it serves: %w", err)
	}
	for _, list := range lists {
		for _, resource := range list.APIResources {
			resources = append(resources, list.GroupVersion+" "+resource.Name)
		}
	}
	slices.Sort(resources)
	return resources, silentIn(err), nil
}

// silentIn returns the groups and versions, sorted, that an error of discovery is about: "metrics.k8s.io/v1beta1". It
// returns none if the error says something else.
func silentIn(err error) []string {
	var silent []string
	groups, _ := discovery.GroupDiscoveryFailedErrorGroups(err)
	for group := range groups {
		silent = append(silent, group.String())
	}
	slices.Sort(silent)
	return silent
}

// Answer is what can be said about a resource.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown" // its group and version did not answer
)

// Has says whether a resource, as "apps/v1 deployments", is among what Everything has returned.
func Has(resources, silent []string, groupVersion, resource string) Answer {
	switch {
	case slices.Contains(resources, groupVersion+" "+resource):
		return Yes
	case slices.Contains(silent, groupVersion):
		return Unknown
	}
	return No
}
