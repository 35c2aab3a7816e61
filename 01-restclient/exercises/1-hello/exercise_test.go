package hello

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

// garden is a cluster with four pods. It notes the last request.
type garden struct{ request, path, selector string }

func (g *garden) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.request = r.Method + " " + r.URL.RequestURI()
	namespace := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/"), "/pods")
	if r.URL.Path != "/api/v1/pods" && r.URL.Path != "/api/v1/namespaces/"+namespace+"/pods" {
		http.NotFound(w, r)
		return
	}
	selector, err := fields.ParseSelector(r.URL.Query().Get("fieldSelector"))
	if err == nil {
		selector, err = selector.Transform(func(field, value string) (string, string, error) {
			if field != "spec.nodeName" {
				return "", "", fmt.Errorf("field label not supported: %s", field)
			}
			return field, value, nil
		})
	}
	if err != nil {
		labtest.SendError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	g.path, g.selector = r.URL.Path, selector.String()
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
	check(t, outcome(api.request, got, err), outcome("GET /api/v1/namespaces/garden/pods", []string{"rose", "tulip"}, nil), idea)
	checkErrors(t, PodNames, "garden")
}

// checkErrors sees to it that errors come back, wrapped, and that the caller's context ends a request.
func checkErrors(t *testing.T, names func(context.Context, rest.Interface, string) ([]string, error), where string) {
	t.Helper()
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		labtest.SendError(w, apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no rule allows it")))
	})
	if got, err := names(t.Context(), labtest.Serve(t, refuse), where); !apierrors.IsForbidden(err) {
		labtest.Unexpected(t, fmt.Sprintf("the server forbids the request; result: %v, error: %v", got, err), "the server's error, wrapped with %w",
			"no answer is not an empty list: return the error, and wrap it with %w, as %v leaves only its words")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := names(ended, labtest.Serve(t, &garden{}), where); !errors.Is(err, context.Canceled) {
		labtest.Unexpected(t, fmt.Sprintf("ctx has ended before the request; result: %v, error: %v", got, err), "no request, and the error "+context.Canceled.Error(),
			"hand ctx to Do: with a context of your own the caller cannot end the request")
	}
}

func TestStep2PodsOnNode(t *testing.T) {
	api := &garden{}
	got, err := PodsOnNode(t.Context(), labtest.Serve(t, api), "north")
	request, want := "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dnorth", []string{"garden/rose", "kitchen/basil"}
	right := api.path == "/api/v1/pods" && api.selector == "spec.nodeName=north"
	if right {
		request = api.request // there is more than one way to write it
	}
	idea := "the fields of ListOptions go into the URL with VersionedParams"
	switch {
	case right && len(got) == 0:
		idea = "the request is right, and the answer is there: decode it with Into, into a PodList"
	case right:
		idea = "the request is right; return namespace/name of every pod in the answer"
	case apierrors.IsBadRequest(err):
		idea = "a field selector is a field's path, = and a value"
	case apierrors.IsNotFound(err):
		idea = "there is no such URL: compare it with the one that is expected"
	case strings.HasPrefix(api.request, "GET /api/v1/namespaces/"):
		idea = "a node has pods of all namespaces: no Namespace(...) here"
	case slices.Equal(got, want):
		idea = "let the server choose: whoever filters on the client pays for every pod of the cluster"
	}
	check(t, outcome(api.request, got, err), outcome(request, want, nil), idea)
	checkErrors(t, PodsOnNode, "north")
}

// outcome is what a request brought, in one line.
func outcome(request string, names []string, err error) string {
	if request == "" {
		return "no request at all"
	}
	text := fmt.Sprintf("%s; result: %s", request, cmp.Or(strings.Join(names, " "), "nothing"))
	if err != nil {
		text += fmt.Sprintf("; error: %v", err)
	}
	return text
}

func check(t *testing.T, seen, expected, idea string) {
	t.Helper()
	if seen != expected {
		labtest.Unexpected(t, seen, expected, idea)
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
