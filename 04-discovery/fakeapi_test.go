package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"

	"client-go-lab/internal/labtest"
)

// fakeAPI is a very small API server. What it serves was recorded on a real one (testdata, TestRecordingsOnCluster); to
// that it adds the groups of the CustomResourceDefinitions and APIServices that a test or a step creates.
//
// Why an HTTP server and not k8s.io/client-go/discovery/fake? Discovery is about what goes over the wire: two protocols,
// ETags, one group that does not answer. The fake has none of it; the tests in fake_test.go show what it says instead.
type fakeAPI struct {
	http.Handler

	mu       sync.Mutex
	objects  map[string]map[string]any // by path: /api/v1/namespaces/client-go-lab/services/broken
	requests []string                  // method and path, in order
	agent    string                    // the last User-Agent
	keep     bool                      // a collection stays when it is deleted; its objects go one by one, when they are changed
	legacy   bool                      // does not know the aggregated format
	after    func(n int, r *http.Request)
}

func newFakeAPI() *fakeAPI {
	api := &fakeAPI{objects: map[string]map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api", api.serveGroups)
	mux.HandleFunc("GET /apis", api.serveGroups)
	mux.HandleFunc("GET /api/{version}", api.serveResources)
	mux.HandleFunc("GET /apis/{group}/{version}", api.serveResources)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		labtest.SendJSON(w, http.StatusOK, map[string]string{"gitVersion": "v1.37.2", "major": "1", "minor": "37"})
	})
	mux.HandleFunc("GET /openapi/v3", api.serveDocuments)
	mux.HandleFunc("GET /openapi/v3/apis/apps/v1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(testdata("openapi-apps-v1.json"))
	})
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
	mux.HandleFunc("/", api.serveObjects)
	api.Handler = mux
	return api
}

func (api *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	api.mu.Lock()
	api.requests = append(api.requests, r.Method+" "+r.URL.Path)
	api.agent = r.UserAgent()
	n, after := len(api.requests), api.after
	api.mu.Unlock()
	api.Handler.ServeHTTP(w, r)
	if after != nil {
		after(n, r)
	}
}

// afterEach calls a function when the n-th request has been answered, before the client sees the answer.
func (api *fakeAPI) afterEach(after func(n int, r *http.Request)) {
	api.mu.Lock()
	defer api.mu.Unlock()
	api.after = after
}

func (api *fakeAPI) seen() []string {
	api.mu.Lock()
	defer api.mu.Unlock()
	return slices.Clone(api.requests)
}

// names lists the paths of the objects that there are, without namespaces.
func (api *fakeAPI) names() []string {
	api.mu.Lock()
	defer api.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(api.objects)) {
		if path.Dir(name) != "/api/v1/namespaces" {
			names = append(names, name)
		}
	}
	return names
}

func testdata(name string) []byte {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return data
}

// recorded is what a real server answered to /api and /apis.
var recorded = sync.OnceValue(func() map[string]apidiscoveryv2.APIGroupDiscoveryList {
	lists := map[string]apidiscoveryv2.APIGroupDiscoveryList{}
	for _, root := range []string{"/api", "/apis"} {
		var list apidiscoveryv2.APIGroupDiscoveryList
		if err := json.Unmarshal(testdata(path.Base(root)+".json"), &list); err != nil {
			panic(err)
		}
		lists[root] = list
	}
	return lists
})

// groups returns what is served below /api or /apis, in the aggregated format.
func (api *fakeAPI) groups(root string) apidiscoveryv2.APIGroupDiscoveryList {
	list := recorded()[root]
	list.Items = slices.Clone(list.Items)
	if root == "/api" {
		return list
	}
	for _, name := range slices.Sorted(maps.Keys(api.objects)) {
		spec, _ := api.objects[name]["spec"].(map[string]any)
		switch path.Base(path.Dir(name)) {
		case "apiservices": // none of them answers
			group, _ := spec["group"].(string)
			list.Items = append(list.Items, apidiscoveryv2.APIGroupDiscovery{
				ObjectMeta: metav1.ObjectMeta{Name: group},
				Versions:   []apidiscoveryv2.APIVersionDiscovery{{Version: "v1", Freshness: apidiscoveryv2.DiscoveryFreshnessStale}},
			})
		case "customresourcedefinitions":
			group, _ := spec["group"].(string)
			names, _ := spec["names"].(map[string]any)
			list.Items = append(list.Items, apidiscoveryv2.APIGroupDiscovery{
				ObjectMeta: metav1.ObjectMeta{Name: group},
				Versions: []apidiscoveryv2.APIVersionDiscovery{{
					Version: "v1", Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent,
					Resources: []apidiscoveryv2.APIResourceDiscovery{{
						Resource: names["plural"].(string), SingularResource: names["singular"].(string),
						Scope:        apidiscoveryv2.ScopeNamespace,
						ResponseKind: &metav1.GroupVersionKind{Group: group, Version: "v1", Kind: names["kind"].(string)},
						Verbs:        []string{"get", "list"},
					}},
				}},
			})
		}
	}
	return list
}

