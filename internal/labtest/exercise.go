package labtest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"client-go-lab/internal/exercise"
)

// Exercise is the TestMain of every exercise. While the learner's file is as it was given it runs no test, so that
// `go test ./...` on a fresh clone is green; `go run ./lab check` says "not started". The first real edit makes them run.
func Exercise(m *testing.M) {
	flag.Parse()
	untouched, err := untouched()
	switch {
	case os.Getenv(exercise.Strict) != "":
	case err != nil:
		fmt.Println(err) // and run the tests: they say what is wrong
	case untouched:
		fmt.Println("not started: exercise.go is as it was given")
		if err := flag.Set("test.skip", "."); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// untouched looks at the exercise in the working directory, which is the test's package.
func untouched() (bool, error) {
	dir, err := os.Getwd()
	if err != nil {
		return false, err
	}
	return exercise.At(dir).Untouched()
}

// Unexpected ends a test of an exercise: what was seen, what was expected, and which idea of the lesson this is.
func Unexpected(t *testing.T, seen, expected, idea string) {
	t.Helper()
	t.Fatalf("seen:     %s\nexpected: %s\nthe idea: %s", seen, expected, idea)
}

// Serve starts an HTTP server for the test and returns a RESTClient for the core group that talks to it.
func Serve(t *testing.T, handler http.Handler) *rest.RESTClient {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return CoreClient(t, &rest.Config{Host: server.URL})
}

// mostRequests is how many requests a solution may send to the real API server in one test. No exercise needs half of them.
const mostRequests = 200

// Cluster returns the Config of the real API server for an exercise's test, or skips; see Kubeconfig. Exercises share
// the cluster, so that one need not wait for another: each works in a Namespace of its own. A loop that never ends is
// stopped by an error.
func Cluster(t *testing.T) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfigs(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int32
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if sent.Add(1) > mostRequests {
				return nil, fmt.Errorf("you have sent %d requests: will that ever end?", mostRequests)
			}
			return next.RoundTrip(r)
		})
	})
	return config
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// CoreClient makes a RESTClient for the core group, without the client's own rate limit.
func CoreClient(t *testing.T, config *rest.Config) *rest.RESTClient {
	t.Helper()
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion, config.QPS = "/api", &corev1.SchemeGroupVersion, -1
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// namespaceLabel is on every namespace that a test of an exercise made.
const namespaceLabel = "client-go-lab/exercise"

// Namespace makes a namespace for one test, and removes it afterwards; and those that are left of tests that were
// killed, as a newer save does to a check. Tests end after half a minute, so older ones are nobody's.
func Namespace(t *testing.T, client rest.Interface) string {
	t.Helper()
	left := &corev1.NamespaceList{}
	if err := client.Get().Resource("namespaces").Param("labelSelector", namespaceLabel).Do(t.Context()).Into(left); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range left.Items {
		if namespace.DeletionTimestamp == nil && time.Since(namespace.CreationTimestamp.Time) > 2*time.Minute {
			err := client.Delete().Resource("namespaces").Name(namespace.Name).Do(t.Context()).Error()
			if err != nil && !apierrors.IsNotFound(err) {
				t.Fatal(err)
			}
		}
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "exercise-", Labels: map[string]string{namespaceLabel: ""}}}
	if err := client.Post().Resource("namespaces").Body(namespace).Do(t.Context()).Into(namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// t's own context has ended by now.
		if err := client.Delete().Resource("namespaces").Name(namespace.Name).Do(context.WithoutCancel(t.Context())).Error(); err != nil {
			t.Error(err)
		}
	})
	return namespace.Name
}

// SendJSON answers a request as an API server does.
func SendJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// SendError answers with an error as an API server does: its Status is the body.
func SendError(w http.ResponseWriter, err *apierrors.StatusError) {
	err.ErrStatus.Kind, err.ErrStatus.APIVersion = "Status", "v1"
	SendJSON(w, int(err.ErrStatus.Code), err.ErrStatus)
}
