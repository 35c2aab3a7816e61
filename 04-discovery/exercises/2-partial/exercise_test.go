package partial

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaPartial = "one group that does not answer is no reason to know nothing: the error names it, and the rest of the result is good"
	ideaGroups  = "ErrGroupDiscoveryFailed has a map of the groups that did not answer; GroupDiscoveryFailedErrorGroups finds it, also in a wrapped error; its keys are group-versions, which have a String"
	ideaUnknown = `"not in the list" is a no only if the list is complete: who takes an unknown for a no deletes what is there`
)

// served is what the server has; metrics are down in v1beta1.
func served() *api {
	return &api{served: map[string][]string{"v1": {"pods", "pods/status", "nodes"}, "metrics.k8s.io/v1": {"nodes"}, "metrics.k8s.io/v1beta1": nil, "apps/v1": {"deployments"}}}
}

func TestStep1Silent(t *testing.T) {
	failed := &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{
		{Group: "metrics.k8s.io", Version: "v1beta1"}: errors.New("503"),
		{Group: "b.example.com", Version: "v1"}:       errors.New("503"),
		{Group: "a.example.com", Version: "v2"}:       errors.New("503"),
	}}
	for _, c := range []struct {
		err  error
		want string
	}{
		{failed, "[a.example.com/v2 b.example.com/v1 metrics.k8s.io/v1beta1]"},
		{fmt.Errorf("what is there: %w", failed), "[a.example.com/v2 b.example.com/v1 metrics.k8s.io/v1beta1]"},
		{errors.New("no answer"), "[]"},
		{nil, "[]"},
	} {
		silent := silentIn(c.err)
		if got := fmt.Sprint(silent); got != c.want {
			idea := ideaGroups
			if slices.Sort(silent); fmt.Sprint(silent) == c.want {
				idea = "a map has no order: sort"
			}
			labtest.Unexpected(t, fmt.Sprintf("silentIn says %s of the error: %v", got, c.err), c.want, idea)
		}
	}
}

func everything(t *testing.T, a *api) string {
	resources, silent, err := Everything(t.Context(), start(t, a))
	return fmt.Sprintf("resources: %s; silent: %s; error: %v", cmp.Or(strings.Join(resources, ", "), "none"), cmp.Or(strings.Join(silent, ", "), "none"), err != nil)
}

func TestStep2Everything(t *testing.T) {
	all := []string{"apps/v1 deployments", "metrics.k8s.io/v1 nodes", "v1 nodes", "v1 pods", "v1 pods/status"}
	got, want := everything(t, served()), fmt.Sprintf("resources: %s; silent: metrics.k8s.io/v1beta1; error: false", strings.Join(all, ", "))
	if got != want {
		idea := ideaPartial
		resources, silent, err := Everything(t.Context(), start(t, served()))
		inOrder := slices.IsSorted(resources)
		switch slices.Sort(resources); {
		case err == nil && len(silent) == 0:
			idea = "what did not answer is a part of the result: return silent, too, or the caller takes the list for complete"
		case slices.ContainsFunc(resources, func(r string) bool { return strings.HasPrefix(r, " ") || strings.HasPrefix(r, "/") }):
			idea = "the group and version are those of the list; those of a resource are its kind's, and may be empty: see the Trap in the section \"resources\" of the chapter"
		case slices.Equal(resources, all) && err != nil:
			idea = "the resources are right. With them, and with silent, the caller knows all that this error says: return none"
		case slices.Equal(resources, all) && !inOrder:
			idea = "they are the right ones: sort them"
		case len(resources) > 0 && !slices.Contains(resources, "v1 pods"):
			idea = "every resource of every list, as \"apps/v1 deployments\": the list's GroupVersion, a space, and the resource's Name"
		case slices.Contains(resources, "v1 pods") && !slices.Contains(resources, "v1 pods/status"):
			idea = "a subresource is served, too, and stands in the list like any other: without it, Has would say no to what is there (ServerPreferredResources leaves subresources out, and all versions of a resource but one)"
		}
		labtest.Unexpected(t, got, want, idea)
	}
	a := served()
	a.served["metrics.k8s.io/v1beta1"] = []string{"pods", "nodes"}
	got, want = everything(t, a), "resources: apps/v1 deployments, metrics.k8s.io/v1 nodes, metrics.k8s.io/v1beta1 nodes, metrics.k8s.io/v1beta1 pods, v1 nodes, v1 pods, v1 pods/status; silent: none; error: false"
	if got != want {
		labtest.Unexpected(t, got, want, "when every group answers, there is no error, and the result is complete")
	}
	a.served = map[string][]string{"autoscaling/v1": {"kettles"}, "autoscaling/v2": {"kettles"}}
	got, want = everything(t, a), "resources: autoscaling/v1 kettles, autoscaling/v2 kettles; silent: none; error: false"
	if got != want {
		labtest.Unexpected(t, got, want, "what is served in two versions is there twice: the preferred version alone would be wrong about the other one")
	}
	a.down = true
	if got, want := everything(t, a), "resources: none; silent: none; error: true"; got != want {
		labtest.Unexpected(t, got, want, "when the server itself does not answer, nothing is known: that is an error, and no empty server")
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if resources, silent, err := Everything(ctx, start(t, served())); !errors.Is(err, context.Canceled) {
		labtest.Unexpected(t, fmt.Sprintf("ctx is cancelled; resources: %v; silent: %v; error: %v", resources, silent, err), "an error: context canceled",
			"ctx belongs to the caller, who may give up: pass it on, and wrap the error with %w")
	}
}

func TestStep3Has(t *testing.T) {
	resources, silent, err := Everything(t.Context(), start(t, served()))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		groupVersion, resource string
		want                   Answer
		idea                   string
	}{
		{"v1", "pods", Yes, "what is in the list is served"},
		{"v1", "pods/status", Yes, "a subresource is in the list like any other"},
		{"v1", "deployments", No, "compare whole texts: v1 is another group-version than apps/v1, and than metrics.k8s.io/v1beta1, and has answered"},
		{"v1", "pod", No, "compare whole texts: pods is not pod"},
		{"apps/v1", "kettles", No, "apps/v1 has answered, and has no kettles"},
		{"metrics.k8s.io/v1", "pods", No, "a group-version answers or not, and not its group: v1 has answered, and only v1beta1 is silent"},
		{"apps/v1beta1", "deployments", No, "the server knows its groups and versions, also those that do not answer: what it does not know, it does not serve"},
		{"metrics.k8s.io/v1beta1", "pods", Unknown, ideaUnknown},
		{"metrics.k8s.io/v1beta1", "kettles", Unknown, ideaUnknown},
	} {
		if got := Has(resources, silent, c.groupVersion, c.resource); got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("Has says %q of %s %s", got, c.groupVersion, c.resource), fmt.Sprintf("%q", c.want), c.idea)
		}
	}
}