// serveGroups answers /api and /apis in the format that the Accept header asks for, with an ETag.
func (api *fakeAPI) serveGroups(w http.ResponseWriter, r *http.Request) {
	api.mu.Lock()
	list := api.groups(r.URL.Path)
	legacy := api.legacy
	api.mu.Unlock()
	if !legacy && strings.HasPrefix(r.Header.Get("Accept"), discovery.AcceptV2) {
		body, err := json.Marshal(list)
		if err != nil {
			panic(err)
		}
		etag := fmt.Sprintf("%q", fmt.Sprintf("%X", sha256.Sum256(body)))
		w.Header().Set("Content-Type", discovery.AcceptV2)
		w.Header().Set("Vary", "Accept")
		w.Header().Set("Cache-Control", "public")
		w.Header().Set("Etag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Write(body)
		return
	}
	if r.URL.Path == "/api" {
		labtest.SendJSON(w, http.StatusOK, metav1.APIVersions{Versions: []string{"v1"}})
		return
	}
	// The legacy format lists a group that does not answer like any other.
	var groups metav1.APIGroupList
	for _, item := range list.Items {
		group := metav1.APIGroup{Name: item.Name}
		for _, v := range item.Versions {
			group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: item.Name + "/" + v.Version, Version: v.Version})
		}
		group.PreferredVersion = group.Versions[0]
		groups.Groups = append(groups.Groups, group)
	}
	labtest.SendJSON(w, http.StatusOK, groups)
}

// serveResources answers for one group-version, which has one format only.
func (api *fakeAPI) serveResources(w http.ResponseWriter, r *http.Request) {
	root, gv := "/apis", schema.GroupVersion{Group: r.PathValue("group"), Version: r.PathValue("version")}
	if gv.Group == "" {
		root = "/api"
	}
	api.mu.Lock()
	_, resources, failed := discovery.SplitGroupsAndResources(api.groups(root))
	api.mu.Unlock()
	switch {
	case failed[gv] != nil:
		http.Error(w, "service unavailable", http.StatusServiceUnavailable)
	case resources[gv] == nil:
		http.NotFound(w, r)
	default:
		resources[gv].Kind, resources[gv].APIVersion = "APIResourceList", "v1"
		labtest.SendJSON(w, http.StatusOK, resources[gv])
	}
}

// serveDocuments lists the documents that there are.
func (api *fakeAPI) serveDocuments(w http.ResponseWriter, _ *http.Request) {
	documents := map[string]any{}
	add := func(groupVersion string) {
		documents["apis/"+groupVersion] = map[string]string{"serverRelativeURL": "/openapi/v3/apis/" + groupVersion + "?hash=0"}
	}
	add("apps/v1")
	add("batch/v1") // but its document is not here
	api.mu.Lock()
	defer api.mu.Unlock()
	for name, object := range api.objects {
		if path.Base(path.Dir(name)) == "customresourcedefinitions" {
			group, _, _ := unstructured.NestedString(object, "spec", "group")
			add(group + "/v1")
		}
	}
	labtest.SendJSON(w, http.StatusOK, map[string]any{"paths": documents})
}

// review lets everybody ask what he may do, and everybody but jane do everything.
func review(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		labtest.SendError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	ask := object.(*authorizationv1.SelfSubjectAccessReview)
	ask.Kind, ask.APIVersion = "SelfSubjectAccessReview", "authorization.k8s.io/v1"
	ask.Status.Allowed = r.Header.Get("Impersonate-User") != "jane" || ask.Spec.ResourceAttributes.Resource == "selfsubjectaccessreviews"
	labtest.SendJSON(w, http.StatusCreated, ask)
}

// collections are the resources whose objects are stored.
var collections = []string{"namespaces", "services", "events", "horizontalpodautoscalers", "apiservices", "customresourcedefinitions"}

// has says whether there is any object of a collection.
func (api *fakeAPI) has(collection string) bool {
	return slices.ContainsFunc(api.names(), func(name string) bool { return path.Base(path.Dir(name)) == collection })
}

