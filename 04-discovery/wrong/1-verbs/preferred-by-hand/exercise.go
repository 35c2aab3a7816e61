// Package verbs is a sample of a typical mistake: it drops what the preferred version lacks.
package verbs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
)

// want: what the preferred version of a group lacks is in another one

// With returns the resources that know a verb, as "apps/v1 deployments". Subresources, such as deployments/status, are
// not among them.
func With(lists []*metav1.APIResourceList, verb string) []string {
	var found []string
	for _, list := range lists {
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, verb) || strings.Contains(resource.Name, "/") {
				continue
			}
			found = append(found, list.GroupVersion+" "+resource.Name)
		}
	}
	slices.Sort(found)
	return found
}

// Served takes the preferred version of each group, and nothing else.
func Served(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, verb string) ([]string, error) {
	groups, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the server what it serves: %w", err)
	}
	var preferred []*metav1.APIResourceList
	for _, list := range lists {
		if slices.ContainsFunc(groups, func(g *metav1.APIGroup) bool { return g.PreferredVersion.GroupVersion == list.GroupVersion }) {
			preferred = append(preferred, list)
		}
	}
	return With(preferred, verb), nil
}
