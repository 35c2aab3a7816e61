// Package verbs is a sample of a typical mistake: the wrong one of two methods.
package verbs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
)

// want: not everything has namespaces

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

// Served leaves out nodes, namespaces, and whatever else has no namespace.
func Served(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, verb string) ([]string, error) {
	lists, err := client.ServerPreferredNamespacedResourcesWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the server what it serves: %w", err)
	}
	return With(lists, verb), nil
}
