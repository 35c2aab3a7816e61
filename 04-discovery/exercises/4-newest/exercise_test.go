package newest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

func TestStep1Newest(t *testing.T) {
	for _, c := range []struct {
		versions []string
		want     string
		idea     string
	}{
		{[]string{"v1beta1", "v1"}, "v1", "stable is newer than beta: as text, v1beta1 comes after v1, because it is longer"},
		{[]string{"v1", "v2beta1"}, "v1", "stable is newer than any beta, also than that of the next number: a beta may be removed from a server, a stable version is not"},
		{[]string{"v1alpha2", "v1beta1"}, "v1beta1", "beta is newer than alpha"},
		{[]string{"v9", "v10", "v2"}, "v10", "numbers are compared as numbers: as text, v9 comes after v10"},
		{[]string{"v1beta2", "v1beta10"}, "v1beta10", "numbers are compared as numbers, those behind beta, too"},
		{[]string{"v2beta1", "v1beta10"}, "v2beta1", "the number behind the v comes before the one behind beta; how long a text is says nothing"},
		{[]string{"v1beta1"}, "v1beta1", "one is the newest of one"},
		{nil, "", "there is no newest of none"},
	} {
		if got := Newest(c.versions); got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("of %v Newest says %q", c.versions, got), fmt.Sprintf("%q", c.want), c.idea)
		}
	}
}

var hpas = schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}

func server() *api {
	return &api{broken: map[string]bool{"metrics.k8s.io/v1beta1": true}, lists: []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods"}}},
		{GroupVersion: "autoscaling/v2", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers"}, {Name: "horizontalpodautoscalers/status"}}},
		{GroupVersion: "autoscaling/v1", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers"}, {Name: "horizontalpodautoscalers/status"}}},
		{GroupVersion: "storage.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "storageclasses"}}},
		{GroupVersion: "storage.k8s.io/v1beta1", APIResources: []metav1.APIResource{{Name: "volumeattributesclasses"}}},
		{GroupVersion: "example.com/v1beta1", APIResources: []metav1.APIResource{{Name: "pods"}}},
		{GroupVersion: "metrics.k8s.io/v1beta1", APIResources: []metav1.APIResource{{Name: "pods"}}},
	}}
}

func TestStep2Served(t *testing.T) {
	client := start(t, server())
	for _, c := range []struct {
		resource   schema.GroupResource
		want, idea string
	}{
		{hpas, "[v1 v2]; error: false", ideaLists},
		{schema.GroupResource{Group: "storage.k8s.io", Resource: "volumeattributesclasses"}, "[v1beta1]; error: false",
			"that a group has a version v1 does not mean that the resource is in it: look into the list"},
		{schema.GroupResource{Resource: "pods"}, "[v1]; error: false", "the group belongs to the name: example.com has pods, too, which are something else"},
		{schema.GroupResource{Group: "autoscaling", Resource: "kettles"}, "[]; error: false", "a resource that there is not is in no version"},
		{schema.GroupResource{Group: "metrics.k8s.io", Resource: "pods"}, "[]; error: true", "a group that does not answer may have it or not"},
	} {
		versions, err := Served(t.Context(), client, c.resource)
		slices.Sort(versions)
		if got := fmt.Sprintf("%v; error: %v", versions, err != nil); got != c.want {
			if err != nil {
				c.idea = "that metrics.k8s.io does not answer is no matter to another group: the error names it, and the other lists are good"
			}
			labtest.Unexpected(t, fmt.Sprintf("of %s Served says %s", c.resource, got), c.want, c.idea)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if versions, err := Served(ctx, client, hpas); !errors.Is(err, context.Canceled) {
		labtest.Unexpected(t, fmt.Sprintf("ctx is cancelled; Served says %v; error: %v", versions, err), "an error: context canceled",
			"ctx belongs to the caller, who may give up: pass it on, and wrap the error with %w")
	}
}

const (
	ideaLists = "each list is of one version of one group, which gv says, and the resource is in two of them; " +
		"Group and Version of a resource are its kind's, and may be empty: see the Trap in the section \"resources\" of the chapter"
	ideaBoth   = "the preferred version is what the server would choose; your types are those of the versions that you know. Only what both have works"
	ideaNewest = "the newest of what both have, in whatever order it stands: Newest (step 1) says which"
	ideaNone   = "nothing in common is an error that says so, and what each side has: the user must update one of the two"
)

// choice is what Choose should say, as text.
func choice(want string) string {
	if want == "" {
		return `"" and an error for which errors.Is(err, ErrNothingInCommon) is true: wrap it with %w`
	}
	return fmt.Sprintf("%q, no error", want)
}

// words are the words of an error's text: whatever stands between them is its author's choice.
func words(err error) []string {
	return strings.FieldsFunc(err.Error(), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func TestStep3Choose(t *testing.T) {
	for _, c := range []struct {
		served, known []string
		want, idea    string
	}{
		{[]string{"v2", "v1"}, []string{"v1", "v2"}, "v2", ideaNewest},
		{[]string{"v1", "v2"}, []string{"v2", "v1"}, "v2", ideaNewest},
		{[]string{"v2", "v1"}, []string{"v1", "v1beta1"}, "v1", ideaBoth},
		{[]string{"v1", "v1beta1"}, []string{"v2", "v1beta1"}, "v1beta1", ideaBoth},
		{[]string{"v2"}, []string{"v1", "v1beta1"}, "", ideaNone},
		{nil, []string{"v1"}, "", ideaNone},
	} {
		served, known := slices.Clone(c.served), slices.Clone(c.known)
		got, err := Choose(served, known)
		if got != c.want || errors.Is(err, ErrNothingInCommon) != (c.want == "") {
			labtest.Unexpected(t, fmt.Sprintf("served %v, known %v: Choose says %q, error: %v", c.served, c.known, got, err), choice(c.want), c.idea)
		}
		for _, version := range slices.Concat(c.served, c.known) {
			if err != nil && !slices.Contains(words(err), version) {
				labtest.Unexpected(t, fmt.Sprintf("error: %v", err), fmt.Sprintf("an error with %v and %v in it", c.served, c.known), ideaNone)
			}
		}
		if !slices.Equal(served, c.served) || !slices.Equal(known, c.known) {
			labtest.Unexpected(t, fmt.Sprintf("afterwards the caller's lists are %v and %v", served, known), fmt.Sprintf("%v and %v", c.served, c.known),
				"a caller's slices are the caller's: slices.DeleteFunc, slices.Sort and append to served[:0] write into what they are given. Give them a clone")
		}
	}
}

// The same on a real API server.
func TestStep2RealServer(t *testing.T) {
	served, err := Served(t.Context(), clientOf(t, labtest.Cluster(t)), hpas)
	slices.Sort(served)
	if got := fmt.Sprintf("%v; error: %v", served, err); got != "[v1 v2]; error: <nil>" {
		labtest.Unexpected(t, got, "[v1 v2]; error: <nil>", ideaLists)
	}
}

func TestStep3RealServer(t *testing.T) {
	served, err := Served(t.Context(), clientOf(t, labtest.Cluster(t)), hpas)
	if err != nil {
		t.Fatal(err)
	}
	for known, want := range map[string]string{"v1": "v1", "v1 v2": "v2", "v2beta2 v1": "v1", "v2beta2": ""} {
		if got, err := Choose(served, strings.Fields(known)); got != want || errors.Is(err, ErrNothingInCommon) != (want == "") {
			labtest.Unexpected(t, fmt.Sprintf("served %v, known %s: Choose says %q, error: %v", served, known, got, err), choice(want), ideaBoth)
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
