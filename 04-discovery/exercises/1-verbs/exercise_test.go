package verbs

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

func served() []*metav1.APIResourceList {
	all := metav1.Verbs{"create", "delete", "get", "list", "patch", "update", "watch"}
	return []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "pods", Namespaced: true, Verbs: all},
			{Name: "pods/status", Namespaced: true, Verbs: metav1.Verbs{"get", "patch", "update"}},
			{Name: "pods/eviction", Namespaced: true, Verbs: metav1.Verbs{"create"}},
			{Name: "namespaces", Verbs: all},
			{Name: "bindings", Namespaced: true, Verbs: metav1.Verbs{"create"}},
			{Name: "events", Namespaced: true, Verbs: metav1.Verbs{"deletecollection", "list"}},
		}},
		{GroupVersion: "autoscaling/v2", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers", Namespaced: true, Verbs: all}}},
		{GroupVersion: "autoscaling/v1", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers", Namespaced: true, Verbs: all}}},
		{GroupVersion: "authorization.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "selfsubjectaccessreviews", Verbs: metav1.Verbs{"create"}}}},
	}
}

func check(t *testing.T, call string, got []string, err error, want, idea string) {
	t.Helper()
	if seen := cmp.Or(strings.Join(got, ", "), "nothing"); err != nil || seen != want {
		if slices.ContainsFunc(got, func(r string) bool { return strings.HasPrefix(r, " ") || strings.HasPrefix(r, "/") }) {
			idea = "the group and version are those of the list; those of a resource are its kind's, and may be empty: see the Trap in the section \"resources\" of the chapter"
		}
		if err == nil && strings.Join(slices.Sorted(slices.Values(got)), ", ") == want {
			idea = "they are the right ones: sort them"
		}
		if err != nil {
			seen += "; error: " + err.Error()
		}
		labtest.Unexpected(t, call+" says "+seen, want, idea)
	}
}

func TestStep1Watch(t *testing.T) {
	check(t, `With(lists, "watch")`, With(served(), "watch"), nil, "autoscaling/v1 horizontalpodautoscalers, autoscaling/v2 horizontalpodautoscalers, v1 namespaces, v1 pods",
		"each resource says which verbs it knows: a review is only created, and nothing is left of it that could be watched")
	check(t, `With(lists, "delete")`, With(served(), "delete"), nil, "autoscaling/v1 horizontalpodautoscalers, autoscaling/v2 horizontalpodautoscalers, v1 namespaces, v1 pods",
		"a verb is a whole word: events know deletecollection, which is not delete")
}

func TestStep1Subresources(t *testing.T) {
	check(t, `With(lists, "update")`, With(served(), "update"), nil, "autoscaling/v1 horizontalpodautoscalers, autoscaling/v2 horizontalpodautoscalers, v1 namespaces, v1 pods",
		"a subresource is in the list like any other, with a slash in its name and verbs of its own: pods/status can be updated, and is no resource by itself")
	check(t, `With(lists, "create")`, With(served(), "create"), nil, "authorization.k8s.io/v1 selfsubjectaccessreviews, "+
		"autoscaling/v1 horizontalpodautoscalers, autoscaling/v2 horizontalpodautoscalers, v1 bindings, v1 namespaces, v1 pods",
		"status is not the only subresource: an eviction is created at pods/eviction")
}

const (
	ideaPreferred  = "a group may serve the same objects in several versions; ServerPreferredResourcesWithContext takes the one that the server prefers"
	ideaNamespaced = "not everything has namespaces: ServerPreferredNamespacedResourcesWithContext leaves out what has none"
)

func TestStep2Served(t *testing.T) {
	watch := metav1.Verbs{"watch"}
	server := &api{broken: map[string]bool{}, lists: append(served(),
		&metav1.APIResourceList{GroupVersion: "storage.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "storageclasses", Verbs: watch}}},
		&metav1.APIResourceList{GroupVersion: "storage.k8s.io/v1beta1", APIResources: []metav1.APIResource{{Name: "storageclasses", Verbs: watch}, {Name: "volumeattributesclasses", Verbs: watch}}},
	)}
	client := start(t, server)
	got, err := Served(t.Context(), client, "watch")
	idea := ideaPreferred
	switch {
	case !slices.Contains(got, "v1 namespaces"):
		idea = ideaNamespaced
	case !slices.Contains(got, "storage.k8s.io/v1beta1 volumeattributesclasses"):
		idea = "each resource once, and none is lost: what the preferred version of a group lacks is in another one"
	}
	check(t, `Served(ctx, client, "watch")`, got, err, "autoscaling/v2 horizontalpodautoscalers, storage.k8s.io/v1 storageclasses, "+
		"storage.k8s.io/v1beta1 volumeattributesclasses, v1 namespaces, v1 pods", idea)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err = Served(ctx, client, "watch"); !errors.Is(err, context.Canceled) {
		idea = "ctx belongs to the caller, who may give up: pass it on, and no context of your own"
		switch {
		case err != nil:
			idea = "wrap the error with %w, so that the caller finds its cause with errors.Is"
		case len(got) == 0:
			idea = "an error is no server without resources: return it"
		}
		labtest.Unexpected(t, fmt.Sprintf("the context is cancelled; Served says %s; error: %v", cmp.Or(strings.Join(got, ", "), "nothing"), err),
			"an error: context canceled", idea)
	}

	server.broken["storage.k8s.io/v1beta1"] = true
	if got, err = Served(t.Context(), client, "watch"); err == nil {
		labtest.Unexpected(t, fmt.Sprintf("storage.k8s.io/v1beta1 does not answer; Served says %s, and no error", cmp.Or(strings.Join(got, ", "), "nothing")), "an error",
			"a list that is not complete looks like one that is: return the error, also when there is a list with it (04/partial uses both)")
	}
}

// The same on a real API server.
func TestStep2RealServer(t *testing.T) {
	got, err := Served(t.Context(), clientOf(t, labtest.Cluster(t)), "watch")
	for _, c := range []struct {
		resource string
		want     bool
		idea     string
	}{
		{"v1 pods", true, ideaPreferred},
		{"v1 namespaces", true, ideaNamespaced},
		{"apps/v1 deployments", true, ideaPreferred},
		{"autoscaling/v2 horizontalpodautoscalers", true, ideaPreferred},
		{"autoscaling/v1 horizontalpodautoscalers", false, ideaPreferred},
		{"authorization.k8s.io/v1 selfsubjectaccessreviews", false, "a review is only created"},
	} {
		if err != nil || slices.Contains(got, c.resource) != c.want {
			labtest.Unexpected(t, fmt.Sprintf("%d resources, %q is one of them: %v; error: %v", len(got), c.resource, !c.want, err),
				fmt.Sprintf("%q is one of them: %v", c.resource, c.want), c.idea)
		}
	}
}

// api serves discovery as today's servers do: everything in two documents, in which a group and version that does not
// answer is there, stale and without resources; and what one group and version has in a document of its own.
type api struct {
	lists  []*metav1.APIResourceList // the preferred version of a group before its other versions
	broken map[string]bool           // by group and version
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.Path, "/")
	version := strings.TrimPrefix(strings.TrimPrefix(path, "api/"), "apis/")
	at := slices.IndexFunc(a.lists, func(l *metav1.APIResourceList) bool { return l.GroupVersion == version })
	switch {
	case path == "api" || path == "apis":
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		if err := json.NewEncoder(w).Encode(a.document(path == "api")); err != nil {
			panic(http.ErrAbortHandler)
		}
	case a.broken[version]:
		labtest.SendError(w, apierrors.NewServiceUnavailable("nobody is at home"))
	case at >= 0:
		labtest.SendJSON(w, http.StatusOK, a.lists[at])
	default:
		labtest.SendError(w, apierrors.NewGenericServerResponse(http.StatusNotFound, "get", schema.GroupResource{}, "", "", 0, false))
	}
}

// document is that of the core group, or of all others.
func (a *api) document(core bool) *apidiscoveryv2.APIGroupDiscoveryList {
	d := &apidiscoveryv2.APIGroupDiscoveryList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2"}}
	for _, l := range a.lists {
		gv, _ := schema.ParseGroupVersion(l.GroupVersion)
		if (gv.Group == "") != core {
			continue
		}
		version := apidiscoveryv2.APIVersionDiscovery{Version: gv.Version, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}
		if a.broken[l.GroupVersion] {
			version.Freshness = apidiscoveryv2.DiscoveryFreshnessStale
			l = &metav1.APIResourceList{}
		}
		for _, r := range l.APIResources {
			kind, scope := &metav1.GroupVersionKind{Kind: "Any"}, apidiscoveryv2.ScopeCluster
			if r.Namespaced {
				scope = apidiscoveryv2.ScopeNamespace
			}
			if _, sub, ok := strings.Cut(r.Name, "/"); ok { // it stands behind its resource
				parent := &version.Resources[len(version.Resources)-1]
				parent.Subresources = append(parent.Subresources, apidiscoveryv2.APISubresourceDiscovery{Subresource: sub, ResponseKind: kind, Verbs: r.Verbs})
				continue
			}
			version.Resources = append(version.Resources, apidiscoveryv2.APIResourceDiscovery{Resource: r.Name, ResponseKind: kind, Scope: scope, Verbs: r.Verbs})
		}
		at := slices.IndexFunc(d.Items, func(g apidiscoveryv2.APIGroupDiscovery) bool { return g.Name == gv.Group })
		if at < 0 {
			at = len(d.Items)
			d.Items = append(d.Items, apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: gv.Group}})
		}
		d.Items[at].Versions = append(d.Items[at].Versions, version)
	}
	return d
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
