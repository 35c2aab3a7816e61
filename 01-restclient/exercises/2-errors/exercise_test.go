package verdict

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaSaid     = "the server's Status says what went wrong, and the apierrors.Is... functions read it"
	ideaNoAnswer = "the first question is always: did the server answer at all? No answer is a *url.Error"
	ideaTwo404   = "there are two kinds of 404, and IsNotFound is true for both: the Status of a missing object names the object"
)

// fake answers as the API server does. (The Status of a wrong URL was recorded from a real one.)
func fake(t *testing.T) *rest.RESTClient {
	var (
		pods     = schema.GroupResource{Resource: "pods"}
		wrongURL = &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusNotFound,
			Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource", Details: &metav1.StatusDetails{}}}
		mux = http.NewServeMux()
	)
	refuse := func(pattern string, err *apierrors.StatusError) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { labtest.SendError(w, err) })
	}
	refuse("/", wrongURL)
	refuse("/api/v1/namespaces/default/pods/nobody", apierrors.NewNotFound(pods, "nobody"))
	refuse("/api/v1/namespaces/default/secrets/nobody", apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "nobody", errors.New("no rule allows it")))
	refuse("/api/v1/namespaces/default/pods/broken", apierrors.NewInternalError(context.DeadlineExceeded))
	return labtest.Serve(t, mux)
}

func get(t *testing.T, client rest.Interface, resource, name string) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return client.Get().Namespace("default").Resource(resource).Name(name).Do(ctx).Into(&corev1.Pod{})
}

func check(t *testing.T, err error, want Verdict, idea string) {
	t.Helper()
	if got := Explain(err); got != want {
		labtest.Unexpected(t, fmt.Sprintf("Explain says %q of the %T: %v", got, err, err), fmt.Sprintf("%q", want), idea)
	}
}

func TestStep1WhatTheServerSaid(t *testing.T) {
	client := fake(t)
	said := func(err error, want Verdict) {
		t.Helper()
		idea := ideaSaid
		switch Explain(err) { // what a later step has spoilt
		case NoAnswer:
			idea = "noAnswer (step 2) says yes too often: Explain asks it before serverSaid; " + ideaNoAnswer
		case WrongURL:
			idea = "wrongURL (step 3) says yes too often: Explain asks it before serverSaid; " + ideaTwo404
		}
		check(t, err, want, idea)
	}
	said(get(t, client, "pods", "nobody"), Missing)
	said(get(t, client, "secrets", "nobody"), Refused)
	said(get(t, client, "pods", "broken"), Unknown)
	said(fmt.Errorf("get my pod: %w", get(t, client, "pods", "nobody")), Missing)
}

func TestStep2NoAnswer(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close() // nobody listens there any more
	err := get(t, labtest.CoreClient(t, &rest.Config{Host: closed.URL}), "pods", "nobody")
	check(t, err, NoAnswer, ideaNoAnswer)
	check(t, fmt.Errorf("get my pod: %w", err), NoAnswer, ideaNoAnswer+"; callers wrap errors, so look inside with errors.As")
	check(t, get(t, fake(t), "pods", "broken"), Unknown, ideaNoAnswer+`; a 500 is an answer`)
}

func TestStep3TwoKindsOf404(t *testing.T) {
	check(t, get(t, fake(t), "pod", "nobody"), WrongURL, ideaTwo404)
	check(t, &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonNotFound}}, WrongURL, ideaTwo404+"; Details may be nil")
	check(t, get(t, fake(t), "pods", "nobody"), Missing, ideaTwo404)
	check(t, get(t, fake(t), "pods", "broken"), Unknown, ideaTwo404)
}

// The same on a real API server.
func TestStep3RealServer(t *testing.T) {
	config := labtest.Cluster(t)
	client := labtest.CoreClient(t, config)
	check(t, get(t, client, "pod", "nobody"), WrongURL, ideaTwo404)
	check(t, get(t, client, "pods", "nobody"), Missing, ideaSaid)
	config = rest.CopyConfig(config)
	config.Impersonate.UserName = "jane"
	check(t, get(t, labtest.CoreClient(t, config), "pods", "nobody"), Refused, ideaSaid)
}
