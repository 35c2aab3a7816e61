package owner

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

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaOwn      = "you own what you mention, and nothing else: an apply configuration has only pointers, so that what you did not set is not mentioned"
	ideaConflict = "a field that another manager owns with another value is a conflict, and a refusal: only Force takes it away"
	ideaCauses   = "the conflict of an Apply has a cause for each field, of the type FieldManagerConflict: field, and message with the other's name. Return all of them"
	ideaText     = "the text of an error is for people, and may change: programs look at the causes"
	ideaWrapped  = "the StatusError is inside of another error, wrapped with %w: errors.As finds it there, a type assertion sees only the outer one"
	ideaVerb     = "that is the conflict's text, and no longer the conflict: wrap it with %w; %v leaves only words"
	ideaRelease  = "an Apply says everything that you want: what you mentioned last time and leave out now, you give up"
)

// cluster has a Deployment "web", which a manager called "kubectl" has applied.
type cluster struct {
	client    kubernetes.Interface
	namespace string
}

// onFake is enough for most of it: fake.NewClientset keeps managedFields as a server does.
func onFake(t *testing.T) *cluster {
	return (&cluster{client: fake.NewClientset(), namespace: "default"}).with(t)
}

func onReal(t *testing.T) *cluster {
	client, err := kubernetes.NewForConfig(labtest.Cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	return (&cluster{client: client, namespace: labtest.Namespace(t, client.CoreV1().RESTClient())}).with(t)
}

func (c *cluster) with(t *testing.T) *cluster {
	web := map[string]string{"app": "web"}
	c.apply(t, "kubectl", appsac.DeploymentSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(web)).
		WithTemplate(corev1ac.PodTemplateSpec().WithLabels(web).
			WithSpec(corev1ac.PodSpec().WithContainers(corev1ac.Container().WithName("web").WithImage("client-go-lab/sample:2")))))
	return c
}

func (c *cluster) apply(t *testing.T, manager string, spec *appsac.DeploymentSpecApplyConfiguration) {
	t.Helper()
	_, err := c.client.AppsV1().Deployments(c.namespace).Apply(t.Context(), appsac.Deployment("web", c.namespace).WithSpec(spec), metav1.ApplyOptions{FieldManager: manager})
	if err != nil {
		t.Fatal(err)
	}
}

