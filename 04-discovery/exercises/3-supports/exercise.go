// Package supports answers whether a server serves what a program needs.
package supports

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// Client is what this needs of a discovery client.
type Client interface {
	discovery.ServerGroupsInterfaceWithContext
	discovery.ServerResourcesInterfaceWithContext
}

// Serves says whether the server serves a resource in this version, and with this verb. It asks for this one group and
// version only. "No" is not an error; an error means that there is no answer.
func Serves(ctx context.Context, client Client, want schema.GroupVersionResource, verb string) (bool, error) {
	list, err := client.ServerResourcesForGroupVersionWithContext(ctx, want.GroupVersion().String())
	// TODO 1: which error is a no? then look for the resource, and for the verb in it
	_ = list
	return err == nil, err
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
		// TODO 2: ask Serves: first with the group's preferred version, then with its other versions; no versions at all: return an error
		return group.PreferredVersion.Version, nil
	}
	return "", nil
}
