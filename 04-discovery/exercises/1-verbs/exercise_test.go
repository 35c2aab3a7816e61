package verbs

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

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
			{Name: "namespaces", Verbs: all},
			{Name: "bindings", Namespaced: true, Verbs: metav1.Verbs{"create"}},
		}},
		{GroupVersion: "autoscaling/v2", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers", Namespaced: true, Verbs: all}}},
		{GroupVersion: "autoscaling/v1", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers", Namespaced: true, Verbs: all}}},
		{GroupVersion: "authorization.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "selfsubjectaccessreviews", Verbs: metav1.Verbs{"create"}}}},
	}
}

func check(t *testing.T, got []string, err error, want, idea string) {
	t.Helper()
	if seen := strings.Join(got, ", "); err != nil || seen != want {
		labtest.Unexpected(t, fmt.Sprintf("%s; error: %v", seen, err), want, idea)
	}
}

func TestStep1Watch(t *testing.T) {
	check(t, With(served(), "watch"), nil, "autoscaling/v1 horizontalpodautoscalers, autoscaling/v2 horizontalpodautoscalers, v1 namespaces, v1 pods",
		"each resource says which verbs it knows: a review is only created, and nothing is left of it that could be watched")
}

func TestStep1Subresources(t *testing.T) {
	check(t, With(served(), "update"), nil, "autoscaling/v1 horizontalpodautoscalers, autoscaling/v2 horizontalpodautoscalers, v1 namespaces, v1 pods",
		"a subresource is in the list like any other, with a slash in its name and verbs of its own: pods/status can be updated, and is no resource by itself")
}

const ideaPreferred = "a group may serve the same objects in several versions; ServerPreferredResources takes the one that the server prefers"

func TestStep2Served(t *testing.T) {
	got, err := Served(t.Context(), start(t, &api{lists: served()}), "watch")
	idea := ideaPreferred
	if !slices.Contains(got, "v1 namespaces") {
		idea = "not everything has namespaces: ServerPreferredNamespacedResources leaves out what has none"
	}
	check(t, got, err, "autoscaling/v2 horizontalpodautoscalers, v1 namespaces, v1 pods", idea)
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
		{"v1 namespaces", true, "not everything has namespaces: ServerPreferredNamespacedResources leaves out what has none"},
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

// api serves discovery as old servers do, and aggregated APIs still: one document for the groups, and one for each group
// and version. The first version of a group is the preferred one.
type api struct {
	lists  []*metav1.APIResourceList
	broken map[string]bool // group and version, or "" for everything: answers 503
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.Path, "/")
	version := strings.TrimPrefix(strings.TrimPrefix(path, "api/"), "apis/")
	at := slices.IndexFunc(a.lists, func(l *metav1.APIResourceList) bool { return l.GroupVersion == version })
	switch {
	case a.broken[""], a.broken[version]:
		labtest.SendError(w, apierrors.NewServiceUnavailable("nobody is at home"))
	case path == "api":
		labtest.SendJSON(w, http.StatusOK, metav1.APIVersions{Versions: []string{"v1"}})
	case path == "apis":
		labtest.SendJSON(w, http.StatusOK, a.groups())
	case at >= 0:
		labtest.SendJSON(w, http.StatusOK, a.lists[at])
	default:
		labtest.SendError(w, apierrors.NewGenericServerResponse(http.StatusNotFound, "get", schema.GroupResource{}, "", "", 0, false))
	}
}

func (a *api) groups() *metav1.APIGroupList {
	list := &metav1.APIGroupList{}
	for _, l := range a.lists {
		gv, _ := schema.ParseGroupVersion(l.GroupVersion)
		version := metav1.GroupVersionForDiscovery{GroupVersion: l.GroupVersion, Version: gv.Version}
		at := slices.IndexFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == gv.Group })
		switch {
		case gv.Group == "": // is in /api
		case at < 0:
			list.Groups = append(list.Groups, metav1.APIGroup{Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version})
		default:
			list.Groups[at].Versions = append(list.Groups[at].Versions, version)
		}
	}
	return list
}

func clientOf(t *testing.T, config *rest.Config) *discovery.DiscoveryClient {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func start(t *testing.T, a *api) *discovery.DiscoveryClient {
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return clientOf(t, &rest.Config{Host: server.URL})
}