// The same on a real API server. Chapter 04's step partial shows a real one of which a group is down; here, other
// exercises use the same server at the same time.
func TestStep3RealServer(t *testing.T) {
	resources, silent, err := Everything(t.Context(), clientOf(t, labtest.Cluster(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		groupVersion, resource string
		want                   Answer
	}{{"apps/v1", "deployments", Yes}, {"apps/v1beta1", "deployments", No}, {"autoscaling/v1", "horizontalpodautoscalers", Yes}, {"autoscaling/v2", "horizontalpodautoscalers", Yes}} {
		if got := Has(resources, silent, c.groupVersion, c.resource); got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("%d resources, silent: %v; Has says %q of %s %s", len(resources), silent, got, c.groupVersion, c.resource), fmt.Sprintf("%q", c.want),
				"what a real server serves is in the same lists, each resource in every version that is served")
		}
	}
}

// api is a server that answers as today's do: in two documents, in which a group and version that does not answer is
// there, stale and without resources. The fake discovery client cannot do that.
type api struct {
	served map[string][]string // by group and version; nil: it does not answer
	down   bool
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.down {
		labtest.SendError(w, apierrors.NewServiceUnavailable("nobody is at home"))
		return
	}
	list := apidiscoveryv2.APIGroupDiscoveryList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2"}}
	for groupVersion, names := range a.served {
		gv, err := schema.ParseGroupVersion(groupVersion)
		if err != nil || (gv.Group == "") != (r.URL.Path == "/api") {
			continue
		}
		version := apidiscoveryv2.APIVersionDiscovery{Version: gv.Version, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}
		if names == nil {
			version.Freshness = apidiscoveryv2.DiscoveryFreshnessStale
		}
		for _, name := range names {
			kind := &metav1.GroupVersionKind{Kind: "Any"}
			if _, sub, ok := strings.Cut(name, "/"); ok { // it stands behind its resource
				parent := &version.Resources[len(version.Resources)-1]
				parent.Subresources = append(parent.Subresources, apidiscoveryv2.APISubresourceDiscovery{Subresource: sub, ResponseKind: kind})
				continue
			}
			version.Resources = append(version.Resources, apidiscoveryv2.APIResourceDiscovery{Resource: name, ResponseKind: kind})
		}
		i := slices.IndexFunc(list.Items, func(group apidiscoveryv2.APIGroupDiscovery) bool { return group.Name == gv.Group })
		if i < 0 {
			i = len(list.Items)
			list.Items = append(list.Items, apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: gv.Group}})
		}
		list.Items[i].Versions = append(list.Items[i].Versions, version)
	}
	w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
	if err := json.NewEncoder(w).Encode(list); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func start(t *testing.T, a *api) *discovery.DiscoveryClient {
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return clientOf(t, &rest.Config{Host: server.URL})
}

func clientOf(t *testing.T, config *rest.Config) *discovery.DiscoveryClient {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
