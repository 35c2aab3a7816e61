package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/reference"
	"k8s.io/klog/v2"

	"client-go-lab/07-controller/api/v1alpha1"
	"client-go-lab/07-controller/controller"
	"client-go-lab/internal/chaptertest"
)

// The lessons run on a real server only (cluster_test.go): a fake has no garbage collector, no CRD and no schema, no 409 for
// an old resourceVersion, and no generation. What can be tested without one, is here; the controller's own tests on fakes
// are in the package controller.

func TestMain(m *testing.M) { chaptertest.Main(m, main) }

// program is this chapter under test.
var program = chaptertest.Program{Chapter: contents(), Expected: expected}

func TestAll(t *testing.T) { program.All(t) }

func TestConnectErrors(t *testing.T) { program.ConnectErrors(t, "controller", "minimal") }

func TestGuard(t *testing.T) {
	program.Guard(t, "minimal", "ownership", "status", "events", "finalizer", "election", "metrics", "controller")
}

// quiet is the test's context, with the logger that main puts into it.
func quiet(t *testing.T) context.Context { return klog.NewContext(t.Context(), klog.Logger{}) }

// The flags of the controller say what they are for, in lines that fit.
func TestHelp(t *testing.T) {
	stdout, stderr, code := program.Run(quiet(t), "-h")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "  all         every step but controller, in this order\n")
	_, flags, found := strings.Cut(stdout, "Flags of the step controller:\n")
	require.True(t, found, stdout)
	flags, _, _ = strings.Cut(flags, "\n\n")
	for _, words := range []string{"-workers N ", "waits for answers", "-qps N ", "client-go's own default, 5", "-burst N ", "-resync TIME ", "not for lost events"} {
		assert.Contains(t, flags, words)
	}
	for line := range strings.Lines(flags) {
		assert.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 100, line)
	}
}

// What is counted is what the server has accepted, about the objects that were asked for.
func TestRequests(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusConflict)
		}
	}))
	defer server.Close()
	counted := requests{about: "shop"}
	client, err := rest.HTTPClientFor(counted.through(&rest.Config{Host: server.URL}))
	require.NoError(t, err)
	for _, request := range []struct{ method, path string }{
		{"PUT", "/apis/lab.example.com/v1alpha1/namespaces/n/websites/shop/status"},
		{"PATCH", "/api/v1/namespaces/n/configmaps/shop"},
		{"PATCH", "/api/v1/namespaces/other/configmaps/shop.example.com"},
		{"PATCH", "/api/v1/namespaces/n/configmaps/cafe"},  // another one's
		{"DELETE", "/api/v1/namespaces/n/configmaps/shop"}, // refused
		{"GET", "/api/v1/configmaps"},                      // all of them
		{"POST", "/api/v1/namespaces/n/events"},            // no name
	} {
		r, err := http.NewRequestWithContext(t.Context(), request.method, server.URL+request.path, nil)
		require.NoError(t, err)
		response, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	assert.Equal(t, "2 PATCH configmaps, 1 PUT websites/status", summary(counted.taken()))
	assert.Equal(t, "nothing", summary(counted.taken()))
}

func TestSample(t *testing.T) {
	const text = `# TYPE a counter
a{code="500",host="x",method="PATCH"} 2
a{code="500",host="y",method="PATCH"} 1
a{code="500",host="x",method="GET"} 7
ab{code="500",method="PATCH"} 9
b{name="websites"} 4
`
	assert.EqualValues(t, 3, sample(text, "a", `code="500",*method="PATCH"`))
	assert.EqualValues(t, 10, sample(text, "a", `code="500"`))
	assert.EqualValues(t, 4, sample(text, "b", `name="websites"`))
	assert.Zero(t, sample(text, "c", `name="websites"`))
	assert.Equal(t, "+3 or more", least(4, 3))
	assert.Equal(t, "+2, which is less than 3", least(2, 3))
}

// Without a server the lessons say so; without the right to look for the Lease, too.
func TestForbidden(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Path, "/namespaces/client-go-lab") && !strings.Contains(r.URL.Path, "/leases/") {
			_, _ = w.Write([]byte(`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"client-go-lab"}}`))
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"leases are not for you"}`))
	}))
	defer server.Close()
	kube, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	require.NoError(t, err)
	l := &lesson{kube: kube}
	err = l.inLab(quiet(t), func() error { t.Error("the lesson has begun"); return nil })
	assert.EqualError(t, err, "look whether a controller runs: leases are not for you")
}

// A lesson during which the controller ends says why, once.
func TestControllerEndsDuringALesson(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	l := &lesson{}
	err := l.while(quiet(t), &rest.Config{Host: server.URL}, nil, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	require.ErrorContains(t, err, "the controller has ended: this cluster knows no Websites")
	assert.Equal(t, 1, strings.Count(err.Error(), "knows no Websites"), err)
}

// A recorder makes a reference to the object, and finds its kind in the scheme.
func TestRecorderNeedsTheScheme(t *testing.T) {
	website := &v1alpha1.Website{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "shop", ResourceVersion: "7"}}
	_, err := reference.GetReference(scheme.Scheme, website)
	assert.ErrorContains(t, err, "no kind is registered")
	got, err := reference.GetReference(controller.Scheme, website)
	require.NoError(t, err)
	assert.Equal(t, "Website", got.Kind)
	assert.Equal(t, "7", got.ResourceVersion, "why two events about two versions are never one with a count")
}
