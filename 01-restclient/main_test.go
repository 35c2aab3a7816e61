package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	restfake "k8s.io/client-go/rest/fake"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
)

func TestMain(m *testing.M) { chaptertest.Main(m, main) }

// program is this chapter under test.
var program = chaptertest.Program{Chapter: contents(), Expected: expected}

// serve starts a fake API and returns it with a kubeconfig whose current context has the given name.
func serve(t *testing.T, contextName string) (*fakeAPI, string) {
	t.Helper()
	api := newFakeAPI()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return api, chaptertest.Kubeconfig(t, contextName, server.URL)
}

func TestStepsOnFakeAPI(t *testing.T) {
	chaptertest.Isolate(t)
	for _, step := range contents().Steps {
		if step.Name == "config" {
			continue // waits for seconds: TestConfigFields stops the clock
		}
		t.Run(step.Name, func(t *testing.T) {
			api, kubeconfig := serve(t, "lab")
			stdout, stderr, code := chaptertest.Command(t, nil, step.Name, "-kubeconfig", kubeconfig)
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr, "klog writes there")
			program.RequireOutput(t, step.Name, stdout)
			assert.NotContains(t, stdout, youngLine)
			assert.Empty(t, api.names(), "left behind")
		})
	}
}

// A server that has never been compacted cannot answer 410. The steps say so and go on.
func TestStepsOnYoungServer(t *testing.T) {
	chaptertest.Isolate(t)
	for _, step := range []string{"pages", "watch"} {
		api, kubeconfig := serve(t, "lab")
		api.young = true
		stdout, stderr, code := program.Run(t.Context(), step, "-kubeconfig", kubeconfig)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, youngLine)
		program.RequireOutput(t, step, stdout)
	}
}

// The step's rate limits and timeouts wait for seconds. In a synctest bubble the clock jumps ahead whenever every
// goroutine waits: the test takes milliseconds, and no busy machine can change its outcome.
func TestConfigFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.namespaces[labNamespace] = true
		config := &rest.Config{Host: "http://fake", Transport: inProcess{api}}
		var out bytes.Buffer
		require.NoError(t, configFields(t.Context(), config, labNamespace, &out))
		program.RequireOutput(t, "config", out.String())
		assert.Empty(t, api.names(), "dryRun stored something")
	})
}

// rest/fake in the place of the client is less work for one request. It sees a URL and returns an answer; there is no
// rest.Config, no rate limiter, no user agent, no network.
func TestListPodsWithRestFake(t *testing.T) {
	client := &restfake.RESTClient{
		GroupVersion:         corev1.SchemeGroupVersion,
		VersionedAPIPath:     "/api/v1",
		NegotiatedSerializer: scheme.Codecs.WithoutConversion(),
		Resp: &http.Response{
			StatusCode: http.StatusOK,
			Header:     http.Header{"Content-Type": {"application/json"}},
			Body:       io.NopCloser(strings.NewReader(`{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"a"}}]}`)),
		},
	}
	var out bytes.Buffer
	require.NoError(t, listPods(t.Context(), client, "garden", &out))
	assert.Equal(t, "a\n", out.String())
	assert.Equal(t, "/api/v1/namespaces/garden/pods", client.Req.URL.Path)
}

// Most tutorials set NegotiatedSerializer to scheme.Codecs. Those decode into the server's internal types, which this
// program does not have: Into works, because it names the type, but Get and Watch do not.
func TestWhyWithoutConversion(t *testing.T) {
	api := newFakeAPI()
	server := httptest.NewServer(api)
	defer server.Close()
	config := &rest.Config{Host: server.URL, APIPath: "/api"}
	config.GroupVersion = &corev1.SchemeGroupVersion
	for name, serializer := range map[string]runtime.NegotiatedSerializer{
		"old": scheme.Codecs,
		"new": scheme.Codecs.WithoutConversion(),
	} {
		config.NegotiatedSerializer = serializer
		client, err := rest.RESTClientFor(config)
		require.NoError(t, err)
		list := client.Get().Namespace("default").Resource("pods").Do(t.Context())
		require.NoError(t, list.Into(&corev1.PodList{}))
		_, err = list.Get()
		if name == "new" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, `no kind "PodList" is registered for the internal version of group ""`)
		}
	}
}

// A string is not sent: it is the name of a file that is.
func TestBodyString(t *testing.T) {
	client := &restfake.RESTClient{NegotiatedSerializer: scheme.Codecs.WithoutConversion()}
	err := client.Post().Resource("configmaps").Body("hello").Do(t.Context()).Error()
	assert.ErrorContains(t, err, "open hello: no such file or directory")
}

func TestFlags(t *testing.T) {
	chaptertest.Isolate(t)
	for _, c := range []struct {
		name string
		args []string // KUBECONFIG stands for the file
		want string   // the namespace that is read
	}{
		{"none", []string{"-kubeconfig", "KUBECONFIG"}, "default"},
		{"before the step", []string{"-n", "garden", "-kubeconfig=KUBECONFIG", "pods"}, "garden"},
		{"after the step", []string{"pods", "--namespace", "garden", "--kubeconfig", "KUBECONFIG"}, "garden"},
		{"around the step", []string{"-kubeconfig", "KUBECONFIG", "pods", "-context", "prod", "-n=garden"}, "garden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api, kubeconfig := serve(t, "prod")
			args := strings.Split(strings.ReplaceAll(strings.Join(c.args, "\n"), "KUBECONFIG", kubeconfig), "\n")
			_, stderr, code := program.Run(t.Context(), args...)
			require.Zero(t, code, stderr)
			assert.Equal(t, []string{"GET /api/v1/namespaces/" + c.want + "/pods"}, api.seen())
		})
	}
}