// serveObjects stores, finds, lists and deletes objects. An object that has two addresses is stored at one of them.
func (api *fakeAPI) serveObjects(w http.ResponseWriter, r *http.Request) {
	where := strings.NewReplacer(
		"/apis/autoscaling/v2/", "/apis/autoscaling/v1/",
		"/apis/events.k8s.io/v1/", "/api/v1/",
	).Replace(r.URL.Path)
	if r.Method == "GET" && where == "/apis/"+teapots+"/teapots" && api.has("customresourcedefinitions") {
		labtest.SendJSON(w, http.StatusOK, map[string]any{"kind": "TeapotList", "apiVersion": teapots, "metadata": map[string]any{}, "items": []any{}})
		return
	}
	isCollection := slices.Contains(collections, path.Base(where))
	if !isCollection && !slices.Contains(collections, path.Base(path.Dir(where))) {
		http.NotFound(w, r) // not even a Status: that path means nothing to an API server
		return
	}
	api.mu.Lock()
	defer api.mu.Unlock()
	switch {
	case r.Method == "POST":
		api.create(w, r, where)
	case isCollection:
		api.collection(w, r, where)
	case api.objects[where] == nil:
		labtest.SendError(w, apierrors.NewNotFound(schema.GroupResource{Resource: path.Base(path.Dir(where))}, path.Base(where)))
	default:
		object := api.objects[where]
		if r.Method == "DELETE" || r.Method == "PATCH" && api.keep {
			delete(api.objects, where)
		}
		labtest.SendJSON(w, http.StatusOK, converted(object, r.URL.Path))
	}
}

func (api *fakeAPI) create(w http.ResponseWriter, r *http.Request, where string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if bytes.HasPrefix(body, []byte("k8s\x00")) { // protobuf, from a typed client
		object, kind, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
		if err == nil {
			object.GetObjectKind().SetGroupVersionKind(*kind)
			body, err = json.Marshal(object)
		}
		if err != nil {
			labtest.SendError(w, apierrors.NewBadRequest(err.Error()))
			return
		}
	}
	made := &unstructured.Unstructured{}
	if err := made.UnmarshalJSON(body); err != nil {
		labtest.SendError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	where = path.Join(where, made.GetName())
	if api.objects[where] != nil {
		labtest.SendError(w, apierrors.NewAlreadyExists(schema.GroupResource{Resource: path.Base(path.Dir(where))}, made.GetName()))
		return
	}
	if made.GetKind() == "APIService" {
		made.Object["status"] = map[string]any{"conditions": []any{
			map[string]any{"type": "Available", "status": "False", "reason": "EndpointsNotFound"},
		}}
	}
	api.objects[where] = made.Object
	labtest.SendJSON(w, http.StatusCreated, made.Object)
}

// collection lists or deletes the objects that a label selector finds.
func (api *fakeAPI) collection(w http.ResponseWriter, r *http.Request, where string) {
	selector, err := k8slabels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		labtest.SendError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	items := []any{}
	for _, name := range slices.Sorted(maps.Keys(api.objects)) {
		object := &unstructured.Unstructured{Object: api.objects[name]}
		if path.Dir(name) != where || !selector.Matches(k8slabels.Set(object.GetLabels())) {
			continue
		}
		items = append(items, converted(object.Object, path.Join(r.URL.Path, object.GetName())))
		if r.Method == "DELETE" && !api.keep {
			delete(api.objects, name)
		}
	}
	labtest.SendJSON(w, http.StatusOK, map[string]any{"kind": "List", "apiVersion": "v1", "metadata": map[string]any{}, "items": items})
}

// converted is what the two conversions of this chapter come to.
func converted(stored map[string]any, at string) map[string]any {
	object := maps.Clone(stored)
	switch {
	case strings.HasPrefix(at, "/apis/autoscaling/v2/"):
		spec, _ := stored["spec"].(map[string]any)
		object["apiVersion"] = "autoscaling/v2"
		object["spec"] = map[string]any{"maxReplicas": spec["maxReplicas"], "scaleTargetRef": spec["scaleTargetRef"], "metrics": []any{
			map[string]any{"type": "Resource", "resource": map[string]any{"name": "cpu", "target": map[string]any{
				"type": "Utilization", "averageUtilization": spec["targetCPUUtilizationPercentage"]}}},
		}}
	case strings.HasPrefix(at, "/apis/events.k8s.io/v1/"):
		object["apiVersion"] = "events.k8s.io/v1"
		object["note"] = stored["message"]
	}
	return object
}