// label takes the label scaled-by away from whoever owns it.
func (c *cluster) label(t *testing.T, manager string) {
	t.Helper()
	configuration := appsac.Deployment("web", c.namespace).WithLabels(map[string]string{"scaled-by": manager})
	_, err := c.client.AppsV1().Deployments(c.namespace).Apply(t.Context(), configuration, metav1.ApplyOptions{FieldManager: manager, Force: true})
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) web(t *testing.T) *appsv1.Deployment {
	t.Helper()
	web, err := c.client.AppsV1().Deployments(c.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return web
}

// owned are the fields that a manager owns: ".metadata.labels.scaled-by .spec.replicas".
func (c *cluster) owned(t *testing.T, manager string) string {
	t.Helper()
	var fields []string
	var walk func(path string, set map[string]any)
	walk = func(path string, set map[string]any) {
		for name, below := range set {
			switch below, _ := below.(map[string]any); {
			case name == ".": // the thing itself; what is in it comes, too
			case len(below) == 0:
				fields = append(fields, path+"."+strings.TrimPrefix(name, "f:"))
			default:
				walk(path+"."+strings.TrimPrefix(name, "f:"), below)
			}
		}
	}
	for _, m := range c.web(t).ManagedFields {
		if m.Manager == manager && m.Operation == metav1.ManagedFieldsOperationApply {
			var set map[string]any
			if err := json.Unmarshal(m.FieldsV1.GetRawBytes(), &set); err != nil {
				t.Fatal(err)
			}
			walk("", set)
		}
	}
	slices.Sort(fields)
	if fields == nil {
		return "nothing"
	}
	return strings.Join(fields, " ")
}

func replicas(d *appsv1.Deployment) string {
	if d.Spec.Replicas == nil {
		return "none"
	}
	return fmt.Sprint(*d.Spec.Replicas)
}

const both = ".metadata.labels.scaled-by .spec.replicas"

func TestStep1Owns(t *testing.T) {
	c := onFake(t)
	for _, n := range []int32{5, 2} {
		err := Scale(t.Context(), c.client, c.namespace, "web", n)
		web := c.web(t)
		if err != nil || replicas(web) != fmt.Sprint(n) || web.Labels["scaled-by"] != "scaler" {
			idea := "Apply takes what you want, and the server merges it into what is there: nothing is read before"
			if err == nil && web.Labels == nil {
				idea = "the label is one of the things that you want, beside the replicas: WithLabels(labels())"
			}
			labtest.Unexpected(t, fmt.Sprintf("replicas: %s, labels: %v, error: %v", replicas(web), web.Labels, err),
				fmt.Sprintf("replicas: %d, labels: map[scaled-by:scaler]", n), idea)
		}
		if got := c.owned(t, Manager); got != both {
			idea := ideaOwn
			if slices.ContainsFunc(web.ManagedFields, func(m metav1.ManagedFieldsEntry) bool { return m.Operation == metav1.ManagedFieldsOperationUpdate }) {
				idea = "who writes with Update or Patch gets no conflict, and cannot give a field up by leaving it out: only Apply makes an owner that can. Use Apply"
			} else if got == "nothing" {
				idea = "ApplyOptions.FieldManager is your name. Without one a real server refuses an Apply; the fake does not"
			} else if strings.Contains(got, "template") || strings.Contains(got, "selector") {
				idea += ". Whoever copies what was there owns it, too, and whoever wants to change it gets a conflict with you"
			}
			labtest.Unexpected(t, Manager+" owns "+got, Manager+" owns "+both, idea)
		}
	}
}

func TestStep1Conflict(t *testing.T) {
	c := onFake(t)
	c.apply(t, "hpa", appsac.DeploymentSpec().WithReplicas(3))
	err := Scale(t.Context(), c.client, c.namespace, "web", 5)
	if got := replicas(c.web(t)); !apierrors.IsConflict(err) || got != "3" {
		idea := ideaConflict
		if got == "3" && err != nil {
			idea = ideaVerb
		}
		labtest.Unexpected(t, fmt.Sprintf("replicas: %s, error: %v; hpa owns %s", got, err, c.owned(t, "hpa")), "replicas: 3, and the server's conflict as the error", idea)
	}
}

func TestStep1Errors(t *testing.T) {
	checkErrors(t, func(ctx context.Context, client kubernetes.Interface) error {
		return Scale(ctx, client, "default", "web", 5)
	})
}

// checkErrors uses a real clientset, because the fake does not look at ctx. Its server answers every request with a 403.
func checkErrors(t *testing.T, call func(context.Context, kubernetes.Interface) error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		labtest.SendError(w, apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("no rule allows it")))
	}))
	t.Cleanup(server.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := call(t.Context(), client); !apierrors.IsForbidden(err) {
		labtest.Unexpected(t, fmt.Sprintf("the server forbids the request; error: %v", err), "the server's error, wrapped with %w", "who does not return the error of Apply says that it is done")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := call(ended, client); !errors.Is(err, context.Canceled) {
		labtest.Unexpected(t, fmt.Sprintf("ctx has ended before the request; error: %v", err), "no request, and the error "+context.Canceled.Error(),
			"pass ctx on to Apply: with a context of your own the caller cannot end the request")
	}
}

func TestStep2Conflicts(t *testing.T) { conflicts(t, onFake(t)) }

func conflicts(t *testing.T, c *cluster) {
	c.apply(t, "hpa", appsac.DeploymentSpec().WithReplicas(3))
	c.label(t, "team")
	err := Scale(t.Context(), c.client, c.namespace, "web", 5)
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		t.Fatal("before Conflicts can look at it, Scale must return a conflict; error: ", err)
	}
	otherWords := &apierrors.StatusError{ErrStatus: *status.ErrStatus.DeepCopy()}
	otherWords.ErrStatus.Message = "the same in other words"
	want := []string{`.metadata.labels.scaled-by: conflict with "team"`, `.spec.replicas: conflict with "hpa"`}
	for _, c := range []struct {
		err  error
		idea string
	}{
		{status, ideaCauses}, {otherWords, ideaText}, {err, ideaWrapped}, {fmt.Errorf("some caller: %w", err), ideaWrapped},
	} {
		if got := conflictsOf(c.err); got != said(want) {
			labtest.Unexpected(t, fmt.Sprintf("Conflicts %s of the error: %v", got, c.err), said(want), c.idea)
		}
	}
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for _, err := range []error{
		nil,
		errors.New("no answer"),
		apierrors.NewNotFound(deployments, "web"),
		apierrors.NewConflict(deployments, "web", errors.New("the object has been modified")),
		&apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonConflict, Message: "a 409 without Details"}},
		&apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonConflict, Message: "with a cause of another type", Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Type: metav1.CauseTypeUnexpectedServerResponse, Field: "spec.replicas", Message: "conflict"}}}}},
		apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "web", nil),
		&apierrors.StatusError{ErrStatus: metav1.Status{Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.replicas", Message: "must be 0 or more"}}}}},
	} {
		if got := conflictsOf(err); got != said(nil) {
			idea := "there are two kinds of 409: an Update's says read again, and an Apply's says that somebody else wants something else; no retry mends it. The type of a cause tells"
			if strings.HasPrefix(got, "panics") {
				idea = "not every error is a StatusError; and Details is a pointer, and not every Status has it"
			}
			labtest.Unexpected(t, fmt.Sprintf("Conflicts %s of the error: %v", got, err), said(nil), idea)
		}
	}
}

