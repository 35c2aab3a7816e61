// Package verbs is a sample of a typical mistake: it takes pods/status for the only kind of subresource.
package verbs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
)

// want: status is not the only subresource

// With returns the resources that know a verb, as "apps/v1 deployments". Subresources, such as deployments/status, are
// not among them.
func With(lists []*metav1.APIResourceList, verb string) []string {
	var found []string
	for _, list := range lists {
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, verb) || strings.HasSuffix(resource.Name, "/status") {
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