func TestKubeconfigVariable(t *testing.T) {
	chaptertest.Isolate(t)
	api, kubeconfig := serve(t, "prod")
	t.Setenv("KUBECONFIG", "/no/such/file"+string(os.PathListSeparator)+kubeconfig)
	_, stderr, code := program.Run(t.Context())
	require.Zero(t, code, stderr)
	assert.Len(t, api.seen(), 1)
	assert.Equal(t, rest.DefaultKubernetesUserAgent(), api.agent)
}

func TestContextsRestoresEnvironment(t *testing.T) {
	chaptertest.Isolate(t)
	before := os.Getenv("KUBECONFIG")
	_, stderr, code := program.Run(t.Context(), "contexts")
	require.Zero(t, code, stderr)
	assert.Equal(t, before, os.Getenv("KUBECONFIG"))
}

func TestContextsLeavesNoFiles(t *testing.T) {
	chaptertest.Isolate(t)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	_, stderr, code := chaptertest.Command(t, nil, "contexts")
	require.Zero(t, code, stderr)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files)
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"--help"}, {"pods", "-h"}} {
		stdout, stderr, code := program.Run(t.Context(), args...)
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		for _, step := range contents().Steps {
			assert.Contains(t, stdout, step.Summary)
		}
		assert.Contains(t, stdout, "go run ./01-restclient verbs\n")
	}
}

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"nope"}, `01-restclient: no step "nope"; the steps are: pods, verbs, result, table, pages, watch, paths, config, contexts, all` + "\n"},
		{[]string{"pods", "verbs"}, "01-restclient: one step at a time, got pods verbs; the steps are: pods, verbs, result, table, pages, watch, paths, config, contexts, all\n"},
		{[]string{"-x"}, "01-restclient: flag provided but not defined: -x (-h shows the flags)\n"},
		{[]string{"pods", "-n"}, "01-restclient: flag needs an argument: -n (-h shows the flags)\n"},
	} {
		stdout, stderr, code := program.Run(t.Context(), c.args...)
		assert.Equal(t, chapter.ExitUsage, code)
		assert.Empty(t, stdout)
		assert.Equal(t, c.want, stderr)
	}
}

func TestConnectErrors(t *testing.T) { program.ConnectErrors(t, "pods", "verbs") }

func TestInterrupt(t *testing.T) {
	chaptertest.Isolate(t)
	api, kubeconfig := serve(t, "lab")
	made := make(chan struct{})
	var once sync.Once
	api.afterEach(func(_ int, r *http.Request) {
		if r.Method == "POST" && len(api.names()) > 0 { // the kettle has just been made
			once.Do(func() { close(made) })
			<-r.Context().Done() // no answer until the program gives up
		}
	})
	stdout, stderr, code := chaptertest.Command(t, func(p *os.Process) {
		<-made
		require.NoError(t, p.Signal(os.Interrupt))
	}, "watch", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitInterrupted, code, stdout)
	assert.Contains(t, stderr, "01-restclient: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	assert.Empty(t, api.names(), "left behind")
}

// Cancel every writing step after its first request, after its second, and so on: nothing may stay behind.
func TestCancelledStepsCleanUp(t *testing.T) {
	chaptertest.Isolate(t)
	for _, step := range []string{"verbs", "result", "pages", "watch", "paths"} {
		t.Run(step, func(t *testing.T) {
			for n := 1; ; n++ {
				api, kubeconfig := serve(t, "lab")
				ctx, cancel := context.WithCancel(t.Context())
				api.afterEach(func(i int, _ *http.Request) {
					if i == n {
						cancel()
					}
				})
				_, stderr, code := program.Run(ctx, step, "-kubeconfig", kubeconfig)
				cancel()
				require.Empty(t, api.names(), "left behind after request %d: %v", n, api.seen())
				if code == chapter.ExitOK {
					require.Greater(t, n, 5, "the step has more requests than that")
					return // n is beyond the last request that the step depends on
				}
				require.Equal(t, chapter.ExitInterrupted, code, stderr)
			}
		})
	}
}

func TestLeftoversOfAnEarlierRun(t *testing.T) {
	chaptertest.Isolate(t)
	api, kubeconfig := serve(t, "lab")
	api.namespaces[labNamespace] = true
	api.store("ADDED", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "paint", Labels: labels()}})
	api.store("ADDED", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kettle", Labels: labels()}})
	for _, step := range []string{"verbs", "watch"} {
		stdout, stderr, code := program.Run(t.Context(), step, "-kubeconfig", kubeconfig)
		require.Zero(t, code, stderr)
		program.RequireOutput(t, step, stdout)
	}
}

func TestGuard(t *testing.T) {
	program.Guard(t, "verbs", "result", "pages", "watch", "paths", "config")
	_, kubeconfig := serve(t, "kind-kind")
	_, stderr, code := program.Run(t.Context(), "verbs", "-kubeconfig", kubeconfig)
	assert.Zero(t, code, stderr)
}

func TestAll(t *testing.T) { program.All(t) }
