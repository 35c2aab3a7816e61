// Package verbs is a sample of a typical mistake: it asks for the verb alone.
package verbs

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
)

// want: a subresource is in the list like any other

// With says that pods/status can be updated.
func With(lists []*metav1.APIResourceList, verb string) []string {
	var found []string
	for _, list := range lists {
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, verb) {
				continue
			}
			found = append(found, list.GroupVersion+" "+resource.Name)
		}
	}
	slices.Sort(found)
	return found
}

// Served returns the resources of a server that know a verb, each in one version only: the one that the server prefers.
func Served(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, verb string) ([]string, error) {
	lists, err := client.ServerPreferredResourcesWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the server what it serves: %w", err)
	}
	return With(lists, verb), nil
}
