// Package newest is a sample of a typical mistake: it looks for the name of a resource in every group.
package newest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
)

// want: example.com has pods, too

// Newest returns the newest of some versions as Kubernetes orders them: stable ones before betas, betas before alphas,
// and among these the higher number first. It returns "" for none.
func Newest(versions []string) string {
	newest := ""
	for _, v := range versions {
		if newest == "" || version.CompareKubeAwareVersionStrings(v, newest) > 0 {
			newest = v
		}
	}
	return newest
}

// Served returns the versions of whatever has this name, in any group.
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