// conflictsOf is what Conflicts does: it says something, or panics.
func conflictsOf(err error) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("panics (%v) because", r)
		}
	}()
	return said(Conflicts(err))
}

// said sorts, because the order is the server's.
func said(conflicts []string) string {
	if len(conflicts) == 0 {
		return "says nothing"
	}
	return "says " + strings.Join(slices.Sorted(slices.Values(conflicts)), ", ")
}

func TestStep3Release(t *testing.T) { release(t, onFake(t)) }

func release(t *testing.T, c *cluster) {
	c.apply(t, "hpa", appsac.DeploymentSpec().WithReplicas(3))
	if err := Scale(t.Context(), c.client, c.namespace, "web", 3); err != nil { // the same value is no conflict: both own it
		t.Fatal("before Release can give something up: ", err)
	}
	err := Release(t.Context(), c.client, c.namespace, "web")
	web := c.web(t)
	got := fmt.Sprintf("%s owns %s; replicas: %s", Manager, c.owned(t, Manager), replicas(web))
	if want := "scaler owns .metadata.labels.scaled-by; replicas: 3"; err != nil || got != want {
		idea := ideaRelease
		if web.Labels["scaled-by"] == "" {
			idea += ". You left the label out as well, and as nobody else owned it, it is gone"
		} else if slices.Contains(strings.Fields(c.owned(t, Manager)), ".spec") {
			idea = "an empty spec is something that you mention, and own: leave the spec out, too"
		}
		labtest.Unexpected(t, fmt.Sprintf("%s, error: %v", got, err), want, idea)
	}
	if got := c.owned(t, "hpa"); got != ".spec.replicas" {
		labtest.Unexpected(t, "hpa owns "+got, "hpa owns .spec.replicas, as before", ideaConflict)
	}
}

func TestStep3TakesNothing(t *testing.T) {
	c := onFake(t)
	if err := Scale(t.Context(), c.client, c.namespace, "web", 5); err != nil {
		t.Fatal("before Release can give something up: ", err)
	}
	c.label(t, "team")
	err := Release(t.Context(), c.client, c.namespace, "web")
	// A conflict is fine, and so is to leave out what is not ours any more.
	if got := c.web(t).Labels["scaled-by"]; got != "team" || err != nil && !apierrors.IsConflict(err) {
		idea := ideaConflict + ". To give something up needs no force"
		if got == "team" {
			idea = ideaVerb
		}
		labtest.Unexpected(t, fmt.Sprintf("the label is %q, which team had taken; error: %v", got, err), `"team", and no error but the server's conflict`, idea)
	}
}

func TestStep3Errors(t *testing.T) {
	checkErrors(t, func(ctx context.Context, client kubernetes.Interface) error {
		return Release(ctx, client, "default", "web")
	})
}

// What nobody else owns goes with its last owner.
func releaseAlone(t *testing.T, c *cluster, want string) {
	if err := Scale(t.Context(), c.client, c.namespace, "web", 5); err != nil {
		t.Fatal("before Release can give something up: ", err)
	}
	err := Release(t.Context(), c.client, c.namespace, "web")
	if got := replicas(c.web(t)); err != nil || got != want {
		labtest.Unexpected(t, fmt.Sprintf("replicas: %s, error: %v", got, err), "replicas: "+want, ideaRelease+", and what nobody owns any more is removed")
	}
}

func TestStep3ReleaseAlone(t *testing.T) { releaseAlone(t, onFake(t), "none") }

// The same on a real API server, which then fills in the default.
func TestStep2RealServer(t *testing.T)      { conflicts(t, onReal(t)) }
func TestStep3RealServer(t *testing.T)      { release(t, onReal(t)) }
func TestStep3RealServerAlone(t *testing.T) { releaseAlone(t, onReal(t), "1") }
