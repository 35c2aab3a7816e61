// Package newest is a sample of a typical mistake: versions sorted as text.
package newest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// want: as text, v1beta1 comes after v1

// Newest prefers v1beta1 to v1.
func Newest(versions []string) string {
	newest := ""
	for _, v := range versions {
		if v > newest {
			newest = v
		}
	}
	return newest
}

// Served returns the versions in which a server serves a resource. That another group does not answer is no matter; if
// a version of this group does not, that is an error.
func Served(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, resource schema.GroupResource) ([]string, error) {
	_, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
	silent, partial := discovery.GroupDiscoveryFailedErrorGroups(err)
	for gv, reason := range silent {
		if gv.Group == resource.Group {
			return nil, fmt.Errorf("ask what %s has: %w", gv, reason)
		}
	}
	if err != nil && !partial {
		return nil, fmt.Errorf("ask the server what it serves: %w", err)
	}
	var versions []string
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		if gv.Group != resource.Group {
			continue
		}
		for _, r := range list.APIResources {
			if r.Name == resource.Resource {
				versions = append(versions, gv.Version)
			}
		}
	}
	return versions, nil
}

// ErrNothingInCommon says that a server is too old for this program, or too new.
var ErrNothingInCommon = errors.New("this program and the server have no version in common")

// Choose returns the newest version that is both served and known to this program. If there is none, the error is
// ErrNothingInCommon, and says what each side has.
func Choose(served, known []string) (string, error) {
	common := slices.DeleteFunc(slices.Clone(served), func(v string) bool { return !slices.Contains(known, v) })
	if len(common) == 0 {
		return "", fmt.Errorf("%w: the server has %v, and this program %v", ErrNothingInCommon, served, known)
	}
	return Newest(common), nil
}
