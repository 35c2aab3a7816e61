// Package newest chooses the API version to speak with a server: the newest one that both sides know.
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

// Newest returns the newest of some versions as Kubernetes orders them: stable ones before betas, betas before alphas,
// and among these the higher number first. It returns "" for none.
func Newest(versions []string) string {
	newest := ""
	for _, v := range versions {
		// lab:begin 1 text order takes v1beta1 for newer than v1, and v9 for newer than v10; k8s.io/apimachinery/pkg/version (not util/version) compares as Kubernetes does
		if newest == "" || version.CompareKubeAwareVersionStrings(v, newest) > 0 {
			// lab:stub if v > newest {
			// lab:end
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
		// lab:begin 2 a list is of one version of one group; take the version if the resource is in it
		if gv.Group != resource.Group {
			continue
		}
		for _, r := range list.APIResources {
			if r.Name == resource.Resource {
				versions = append(versions, gv.Version)
			}
		}
		// lab:stub _ = gv
		// lab:end
	}
	return versions, nil
}

// ErrNothingInCommon says that a server is too old for this program, or too new.
var ErrNothingInCommon = errors.New("this program and the server have no version in common")

// Choose returns the newest version that is both served and known to this program. If there is none, the error is
// ErrNothingInCommon, wrapped, and says what each side has. The caller's lists stay as they are.
func Choose(served, known []string) (string, error) {
	// lab:begin 3 of a clone of one list, leave what is in the other one, too; the newest of that is it
	common := slices.DeleteFunc(slices.Clone(served), func(v string) bool { return !slices.Contains(known, v) })
	if len(common) == 0 {
		return "", fmt.Errorf("%w: the server has %v, and this program %v", ErrNothingInCommon, served, known)
	}
	return Newest(common), nil
	// lab:stub return Newest(served), nil
	// lab:end
}
