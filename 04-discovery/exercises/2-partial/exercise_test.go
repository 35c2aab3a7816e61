package partial

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaPartial = "one group that does not answer is no reason to know nothing: the error names it, and the rest of the result is good"
	ideaGroups  = "ErrGroupDiscoveryFailed has a map of the groups that did not answer; GroupDiscoveryFailedErrorGroups finds it, also in a wrapped error"
	ideaUnknown = `"not in the list" is a no only if the list is complete: who takes an unknown for a no deletes what is there`
)

// served is what the server has; metrics are down.
func served() *api {
	return &api{broken: map[string]bool{"metrics.k8s.io/v1beta1": true}, lists: []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods"}, {Name: "nodes"}}},
		{GroupVersion: "metrics.k8s.io/v1beta1", APIResources: []metav1.APIResource{{Name: "pods"}, {Name: "nodes"}}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{{Name: "deployments"}}},
	}}
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
		if got := fmt.Sprint(silentIn(c.err)); got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("silentIn says %s of the error: %v", got, c.err), c.want, ideaGroups)
		}
	}
}

func everything(t *testing.T, a *api) string {
	resources, silent, err := Everything(t.Context(), start(t, a))
	return fmt.Sprintf("resources: %s; silent: %s; error: %v", strings.Join(resources, ", "), strings.Join(silent, ", "), err != nil)
}

func TestStep2Everything(t *testing.T) {
	got, want := everything(t, served()), "resources: apps/v1 deployments, v1 nodes, v1 pods; silent: metrics.k8s.io/v1beta1; error: false"
	if got != want {
		labtest.Unexpected(t, got, want, ideaPartial)
	}
	a := served()
	a.broken = nil
	got, want = everything(t, a), "resources: apps/v1 deployments, metrics.k8s.io/v1beta1 nodes, metrics.k8s.io/v1beta1 pods, v1 nodes, v1 pods; silent: ; error: false"
	if got != want {
		labtest.Unexpected(t, got, want, "when every group answers, there is no error, and the result is complete")
	}
	a.broken = map[string]bool{"": true}
	if got, want := everything(t, a), "resources: ; silent: ; error: true"; got != want {
		labtest.Unexpected(t, got, want, "when the server itself does not answer, nothing is known: that is an error, and no empty server")
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
		{"apps/v1", "kettles", No, "apps/v1 has answered, and has no kettles"},
		{"apps/v1beta1", "deployments", No, "the server knows its groups and versions, also those that do not answer: what it does not know, it does not serve"},
		{"metrics.k8s.io/v1beta1", "pods", Unknown, ideaUnknown},
		{"metrics.k8s.io/v1beta1", "kettles", Unknown, ideaUnknown},
	} {
		if got := Has(resources, silent, c.groupVersion, c.resource); got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("Has says %q of %s %s", got, c.groupVersion, c.resource), fmt.Sprintf("%q", c.want), c.idea)
		}
	}
}

// The same on a real API server, with a group that nobody is behind.
func TestStep3RealServer(t *testing.T) {
	config := labtest.Cluster(t)
	core := labtest.CoreClient(t, config)
	namespace := labtest.Namespace(t, core)
	group := namespace + ".example.com" // a name of this test alone
	name := "v1." + group
	apiServices := "/apis/apiregistration.k8s.io/v1/apiservices"
	body := fmt.Sprintf(`{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": %q},
		"spec": {"group": %q, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": true,
		"service": {"namespace": %q, "name": "nobody"}}}`, name, group, namespace)
	if err := core.Post().AbsPath(apiServices).Body([]byte(body)).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	client := clientOf(t, config)
	silent := func(ctx context.Context) bool {
		_, _, err := client.ServerGroupsAndResourcesWithContext(ctx)
		groups, _ := discovery.GroupDiscoveryFailedErrorGroups(err)
		return groups[schema.GroupVersion{Group: group, Version: "v1"}] != nil
	}
	waitFor := func(ctx context.Context, want bool) {
		if err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 15*time.Second, true, func(ctx context.Context) (bool, error) { return silent(ctx) == want, nil }); err != nil {
			t.Errorf("waiting until discovery says of %s/v1 that it is silent, or no longer: %v", group, err)
		}
	}
	t.Cleanup(func() { // t's own context has ended by then; others must not see a server with a silent group
		ctx := context.WithoutCancel(t.Context())
		if err := core.Delete().AbsPath(apiServices, name).Do(ctx).Error(); err != nil {
			t.Error(err)
		}
		waitFor(ctx, false)
	})
	waitFor(t.Context(), true)
	resources, silentOnes, err := Everything(t.Context(), client)
	if err != nil || !slices.Contains(resources, "apps/v1 deployments") || !slices.Contains(silentOnes, group+"/v1") {
		labtest.Unexpected(t, fmt.Sprintf("%d resources; silent: %v; error: %v", len(resources), silentOnes, err),
			fmt.Sprintf("apps/v1 deployments and all the others; silent: %s/v1", group), ideaPartial)
	}
	if got := Has(resources, silentOnes, group+"/v1", "kettles"); got != Unknown {
		labtest.Unexpected(t, fmt.Sprintf("%q", got), fmt.Sprintf("%q", Unknown), ideaUnknown)
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
