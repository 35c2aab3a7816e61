package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
)

// A server that says no. It has to be a server: on a fake clientset nothing is unauthorized, nothing too large, and no
// deadline is ever over.
func TestErrorsOnFakeServer(t *testing.T) {
	for _, young := range []bool{false, true} {
		server := httptest.NewServer(refusals(young))
		defer server.Close()
		var out bytes.Buffer
		require.NoError(t, errorKinds(t.Context(), &rest.Config{Host: server.URL, QPS: -1}, labNamespace, &out))
		program.RequireOutput(t, "errors", out.String())
	}
}

// refusals answers the step's requests as a real server does. The fake cannot tell whether it does: cluster_test.go can.
func refusals(young bool) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request) any) {
		method, path, _ := bytes.Cut([]byte(pattern), []byte(" "))
		mux.HandleFunc(fmt.Sprintf("%s /api/v1/namespaces/{ns}/%s", method, path), func(w http.ResponseWriter, r *http.Request) {
			sendAnswer(w, answer(r))
		})
	}
	configMaps := schema.GroupResource{Resource: "configmaps"}
	note := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: "note"}}
	var created, slowOnes atomic.Int32

	handle("POST configmaps", func(r *http.Request) any {
		body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 3<<20))
		switch {
		case err != nil:
			return apierrors.NewRequestEntityTooLargeError("limit is 3145728")
		case created.Add(1) > 1:
			return apierrors.NewAlreadyExists(configMaps, "note")
		case !bytes.HasPrefix(body, []byte("k8s\x00")): // protobuf begins with this
			return apierrors.NewBadRequest("not protobuf")
		}
		return note
	})
	handle("GET configmaps/{name}", func(r *http.Request) any {
		switch {
		case r.Header.Get("Authorization") == "Bearer no-such-token":
			return apierrors.NewUnauthorized("Unauthorized")
		case r.Header.Get("Impersonate-User") == "jane":
			return apierrors.NewForbidden(configMaps, "note", errors.New(
				`User "jane" cannot get resource "configmaps" in API group "" in the namespace "client-go-lab"`))
		}
		return apierrors.NewNotFound(configMaps, r.PathValue("name"))
	})
	handle("GET configmaps", func(r *http.Request) any {
		query := r.URL.Query()
		switch {
		case r.Header.Get("Accept") == "text/poem":
			return apierrors.NewGenericServerResponse(406, "get", configMaps, "", "406: Not Acceptable\n\nAvailable representations: ...", 0, false)
		case query.Get("timeout") == "1ns":
			return apierrors.NewGenericServerResponse(504, "get", configMaps, "", "", 0, false)
		case query.Get("fieldSelector") != "":
			return apierrors.NewBadRequest(`"data.colour" is not a known field selector: only "metadata.name", "metadata.namespace"`)
		case query.Get("resourceVersion") == "1" && young:
			return &corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"}}
		case query.Get("resourceVersion") == "1":
			return apierrors.NewResourceExpired("The resourceVersion for the provided list is too old.")
		case slowOnes.Add(1) > 1: // only the first one is waited for
			<-r.Context().Done()
		}
		return apierrors.NewTimeoutError("Too large resource version: 999999999999, current: 4711", 1)
	})
	handle("PUT configmaps/{name}", func(*http.Request) any {
		return apierrors.NewConflict(configMaps, "note",
			errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	})
	handle("PUT configmaps", func(*http.Request) any {
		return apierrors.NewGenericServerResponse(405, "PUT", schema.GroupResource{}, "", "", 0, false)
	})
	handle("PATCH configmaps/{name}", func(r *http.Request) any {
		return apierrors.NewGenericServerResponse(415, "patch", schema.GroupResource{}, "", "415: Unsupported Media Type", 0, false)
	})
	handle("POST services", func(*http.Request) any {
		ports := field.NewPath("spec", "ports")
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, "shop", field.ErrorList{
			field.Invalid(ports.Index(0).Child("port"), 0, "must be between 1 and 65535, inclusive"),
			field.Invalid(ports.Index(0).Child("targetPort"), 0, "must be between 1 and 65535, inclusive"),
			field.NotSupported(ports.Index(1).Child("protocol"), "FTP", []string{"SCTP", "TCP", "UDP"}),
		})
	})
	handle("POST pods", func(*http.Request) any { return readyPod("guard") })
	handle("GET pods/{name}", func(r *http.Request) any { return readyPod(r.PathValue("name")) })
	handle("POST pods/{name}/eviction", func(r *http.Request) any {
		if r.PathValue("name") == "guard-2" {
			return apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		}
		return &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess}
	})
	budget := func(w http.ResponseWriter, _ *http.Request) {
		sendAnswer(w, &policyv1.PodDisruptionBudget{
			TypeMeta: metav1.TypeMeta{Kind: "PodDisruptionBudget", APIVersion: "policy/v1"},
			Status:   policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: 1},
		})
	}
	mux.HandleFunc("POST /apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", budget)
	mux.HandleFunc("GET /apis/policy/v1/namespaces/{ns}/poddisruptionbudgets/guards", budget)
	return mux
}

func readyPod(name string) *corev1.Pod {
	pod := samplePod(name)
	pod.TypeMeta = metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return pod
}

// sendAnswer sends an object, or an error's Status, in JSON: the client asks for protobuf and takes both.
func sendAnswer(w http.ResponseWriter, answer any) {
	code := http.StatusOK
	if err, ok := answer.(*apierrors.StatusError); ok {
		status := err.Status()
		status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		code, answer = int(status.Code), &status
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
			w.Header().Set("Retry-After", fmt.Sprint(seconds))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}

// The predicates that nobody can make a healthy server say. Each is asked of every error: they exclude each other.
func TestErrorsOfASickServer(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	predicates := map[string]func(error) bool{
		"IsServerTimeout":      apierrors.IsServerTimeout,
		"IsTimeout":            apierrors.IsTimeout,
		"IsInternalError":      apierrors.IsInternalError,
		"IsServiceUnavailable": apierrors.IsServiceUnavailable,
		"IsGone":               apierrors.IsGone,
		"IsResourceExpired":    apierrors.IsResourceExpired,
	}
	for want, sent := range map[string]*apierrors.StatusError{
		"IsServerTimeout":      apierrors.NewServerTimeout(pods, "list", 2), // etcd does not answer
		"IsTimeout":            apierrors.NewTimeoutError("too slow", 0),
		"IsInternalError":      apierrors.NewInternalError(errors.New("a webhook does not answer")),
		"IsServiceUnavailable": apierrors.NewServiceUnavailable("an aggregated API server is down"),
		"IsGone":               {ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonGone}},
		"IsResourceExpired":    apierrors.NewResourceExpired("too old"),
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { sendAnswer(w, sent) }))
		client, err := newClient(&rest.Config{Host: server.URL, QPS: -1})
		require.NoError(t, err)
		err = client.CoreV1().RESTClient().Get().Resource("pods").MaxRetries(0).Do(t.Context()).Error()
		for name, is := range predicates {
			assert.Equal(t, name == want, is(err), "%s of %v", name, err)
		}
		server.Close()
	}
}

// On a fake clientset, errors are what you make them: here, a quota that is used up.
func TestReactorMakesErrors(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "web", errors.New("exceeded quota"))
	})
	_, err := client.CoreV1().Pods(labNamespace).Create(t.Context(), samplePod("web"), metav1.CreateOptions{})
	assert.True(t, apierrors.IsForbidden(err))
}
