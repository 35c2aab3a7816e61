// Package partial is a sample of a typical mistake: one version that is silent makes its whole group silent.
package partial

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/client-go/discovery"
)

// want: a group-version answers or not, and not its group

// Everything returns the resources that the server serves, as "apps/v1 deployments", and the groups and versions that
// could not say what they have. An error means that nothing is known at all.
func Everything(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext) (resources, silent []string, err error) {
	_, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
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

// Has takes all versions of a group for unknown when one of them is.
func Has(resources, silent []string, groupVersion, resource string) Answer {
	if slices.Contains(resources, groupVersion+" "+resource) {
		return Yes
	}
	group, _, _ := strings.Cut(groupVersion, "/")
	if slices.ContainsFunc(silent, func(s string) bool { return strings.HasPrefix(s, group+"/") }) {
		return Unknown
	}
	return No
}
