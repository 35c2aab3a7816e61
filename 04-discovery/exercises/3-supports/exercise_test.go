package supports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
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
	ideaRefused = "401 and 403 are no answers: they say something about you, and nothing about what is served. Only 404 is a no"
	ideaWord    = "A name and a verb are whole words: pods is not pod, and deletecollection is not delete"
	ideaContext = "ctx belongs to the caller, who may give up: pass it on, also to Serves, and return the error that comes of it, wrapped with %w"
	ideaOrder   = "PreferredVersion says which version is the preferred one: it need be neither the first of Versions nor the highest"
	ideaVersion = "a group has versions, and not every resource is in each of them, not even in the preferred one: look into the lists"
)

// served is what the fake has. Attributes are in a version that is not preferred, and metrics are down.
func served() *api {
	all := metav1.Verbs{"create", "delete", "get", "list", "patch", "update", "watch"}
	lists := func(names ...string) (resources []metav1.APIResource) {
		for _, name := range names {
			resources = append(resources, metav1.APIResource{Name: name, Verbs: all})
		}
		return resources
	}
	return &api{broken: map[string]bool{"metrics.k8s.io/v1beta1": true}, lists: []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "pods", SingularName: "pod", ShortNames: []string{"po"}, Kind: "Pod", Verbs: all},
			{Name: "pods/eviction", Verbs: metav1.Verbs{"create"}},
			{Name: "events", Verbs: metav1.Verbs{"deletecollection", "list"}},
		}},
		{GroupVersion: "storage.k8s.io/v1", APIResources: lists("storageclasses")},
		{GroupVersion: "storage.k8s.io/v1beta1", APIResources: lists("volumeattributesclasses")},
		{GroupVersion: "autoscaling/v2", APIResources: lists("horizontalpodautoscalers")},
		{GroupVersion: "autoscaling/v1", APIResources: lists("horizontalpodautoscalers")},
		{GroupVersion: "garden.example.com/v1", APIResources: lists("spades")}, // preferred, although there is a v2
		{GroupVersion: "garden.example.com/v2", APIResources: lists("spades", "rakes")},
		{GroupVersion: "garden.example.com/v1beta1", APIResources: lists("spades", "rakes")},
		{GroupVersion: "metrics.k8s.io/v1beta1", APIResources: lists("pods")},
		{GroupVersion: "coffee.example.com/v1", APIResources: lists("pots")},
		{GroupVersion: "coffee.example.com/v1beta1", APIResources: lists("pots")},
		{GroupVersion: "authorization.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "selfsubjectaccessreviews", Verbs: metav1.Verbs{"create"}}}},
	}, refuses: map[string]*apierrors.StatusError{
		"coffee.example.com/v1":    apierrors.NewServiceUnavailable("could not find who serves this"),
		"safe.example.com/v1":      apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("not for you")),
		"strangers.example.com/v1": apierrors.NewUnauthorized("who are you?"),
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
	server := served()
	client := start(t, server)
	checkServes(t, client, "pods.v1.", "watch", "yes", "want.Resource is the word in the URL: compare it with the Name of each resource in the list. "+ideaVerb)
	if got, want := fmt.Sprint(server.taken()), "[/api/v1]"; got != want {
		labtest.Unexpected(t, "Serves asks for "+got, want, "ServerResourcesForGroupVersionWithContext asks for one group and version: that is one request, and no other group disturbs it")
	}
	checkServes(t, client, "pods/eviction.v1.", "create", "yes", "a subresource is in the list, under pods/eviction")
	checkServes(t, client, "pods/eviction.v1.", "list", "no", ideaVerb)
	checkServes(t, client, "selfsubjectaccessreviews.v1.authorization.k8s.io", "list", "no", ideaVerb)
	checkServes(t, client, "kettles.v1.", "list", "no", "that the version exists says nothing about the resource: look for it in the list")
	for _, name := range []string{"pod", "po", "Pod"} {
		checkServes(t, client, name+".v1.", "list", "no", "want.Resource is the word in the URL: that is the Name, and neither the singular, nor a short name, nor the kind. "+ideaWord)
	}
	checkServes(t, client, "events.v1.", "delete", "no", ideaWord)
	checkServes(t, client, "horizontalpodautoscalers.v2beta2.autoscaling", "list", "no", ideaNo)
	checkServes(t, client, "kettles.v1.tea.example.com", "list", "no", ideaNo)
	checkServes(t, client, "pods.v1beta1.metrics.k8s.io", "list", "an error", ideaBroken)
	checkServes(t, client, "pots.v1.coffee.example.com", "list", "an error", "apierrors.IsNotFound looks at the answer's code; the text of an error may say anything. "+ideaBroken)
	checkServes(t, client, "keys.v1.safe.example.com", "list", "an error", ideaRefused)
	checkServes(t, client, "guests.v1.strangers.example.com", "list", "an error", ideaRefused)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, err := Serves(ctx, client, resource("pods.v1."), "list"); !errors.Is(err, context.Canceled) {
		labtest.Unexpected(t, fmt.Sprintf("ctx is cancelled; Serves says %v, error: %v", ok, err), "an error: context canceled", ideaContext)
	}
}

