// Package supports is a sample of a typical mistake: a group without versions is taken for an empty one.
package supports

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// want: a group without a version is not a no

// Client is what this needs of a discovery client.
type Client interface {
	discovery.ServerGroupsInterfaceWithContext
	discovery.ServerResourcesInterfaceWithContext
}

// Serves says whether the server serves a resource in this version, and with this verb. It asks for this one group and
// version only. "No" is not an error; an error means that there is no answer.
func Serves(ctx context.Context, client Client, want schema.GroupVersionResource, verb string) (bool, error) {
	list, err := client.ServerResourcesForGroupVersionWithContext(ctx, want.GroupVersion().String())
	if apierrors.IsNotFound(err) {
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

// Version says no when a metrics server is down for a minute.
func Version(ctx context.Context, client Client, want schema.GroupResource, verb string) (string, error) {
	groups, err := client.ServerGroupsWithContext(ctx)
	if err != nil {
		return "", fmt.Errorf("ask for the groups: %w", err)
	}
	for _, group := range groups.Groups {
		if group.Name != want.Group {
			continue
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
