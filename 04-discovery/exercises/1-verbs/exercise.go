// Package verbs says which resources of a server know a verb: which can be watched, for example.
package verbs

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
)

// With returns the resources that know a verb, as "apps/v1 deployments". Subresources, such as deployments/status, are
// not among them.
func With(lists []*metav1.APIResourceList, verb string) []string {
	var found []string
	for _, list := range lists {
		for _, resource := range list.APIResources {
			// TODO 1: leave out what does not know the verb, and subresources: they have a slash in their name
			found = append(found, list.GroupVersion+" "+resource.Name)
		}
	}
	slices.Sort(found)
	return found
}

// Served returns the resources of a server that know a verb, each in one version only: the one that the server prefers,
// or another if the preferred one lacks it. If a group does not answer, that is an error: what is left is not complete.
func Served(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, verb string) ([]string, error) {
	// TODO 2: this asks for every version of every group; there is another method
	_, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the server what it serves: %w", err)
	}
	return With(lists, verb), nil
}