func checkVersion(t *testing.T, client Client, want schema.GroupResource, verb, answer, idea string) {
	t.Helper()
	version, err := Version(t.Context(), client, want, verb)
	got := fmt.Sprintf("%q", version)
	if err != nil {
		got = "an error"
	}
	if got != answer {
		switch {
		case strings.Contains(version, "/"):
			idea = "return the version without its group: v1beta1, and not storage.k8s.io/v1beta1"
		case apierrors.IsNotFound(err) || answer == "an error" && serves(t, client, "pots.v1.coffee.example.com", verb) != answer:
			idea = "Version asks Serves (step 1), which must tell no from no answer; " + idea
		}
		labtest.Unexpected(t, fmt.Sprintf("of %s %s Version says %s; error: %v", verb, want, got, err), answer, idea)
	}
}

func TestStep2Version(t *testing.T) {
	client := start(t, served())
	checkVersion(t, client, schema.GroupResource{Group: "storage.k8s.io", Resource: "volumeattributesclasses"}, "list", `"v1beta1"`, ideaVersion)
	checkVersion(t, client, schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}, "watch", `"v2"`, "ask the preferred version first: the server has a reason to prefer it")
	checkVersion(t, client, schema.GroupResource{Group: "garden.example.com", Resource: "spades"}, "list", `"v1"`, ideaOrder)
	checkVersion(t, otherClient{client}, schema.GroupResource{Group: "garden.example.com", Resource: "spades"}, "list", `"v1"`, ideaOrder)
	checkVersion(t, client, schema.GroupResource{Group: "garden.example.com", Resource: "rakes"}, "list", `"v2"`, "after the preferred version the others follow in the server's order, which is that of Versions")
	checkVersion(t, client, schema.GroupResource{Resource: "pods"}, "list", `"v1"`, "the core group has an empty name, and is a group like the others")
	checkVersion(t, client, schema.GroupResource{Group: "autoscaling", Resource: "kettles"}, "list", `""`, "both versions have answered, and neither has it: that is a no, and no is no error")
	checkVersion(t, client, schema.GroupResource{Group: "tea.example.com", Resource: "kettles"}, "list", `""`, "a group that there is not is a no, and no error")
	checkVersion(t, client, schema.GroupResource{Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}, "list", `""`, ideaVerb)
	checkVersion(t, client, schema.GroupResource{Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}, "create", `"v1"`, "ask with the verb that you are given")
	checkVersion(t, client, schema.GroupResource{Group: "metrics.k8s.io", Resource: "pods"}, "list", "an error",
		"a version that does not answer is left out of its group, and ServerGroups returns no error: a group without a version is not a no: nobody answered")
	checkVersion(t, client, schema.GroupResource{Group: "coffee.example.com", Resource: "pots"}, "list", "an error",
		"the group prefers v1, and Serves got no answer from it: an error of Serves is no reason to go on, with v1beta1 perhaps, or to say no")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if version, err := Version(ctx, otherClient{client}, schema.GroupResource{Resource: "pods"}, "list"); !errors.Is(err, context.Canceled) {
		labtest.Unexpected(t, fmt.Sprintf("ctx is cancelled after the groups came; Version says %q, error: %v", version, err), "an error: context canceled", ideaContext)
	}
}

// otherClient has the groups even for a caller who has given up, and the preferred version is the last in them.
type otherClient struct{ Client }

func (c otherClient) ServerGroupsWithContext(ctx context.Context) (*metav1.APIGroupList, error) {
	groups, err := c.Client.ServerGroupsWithContext(context.WithoutCancel(ctx))
	if err == nil {
		for _, group := range groups.Groups {
			slices.Reverse(group.Versions)
		}
	}
	return groups, err
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
	lists   []*metav1.APIResourceList         // the preferred version of a group before its other versions
	broken  map[string]bool                   // by group and version
	refuses map[string]*apierrors.StatusError // these answer with an error, and the two documents do not know it

	mu    sync.Mutex
	paths []string
}

// taken returns the paths of the requests since it was last called.
func (a *api) taken() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.paths = nil }()
	return a.paths
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.paths = append(a.paths, r.URL.Path)
	a.mu.Unlock()
	path := strings.Trim(r.URL.Path, "/")
	version := strings.TrimPrefix(strings.TrimPrefix(path, "api/"), "apis/")
	at := slices.IndexFunc(a.lists, func(l *metav1.APIResourceList) bool { return l.GroupVersion == version })
	switch {
	case path == "api" || path == "apis":
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		if err := json.NewEncoder(w).Encode(a.document(path == "api")); err != nil {
			panic(http.ErrAbortHandler)
		}
	case a.refuses[version] != nil:
		labtest.SendError(w, a.refuses[version])
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
