// Package supports is a sample of a typical mistake: who may not ask is told no.
package supports

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// want: 401 and 403 are no answers

// Client is what this needs of a discovery client.
type Client interface {
	discovery.ServerGroupsInterfaceWithContext
	discovery.ServerResourcesInterfaceWithContext
}

// Serves says no to whoever may not ask.
func Serves(ctx context.Context, client Client, want schema.GroupVersionResource, verb string) (bool, error) {
	list, err := client.ServerResourcesForGroupVersionWithContext(ctx, want.GroupVersion().String())
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask what %s has: %w", want.GroupVersion(), err)
	}
	for _, resource := range list.APIResources {
		if resource.Name == want.Resource {
			return slices.Contains(resource.Verbs, verb), nil
		}
	}
	return false, nil
}

// Version returns a version in which the server serves a resource with this verb: the preferred one of its group if it
// has the resource, else the next one in the server's order. It returns "" if there is none. The server leaves a version
// that does not answer out of its group; if none is left, or Serves returns an error, that is an error.
func Version(ctx context.Context, client Client, want schema.GroupResource, verb string) (string, error) {
	groups, err := client.ServerGroupsWithContext(ctx)
	if err != nil {
		return "", fmt.Errorf("ask for the groups: %w", err)
	}
	for _, group := range groups.Groups {
		if group.Name != want.Group {
			continue
		}
		if len(group.Versions) == 0 {
			return "", fmt.Errorf("the group %s does not answer", group.Name)
		}
		versions := []string{group.PreferredVersion.Version}
		for _, version := range group.Versions {
			versions = append(versions, version.Version)
		}
		for _, version := range versions {
			ok, err := Serves(ctx, client, want.WithVersion(version), verb)
			if err != nil {
				return "", err
			}
			if ok {
				return version, nil
			}
		}
	}
	return "", nil
}
