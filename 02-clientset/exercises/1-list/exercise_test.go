package list

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

// garden is a cluster with a few pods and Deployments. As a server does, it answers a request with a limit in pages.
func garden() *fake.Clientset {
	var objects []runtime.Object
	for _, o := range []struct{ namespace, pod, deployment string }{
		{"garden", "rose", "hedge"}, {"garden", "tulip", "lawn"}, {"kitchen", "basil", "herbs"}, {"kitchen", "mint", "jam"},
	} {
		objects = append(objects,
			&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: o.pod}},
			&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: o.deployment}})
	}
	client := fake.NewClientset(objects...)
	client.PrependReactor("list", "*", func(action clienttesting.Action) (handled bool, page runtime.Object, err error) {
		list := action.(clienttesting.ListActionImpl)
		page, err = client.Tracker().List(list.Resource, list.Kind, list.Namespace)
		if err != nil {
			return true, nil, err
		}
		items, err := meta.ExtractList(page)
		if err != nil || list.ListOptions.Limit == 0 || len(items) < 2 {
			return true, page, err // all of it
		}
		if list.ListOptions.Continue == "" {
			err = errors.Join(meta.SetList(page, items[:1]), continueWith(page, "the rest"))
		} else {
			err = meta.SetList(page, items[1:])
		}
		return true, page, err
	})
	return client
}

func continueWith(page runtime.Object, token string) error {
	list, err := meta.ListAccessor(page)
	if err == nil {
		list.SetContinue(token)
	}
	return err
}

// requests are those that the fake has seen: "list pods in the namespace garden". Pages of one list are one.
func requests(client *fake.Clientset) string {
	var all []string
	for _, a := range client.Actions() {
		where := "in the namespace " + a.GetNamespace()
		if a.GetNamespace() == "" {
			where = "in every namespace"
		}
		all = append(all, a.GetVerb()+" "+a.GetResource().Resource+" "+where)
	}
	if all == nil {
		return "no request at all"
	}
	return strings.Join(slices.Compact(all), ", ")
}

// A lister is PodNames or DeploymentNames.
type lister func(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error)

// checkNames asks for the names in a namespace. What the request must be, is checked even if the names are right.
func checkNames(t *testing.T, names lister, resource, namespace, want, idea string) {
	t.Helper()
	client := garden()
	got, err := names(t.Context(), client, namespace)
	slices.Sort(got)
	sent, request := requests(client), "list "+resource+" in the namespace "+namespace
	if err == nil && sent == request && strings.Join(got, " ") == want {
		return
	}
	switch method := strings.ToUpper(resource[:1]) + resource[1:]; {
	case sent == request && limited(client):
		idea = "with a Limit the answer is a page, and Continue in it leads to the next: ask for all of them, or set no limit"
	case sent == request:
		idea = "the request is right: return the names of the Items in its answer"
	case strings.HasSuffix(sent, "every namespace"):
		idea = method + `("") is no default namespace, but every namespace: pass the namespace on. Who filters afterwards has asked for everything, and must be allowed to`
	case strings.HasPrefix(sent, "list "+resource+" in the namespace "):
		idea = "the caller says which namespace: pass it on to " + method
	}
	seen := fmt.Sprintf("%s; result: %s", sent, cmp.Or(strings.Join(got, " "), "nothing"))
	if err != nil {
		seen += fmt.Sprintf("; error: %v", err)
	}
	labtest.Unexpected(t, seen, request+"; result: "+want, idea)
}

func limited(client *fake.Clientset) bool {
	return slices.ContainsFunc(client.Actions(), func(a clienttesting.Action) bool {
		list, ok := a.(clienttesting.ListActionImpl)
		return ok && list.ListOptions.Limit > 0
	})
}

// checkErrors uses a real clientset, because the fake does not look at ctx. Its server answers every request with a 403.
func checkErrors(t *testing.T, names lister) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		labtest.SendError(w, apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("no rule allows it")))
	}))
	t.Cleanup(server.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := names(t.Context(), client, "garden"); !apierrors.IsForbidden(err) {
		labtest.Unexpected(t, fmt.Sprintf("the server forbids the request; result: %v, error: %v", got, err), "the server's error, wrapped with %w",
			"no answer is not the same as an empty list: return the error of List, and wrap it with %w, as %v leaves only its words")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := names(ended, client, "garden"); !errors.Is(err, context.Canceled) {
		labtest.Unexpected(t, fmt.Sprintf("ctx has ended before the request; error: %v", err), "no request, and the error "+context.Canceled.Error(),
			"pass ctx on to List: with a context of your own the caller cannot end the request")
	}
}

func TestStep1PodNames(t *testing.T) {
	checkNames(t, PodNames, "pods", "garden", "rose tulip",
		"a request is three calls: CoreV1() is the group and version, Pods(namespace) the resource, List the verb")
	checkErrors(t, PodNames)
}

func TestStep2DeploymentNames(t *testing.T) {
	checkNames(t, DeploymentNames, "deployments", "kitchen", "herbs jam",
		"each API group has its own client in the clientset: Deployments are in apps/v1, so AppsV1()")
	checkErrors(t, DeploymentNames)
}

func TestStep3Ready(t *testing.T) {
	for _, c := range []struct {
		about, want, idea string
		replicas          *int32
		status            appsv1.DeploymentStatus
	}{
		{"replicas: 3, two of them are ready, one of these only just", "2/3",
			"status.replicas counts the pods that exist, ready or not; status.readyReplicas counts those that can serve; availableReplicas, those that have been ready for minReadySeconds",
			new(int32(3)), appsv1.DeploymentStatus{Replicas: 3, ReadyReplicas: 2, AvailableReplicas: 1}},
		{"replicas: 3, but only one pod is there yet", "1/3",
			"what shall be, is in spec; status says what is",
			new(int32(3)), appsv1.DeploymentStatus{Replicas: 1, ReadyReplicas: 1}},
		{"replicas: 0, and the last pod is not gone yet", "1/0",
			"an explicit 0 is not a missing value: that is why the field is a pointer",
			new(int32(0)), appsv1.DeploymentStatus{Replicas: 1, ReadyReplicas: 1}},
		{"replicas not set", "0/1",
			"an optional field with a default is a pointer. A real server fills in the default, 1; a fake does not, and leaves nil",
			nil, appsv1.DeploymentStatus{}},
	} {
		got := ready(&appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: c.replicas}, Status: c.status})
		if got != "says "+c.want {
			labtest.Unexpected(t, fmt.Sprintf("Ready %s for a Deployment with %s", got, c.about), c.want, c.idea)
		}
	}
}

// ready is what Ready does: it says something, or panics.
func ready(deployment *appsv1.Deployment) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("panics (%v)", r)
		}
	}()
	is, wanted := Ready(deployment)
	return fmt.Sprintf("says %d/%d", is, wanted)
}

// The same on a real API server.
func TestStep2RealServer(t *testing.T) {
	client, err := kubernetes.NewForConfig(labtest.Cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	all, err := client.AppsV1().Deployments("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, deployment := range all.Items {
		if deployment.Namespace == "kube-system" {
			want = append(want, deployment.Name)
		}
	}
	if want == nil {
		t.Fatal("this cluster has no Deployment in the namespace kube-system")
	}
	got, err := DeploymentNames(t.Context(), client, "kube-system")
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		labtest.Unexpected(t, fmt.Sprintf("%s; error: %v", cmp.Or(strings.Join(got, " "), "nothing"), err), strings.Join(want, " "), "kubernetes.Interface is a fake's and a real clientset's: the same code works with both")
	}
}
