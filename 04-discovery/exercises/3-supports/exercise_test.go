package supports

import (
	"encoding/json"
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
	ideaVerb    = "a resource says its verbs: that it is served does not mean that it can be watched, or listed, or deleted"
	ideaNo      = "404 is an answer: the server does not have this group and version. No is no error"
	ideaBroken  = "503 is no answer: somebody serves this group, and cannot say now what is in it. Who takes that for a no does the wrong thing"
	ideaVersion = "a group has versions, and not every resource is in each of them, not even in the preferred one: look into the lists"
)

// served is what the fake has. Attributes are in a version that is not preferred, and metrics are down.
func served() *api {
	all := metav1.Verbs{"create", "delete", "get", "list", "patch", "update", "watch"}
	return &api{broken: map[string]bool{"metrics.k8s.io/v1beta1": true}, silent: map[string]bool{"coffee.example.com/v1beta1": true}, lists: []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "pods", Verbs: all},
			{Name: "pods/eviction", Verbs: metav1.Verbs{"create"}},
		}},
		{GroupVersion: "storage.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "storageclasses", Verbs: all}}},
		{GroupVersion: "storage.k8s.io/v1beta1", APIResources: []metav1.APIResource{{Name: "volumeattributesclasses", Verbs: all}}},
		{GroupVersion: "autoscaling/v2", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers", Verbs: all}}},
		{GroupVersion: "autoscaling/v1", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers", Verbs: all}}},
		{GroupVersion: "metrics.k8s.io/v1beta1", APIResources: []metav1.APIResource{{Name: "pods", Verbs: metav1.Verbs{"get", "list"}}}},
		{GroupVersion: "coffee.example.com/v1beta1", APIResources: []metav1.APIResource{{Name: "pots", Verbs: all}}},
		{GroupVersion: "authorization.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "selfsubjectaccessreviews", Verbs: metav1.Verbs{"create"}}}},
	}}
}

func resource(text string) schema.GroupVersionResource {
	r, _ := schema.ParseResourceArg(text) // resource.version.group
	return *r
}

// serves is what Serves says, as text.
func serves(t *testing.T, client Client, want, verb string) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("nothing, but panics: %v", r)
		}
	}()
	ok, err := Serves(t.Context(), client, resource(want), verb)
	switch {
	case err != nil && ok:
		return "both yes and an error"
	case err != nil:
		return "an error"
	case ok:
		return "yes"
	}
	return "no"
}

func checkServes(t *testing.T, client Client, want, verb, answer, idea string) {
	t.Helper()
	if got := serves(t, client, want, verb); got != answer {
		labtest.Unexpected(t, fmt.Sprintf("of %s %s Serves says: %s", verb, want, got), answer, idea)
	}
}

func TestStep1Serves(t *testing.T) {
	client := start(t, served())
	checkServes(t, client, "pods.v1.", "watch", "yes", ideaVerb)
	checkServes(t, client, "pods/eviction.v1.", "create", "yes", "a subresource is in the list, under pods/eviction")
	checkServes(t, client, "pods/eviction.v1.", "list", "no", ideaVerb)
	checkServes(t, client, "selfsubjectaccessreviews.v1.authorization.k8s.io", "list", "no", ideaVerb)
	checkServes(t, client, "kettles.v1.", "list", "no", "that the version exists says nothing about the resource: look for it in the list")
	checkServes(t, client, "pod.v1.", "list", "no", "the whole name: pods is not pod")
	checkServes(t, client, "horizontalpodautoscalers.v2beta2.autoscaling", "list", "no", ideaNo)
	checkServes(t, client, "kettles.v1.tea.example.com", "list", "no", ideaNo)
	checkServes(t, client, "pods.v1beta1.metrics.k8s.io", "list", "an error", ideaBroken)
}

func checkVersion(t *testing.T, client Client, want schema.GroupResource, verb, answer, idea string) {
	t.Helper()
	version, err := Version(t.Context(), client, want, verb)
	got := fmt.Sprintf("%q", version)
	if err != nil {
		got = "an error"
	}
	if got != answer {
		if apierrors.IsNotFound(err) || answer == "an error" && serves(t, client, want.Resource+".v1beta1."+want.Group, verb) != answer {
			idea = "Version asks Serves (step 1), which must tell no from no answer; " + idea
		}
		labtest.Unexpected(t, fmt.Sprintf("of %s %s Version says %s; error: %v", verb, want, got, err), answer, idea)
	}
}

func TestStep2Version(t *testing.T) {
	client := start(t, served())
	checkVersion(t, client, schema.GroupResource{Group: "storage.k8s.io", Resource: "volumeattributesclasses"}, "list", `"v1beta1"`, ideaVersion)
	checkVersion(t, client, schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}, "watch", `"v2"`, "ask the preferred version first: the server has a reason to prefer it")
	checkVersion(t, client, schema.GroupResource{Resource: "pods"}, "list", `"v1"`, "the core group has an empty name, and is a group like the others")
	checkVersion(t, client, schema.GroupResource{Group: "autoscaling", Resource: "kettles"}, "list", `""`, ideaVersion)
	checkVersion(t, client, schema.GroupResource{Group: "tea.example.com", Resource: "kettles"}, "list", `""`, "a group that there is not is a no, and no error")
	checkVersion(t, client, schema.GroupResource{Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}, "list", `""`, ideaVerb)
	checkVersion(t, client, schema.GroupResource{Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}, "create", `"v1"`, "ask with the verb that you are given")
	checkVersion(t, client, schema.GroupResource{Group: "metrics.k8s.io", Resource: "pods"}, "list", "an error",
		"a version that does not answer is left out of its group, and ServerGroups returns no error: a group without a version is not a no: nobody answered")
	checkVersion(t, client, schema.GroupResource{Group: "coffee.example.com", Resource: "pots"}, "list", "an error",
		"the group has this version, and Serves got no answer from it: an error of Serves is no reason to go on, or to say no")
}

// The same on a real API server.
func TestStep1RealServer(t *testing.T) {
	client := clientOf(t, labtest.Cluster(t))
	checkServes(t, client, "pods.v1.", "watch", "yes", ideaVerb)
	checkServes(t, client, "pods/eviction.v1.", "list", "no", ideaVerb)
	checkServes(t, client, "horizontalpodautoscalers.v2beta2.autoscaling", "list", "no", ideaNo)
	checkServes(t, client, "kettles.v1.tea.example.com", "list", "no", ideaNo)
}

func TestStep2RealServer(t *testing.T) {
	client := clientOf(t, labtest.Cluster(t))
	checkVersion(t, client, schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}, "watch", `"v2"`, "ask the preferred version first: the server has a reason to prefer it")
	checkVersion(t, client, schema.GroupResource{Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}, "list", `""`, ideaVerb)
}

// api serves discovery as today's servers do: everything in two documents, in which a group and version that does not
// answer is there, stale and without resources; and what one group and version has in a document of its own.
type api struct {
	lists  []*metav1.APIResourceList // the preferred version of a group before its other versions
	broken map[string]bool           // by group and version
	silent map[string]bool           // these do not answer, and the two documents do not know it yet
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
	case a.broken[version] || a.silent[version]:
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
