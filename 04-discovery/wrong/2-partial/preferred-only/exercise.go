// Package partial is a sample of a typical mistake: it takes the preferred versions for all.
package partial

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/client-go/discovery"
)

// want: all versions of a resource but one

// Everything leaves out what is served in a version that is not preferred.
func Everything(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext) (resources, silent []string, err error) {
	lists, err := client.ServerPreferredResourcesWithContext(ctx)
	silent = silentIn(err)
	if err != nil && len(silent) == 0 {
		return nil, nil, fmt.Errorf("ask the server what it serves: %w", err)
	}
	for _, list := range lists {
		for _, resource := range list.APIResources {
			resources = append(resources, list.GroupVersion+" "+resource.Name)
		}
	}
	slices.Sort(resources)
	return resources, silent, nil
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
