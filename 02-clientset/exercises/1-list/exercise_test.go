package list

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

// garden is a cluster with three pods and three Deployments.
func garden() *fake.Clientset {
	var objects []runtime.Object
	for _, o := range []struct{ namespace, pod, deployment string }{
		{"garden", "rose", "hedge"}, {"garden", "tulip", "lawn"}, {"kitchen", "basil", "herbs"},
	} {
		objects = append(objects,
			&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: o.pod}},
			&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: o.deployment}})
	}
	return fake.NewClientset(objects...)
}

// requests are those that the fake has seen: "list pods in the namespace garden".
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
	return strings.Join(all, ", ")
}

func checkNames(t *testing.T, client *fake.Clientset, got []string, err error, request, want, idea string) {
	t.Helper()
	seen := fmt.Sprintf("%s; result: %s", requests(client), cmp.Or(strings.Join(got, " "), "nothing"))
	if err != nil {
		seen += fmt.Sprintf("; error: %v", err)
	}
	if err != nil || strings.Join(got, " ") != want {
		labtest.Unexpected(t, seen, request+"; result: "+want, idea)
	}
}

func TestStep1PodNames(t *testing.T) {
	client := garden()
	got, err := PodNames(t.Context(), client, "garden")
	idea := "a request is three calls: CoreV1() is the group and version, Pods(namespace) the resource, List the verb"
	if strings.Contains(requests(client), "every namespace") {
		idea = `Pods("") is no default namespace, but every namespace: pass the namespace on`
	}
	checkNames(t, client, got, err, "list pods in the namespace garden", "rose tulip", idea)
}

func TestStep2DeploymentNames(t *testing.T) {
	client := garden()
	got, err := DeploymentNames(t.Context(), client, "kitchen")
	request := "list deployments in the namespace kitchen"
	idea := "each API group has its own client in the clientset: Deployments are in apps/v1, so AppsV1()"
	switch seen := requests(client); {
	case seen == request:
		idea = "the request is right: return the names of the Items in its answer"
	case strings.Contains(seen, "every namespace"):
		idea = `Deployments("") is no default namespace, but every namespace: pass the namespace on`
	}
	checkNames(t, client, got, err, request, "herbs", idea)
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
