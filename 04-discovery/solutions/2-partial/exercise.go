// Package partial lists what a server serves, also when one of its API groups is down.
package partial

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/client-go/discovery"
)

// silentIn returns the groups and versions, sorted, that an error of discovery is about: "metrics.k8s.io/v1beta1". It
// returns none if the error says something else.
func silentIn(err error) []string {
	var silent []string
	// lab:begin 1 package discovery has a function that takes the groups out of such an error, wrapped or not
	groups, _ := discovery.GroupDiscoveryFailedErrorGroups(err)
	for group := range groups {
		silent = append(silent, group.String())
	}
	slices.Sort(silent)
	// lab:end
	return silent
}

// Everything returns the resources that the server serves, as "apps/v1 deployments", subresources such as "v1 pods/status"
// too, and the groups and versions that could not say what they have. An error means that nothing is known at all.
func Everything(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext) (resources, silent []string, err error) {
	_, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
	silent = silentIn(err)
	if err != nil && len(silent) == 0 {
		return nil, nil, fmt.Errorf("ask the server what it serves: %w", err)
	}
	// lab:begin 2 the lists that came are good, although err is not nil: put all of them into resources, subresources too, sorted
	for _, list := range lists {
		for _, resource := range list.APIResources {
			resources = append(resources, list.GroupVersion+" "+resource.Name)
		}
	}
	slices.Sort(resources)
	// lab:stub _ = lists
	// lab:end
	return resources, silent, nil
}

// Answer is what can be said about a resource.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown" // its group and version did not answer
)

// Has says whether a resource, as "apps/v1" and "deployments", is among what Everything has returned.
func Has(resources, silent []string, groupVersion, resource string) Answer {
	// lab:begin 3 "it is not in the list" may mean two things
	switch {
	case slices.Contains(resources, groupVersion+" "+resource):
		return Yes
	case slices.Contains(silent, groupVersion):
		return Unknown
	}
	return No
	// lab:stub return ""
	// lab:end
}
