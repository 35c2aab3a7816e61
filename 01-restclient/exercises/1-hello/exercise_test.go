package hello

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

// garden is a cluster with four pods. It notes the last request.
type garden struct{ request string }

func (g *garden) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.request = r.Method + " " + r.URL.RequestURI()
	namespace := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/"), "/pods")
	selector, err := fields.ParseSelector(r.URL.Query().Get("fieldSelector"))
	if err != nil || !strings.HasPrefix(r.URL.Path, "/api/v1/") {
		http.NotFound(w, r)
		return
	}
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
	for _, pod := range []struct{ namespace, name, node string }{
		{"garden", "rose", "north"}, {"garden", "tulip", "south"}, {"kitchen", "basil", "north"}, {"kitchen", "mint", "south"},
	} {
		if r.URL.Path != "/api/v1/pods" && namespace != pod.namespace || !selector.Matches(fields.Set{"spec.nodeName": pod.node}) {
			continue
		}
		list.Items = append(list.Items, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.namespace, Name: pod.name},
			Spec:       corev1.PodSpec{NodeName: pod.node},
		})
	}
	labtest.SendJSON(w, http.StatusOK, list)
}

func TestStep1PodNames(t *testing.T) {
	api := &garden{}
	got, err := PodNames(t.Context(), labtest.Serve(t, api), "garden")
	idea := "a request is one chain: Get, Namespace, Resource, Do, Into"
	if api.request == "GET /api/v1/pods" {
		idea = "a request without Namespace(...) asks for every namespace: you listed every namespace"
	}
	checkNames(t, api, got, err, "rose tulip", idea)
}

func TestStep2PodsOnNode(t *testing.T) {
	api := &garden{}
	got, err := PodsOnNode(t.Context(), labtest.Serve(t, api), "north")
	checkNames(t, api, got, err, "garden/rose kitchen/basil", "the fields of ListOptions go into the URL with VersionedParams")
	if !strings.Contains(api.request, "fieldSelector=") {
		labtest.Unexpected(t, api.request, "the same with ?fieldSelector=spec.nodeName%3Dnorth",
			"let the server choose: whoever filters on the client pays for every pod of the cluster")
	}
}

func checkNames(t *testing.T, api *garden, got []string, err error, want, idea string) {
	t.Helper()
	seen := fmt.Sprintf("%s; result: %s", api.request, strings.Join(got, " "))
	if api.request == "" {
		seen = "no request at all"
	}
	if err != nil {
		seen += fmt.Sprintf("; error: %v", err)
	}
	if err != nil || strings.Join(got, " ") != want {
		labtest.Unexpected(t, seen, want, idea)
	}
}

// The same on a real API server.
func TestStep2RealServer(t *testing.T) {
	client := labtest.CoreClient(t, labtest.Cluster(t))
	all := &corev1.PodList{}
	if err := client.Get().Namespace("default").Resource("pods").Do(t.Context()).Into(all); err != nil {
		t.Fatal(err)
	}
	node := ""
	var want []string
	for _, pod := range all.Items {
		if node == "" {
			node = pod.Spec.NodeName
		}
		if node != "" && pod.Spec.NodeName == node {
			want = append(want, "default/"+pod.Name)
		}
	}
	if node == "" {
		t.Fatal("this cluster has no pod in the namespace default")
	}
	got, err := PodsOnNode(t.Context(), client, node)
	got = slices.DeleteFunc(got, func(name string) bool { return !strings.HasPrefix(name, "default/") }) // others may come and go
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		labtest.Unexpected(t, fmt.Sprintf("%v, error: %v", got, err), fmt.Sprint(want), "the real API server knows the field spec.nodeName of pods, too")
	}
}
