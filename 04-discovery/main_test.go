package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/disk"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/validation/spec"

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

// serveDiscovery starts a fake API and returns it with clients and what counts their requests.
func serveDiscovery(t *testing.T) (*fakeAPI, *discovery.DiscoveryClient, dynamic.Interface, *wire) {
	t.Helper()
	api := newFakeAPI()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL, QPS: -1}
	wire := tap(config)
	client, err := newDiscoveryClient(config)
	require.NoError(t, err)
	objects, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	return api, client, objects, wire
}

func TestStepsOnFakeAPI(t *testing.T) {
	chaptertest.Isolate(t)
	for _, step := range contents().Steps {
		t.Run(step.Name, func(t *testing.T) {
			api, kubeconfig := serve(t, "lab")
			stdout, stderr, code := chaptertest.Command(t, nil, step.Name, "-kubeconfig", kubeconfig)
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr, "klog writes there")
			program.RequireOutput(t, step.Name, stdout)
			assert.Empty(t, api.names(), "left behind")
			assert.Equal(t, rest.DefaultKubernetesUserAgent(), api.agent)
		})
	}
}

// What the flags choose is compared with kubectl on a real server; here only that each of them does something.
func TestResourcesFlags(t *testing.T) {
	chaptertest.Isolate(t)
	_, kubeconfig := serve(t, "prod")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--api-group=batch"}, "NAME       SHORTNAMES   APIVERSION   NAMESPACED   KIND\n" +
			"cronjobs   cj           batch/v1     true         CronJob\njobs                    batch/v1     true         Job\n"},
		{[]string{"--api-group=batch", "--no-headers"}, "cronjobs   cj    batch/v1   true   CronJob\njobs             batch/v1   true   Job\n"},
		{[]string{"--api-group=batch", "--no-headers", "-o=wide"}, "cronjobs   cj    batch/v1   true   CronJob   create,delete,deletecollection,get,list,patch,update,watch   all\n" +
			"jobs             batch/v1   true   Job       create,delete,deletecollection,get,list,patch,update,watch   all\n"},
		{[]string{"--api-group=", "-o", "name", "--namespaced=false"}, "componentstatuses\nnamespaces\nnodes\npersistentvolumes\n"},
		{[]string{"--verbs=create", "--categories=all", "--api-group=apps", "--output", "name", "--sort-by", "kind"},
			"daemonsets.apps\ndeployments.apps\nreplicasets.apps\nstatefulsets.apps\n"},
		{[]string{"--verbs=approve", "--no-headers"}, ""},
	} {
		stdout, stderr, code := program.Run(t.Context(), append([]string{"resources", "-kubeconfig", kubeconfig}, c.args...)...)
		require.Zero(t, code, stderr)
		assert.Equal(t, c.want, stdout, c.args)
	}
	for flag, want := range map[string]string{
		"--sort-by=size":     "04-discovery: --sort-by size: it accepts only name or kind\n",
		"-o=json":            "04-discovery: -o json: this table is made as wide or name\n",
		"--namespaced=maybe": "04-discovery: invalid boolean value \"maybe\" for -namespaced: strconv.ParseBool: parsing \"maybe\": invalid syntax (-h shows the flags)\n",
	} {
		stdout, stderr, code := program.Run(t.Context(), "resources", "-kubeconfig", kubeconfig, flag)
		assert.NotZero(t, code)
		assert.Empty(t, stdout)
		assert.Equal(t, want, stderr)
	}
}

// A table that is not complete comes first, then the error that says so.
func TestResourcesWhenPartial(t *testing.T) {
	chaptertest.Isolate(t)
	api, kubeconfig := serve(t, "lab")
	api.objects["/apis/apiregistration.k8s.io/v1/apiservices/v1."+brokenGroup] = map[string]any{"spec": map[string]any{"group": brokenGroup}}
	stdout, stderr, code := program.Run(t.Context(), "resources", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	program.RequireOutput(t, "resources", stdout)
	assert.Contains(t, stderr, "unable to retrieve the complete list of server APIs: broken.lab.example.com/v1")
}

func TestMadeFor(t *testing.T) {
	for version, want := range map[string]uint{
		"v0.37.2": 37, "v0.37.0-rc.1": 37, "v0.17.0": 17, "v0.38.0-alpha.1.0.20261101000000-0123456789ab": 38,
		"v12.0.0+incompatible": 15, "v11.0.0+incompatible": 14, "v2.0.0+incompatible": 5,
		"v1.5.2": 5, "v1.4.0": 4, "kubernetes-1.16.3": 16, "kubernetes-1.8.0": 8,
	} {
		got, err := madeFor(version)
		assert.NoError(t, err)
		assert.Equal(t, want, got, version)
	}
	for _, version := range []string{"(devel)", "", "v0.0.0-20191114101535-6c5935290e33", "master"} {
		_, err := madeFor(version)
		assert.ErrorContains(t, err, fmt.Sprintf("client-go %q", version))
	}
}

// Every tag that is recommended for a Kubernetes is made for that Kubernetes.
func TestTagsFor(t *testing.T) {
	for minor, want := range map[uint]string{
		3: "none", 4: "v1.4.y", 5: "v2.0.y v1.5.y", 6: "v3.0.y", 8: "kubernetes-1.8.y v5.0.y", 15: "kubernetes-1.15.y v12.0.y",
		16: "kubernetes-1.16.y v0.16.y", 17: "v0.17.y kubernetes-1.17.y", 37: "v0.37.y kubernetes-1.37.y",
	} {
		assert.Equal(t, want, strings.Join(tagsFor(minor), " "), minor)
	}
	for minor := uint(4); minor < 40; minor++ {
		for _, tag := range tagsFor(minor) {
			got, err := madeFor(strings.Replace(tag, ".y", ".0", 1))
			require.NoError(t, err, tag)
			assert.Equal(t, minor, got, tag)
		}
	}
}

func TestModuleVersion(t *testing.T) {
	const path = "k8s.io/client-go"
	for _, c := range []struct {
		name   string
		module debug.Module
		want   string
	}{
		{"as required", debug.Module{Path: path, Version: "v0.37.2"}, "v0.37.2"},
		{"replaced by another version", debug.Module{Path: path, Version: "v11.0.0+incompatible", Replace: &debug.Module{Path: path, Version: "v0.20.4"}}, "v0.20.4"},
		{"replaced by a fork", debug.Module{Path: path, Version: "v0.37.2", Replace: &debug.Module{Path: "example.com/fork", Version: "v0.36.1"}}, "v0.36.1"},
		{"replaced by a directory", debug.Module{Path: path, Version: "v0.37.2", Replace: &debug.Module{Path: "../client-go"}}, "(devel)"},
		{"of a workspace", debug.Module{Path: path, Version: "(devel)"}, "(devel)"},
	} {
		got, err := moduleVersion(&debug.BuildInfo{Deps: []*debug.Module{{Path: "k8s.io/api", Version: "v0.1.0"}, &c.module}}, path)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.want, got, c.name)
	}
	_, err := moduleVersion(&debug.BuildInfo{}, path)
	assert.ErrorContains(t, err, "no module k8s.io/client-go in this program (0 modules)")
}

func TestClientGoVerdict(t *testing.T) {
	for _, c := range []struct {
		client, server uint
		sign, contains string
	}{
		{37, 37, "✓", "exactly the same"},
		{38, 37, "+-", "client-go is 1 newer"},
		{36, 37, "+-", "client-go is 1 older"},
		{15, 37, "+-", "client-go is 22 older"},
	} {
		sign, promise := clientGoVerdict(c.client, c.server)
		assert.Equal(t, c.sign, sign)
		assert.Contains(t, promise, c.contains)
	}
}

func TestSkewPolicy(t *testing.T) {
	rules := map[string]skewRule{}
	for _, rule := range skewPolicy() {
		rules[rule.component] = rule
	}
	for _, c := range []struct {
		component              string
		version, oldest, newst uint
		want                   bool
	}{
		{"kubectl", 38, 37, 37, true}, {"kubectl", 36, 37, 37, true}, {"kubectl", 39, 37, 37, false}, {"kubectl", 35, 37, 37, false},
		// While the API servers differ, 1.36 and 1.37, the range is what suits both.
		{"kubectl", 38, 36, 37, false}, {"kubectl", 35, 36, 37, false}, {"kubectl", 37, 36, 37, true}, {"kubectl", 36, 36, 37, true},
		{"kubelet", 37, 37, 37, true}, {"kubelet", 34, 37, 37, true}, {"kubelet", 33, 37, 37, false}, {"kubelet", 38, 37, 37, false},
		{"kubelet", 37, 36, 37, false}, {"kubelet", 34, 36, 37, true},
		{"kubelet", 24, 26, 26, true}, {"kubelet", 24, 27, 27, false}, {"kubelet", 25, 28, 28, true}, // since 1.25 three
		{"kube-proxy", 24, 27, 27, false}, {"kube-proxy", 34, 37, 37, true},
		{"kube-controller-manager", 38, 37, 37, false}, {"kube-controller-manager", 36, 37, 37, true}, {"kube-controller-manager", 35, 37, 37, false},
		{"kube-scheduler", 37, 36, 37, false}, {"kube-scheduler", 36, 36, 37, true},
		{"another kube-apiserver", 38, 37, 37, true}, {"another kube-apiserver", 35, 37, 37, false},
		{"kubectl", 37, 35, 37, false}, // API servers two minors apart: nothing is supported
	} {
		assert.Equal(t, c.want, rules[c.component].supported(c.version, c.oldest, c.newst), "%s 1.%d with 1.%d to 1.%d", c.component, c.version, c.oldest, c.newst)
	}
}

func TestServesErrorIsNotNo(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "service unavailable", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	client, err := newDiscoveryClient(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	_, err = serves(t.Context(), client, schema.GroupVersionResource{Group: brokenGroup, Version: "v1", Resource: "pots"}, "list")
	assert.True(t, apierrors.IsServiceUnavailable(err), err)
}

// IsResourceEnabled asks the same request, but has no context and does not look at verbs.
func TestIsResourceEnabledKnowsNoVerbs(t *testing.T) {
	_, client, _, wire := serveDiscovery(t)
	reviews := schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}
	enabled, err := discovery.IsResourceEnabled(client, reviews)
	require.NoError(t, err)
	assert.True(t, enabled)
	served, err := serves(t.Context(), client, reviews, "list")
	require.NoError(t, err)
	assert.Equal(t, "no such verb", served)
	seen := wire.take()
	require.Len(t, seen, 2)
	assert.Equal(t, seen[0], seen[1])
}

// A server from before aggregated discovery answers in the old format. The client does not have to be told.
func TestOldServer(t *testing.T) {
	api, client, _, wire := serveDiscovery(t)
	api.legacy = true
	_, lists, err := client.ServerGroupsAndResourcesWithContext(t.Context())
	require.NoError(t, err)
	assert.Len(t, lists, 23)
	assert.Len(t, wire.take(), 25)
}

// A Config whose Burst is meant for other clients: of the 25 requests to an old server, 15 wait for the client's own
// limiter. The clock is the bubble's.
func TestSmallBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.legacy = true
		client, err := newDiscoveryClient(&rest.Config{Host: "http://192.0.2.1", QPS: 5, Burst: 10, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			answer := httptest.NewRecorder()
			api.ServeHTTP(answer, r)
			return answer.Result(), nil
		})})
		require.NoError(t, err)
		var mu sync.Mutex // the requests are sent in parallel
		var log []string
		logger := funcr.New(func(_, args string) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, args)
		}, funcr.Options{Verbosity: 3})
		start := time.Now()
		_, _, err = client.ServerGroupsAndResourcesWithContext(klog.NewContext(t.Context(), logger))
		require.NoError(t, err)
		assert.InDelta(t, 3, time.Since(start).Seconds(), 0.01)
		assert.Contains(t, strings.Join(log, "\n"), `"Waited before sending request"`)
		assert.Contains(t, strings.Join(log, "\n"), "client-side throttling")
	})
}

// The memory cache keeps the error of a group that was down in the aggregated format, even when it is up again.
func TestMemoryCacheKeepsTheError(t *testing.T) {
	_, client, objects, wire := serveDiscovery(t)
	require.NoError(t, breakIt(t.Context(), objects, client, labNamespace, &bytes.Buffer{}))
	cache := memory.NewMemCacheClientWithContext(client)
	_, err := cache.ServerPreferredResourcesWithContext(t.Context())
	require.True(t, discovery.IsGroupDiscoveryFailedError(err))
	require.NoError(t, repair(t.Context(), objects, client))
	wire.take()
	_, err = cache.ServerPreferredResourcesWithContext(t.Context())
	assert.True(t, discovery.IsGroupDiscoveryFailedError(err))
	_, err = cache.ServerResourcesForGroupVersionWithContext(t.Context(), broken)
	assert.Equal(t, "stale GroupVersion discovery: "+broken, err.Error())
	assert.Empty(t, wire.take())
	cache.InvalidateWithContext(t.Context())
	_, err = cache.ServerPreferredResourcesWithContext(t.Context())
	assert.NoError(t, err)
}

// kubectl's client. With files of an earlier start it is not fresh, so that a RESTMapper looks again when it finds nothing.
func TestDiskCacheLooksAgain(t *testing.T) {
	api := newFakeAPI()
	server := httptest.NewServer(api)
	defer server.Close()
	config, dir := &rest.Config{Host: server.URL}, t.TempDir()
	start := func() *disk.CachedDiscoveryClient {
		client, err := disk.NewCachedDiscoveryClientForConfig(config, dir, "", time.Hour)
		require.NoError(t, err)
		return client
	}
	_, err := start().ServerPreferredResourcesWithContext(t.Context())
	require.NoError(t, err)
	live, err := newDiscoveryClient(config)
	require.NoError(t, err)
	objects, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	require.NoError(t, makeTeapots(t.Context(), objects, live))

	second := start()
	_, err = second.ServerResourcesForGroupVersionWithContext(t.Context(), "apps/v1")
	require.NoError(t, err)
	assert.False(t, second.FreshWithContext(t.Context()))
	mapper := restmapper.NewDeferredDiscoveryRESTMapperWithContext(second)
	mapping, err := mapper.RESTMappingWithContext(t.Context(), schema.GroupKind{Group: teapotGroup, Kind: "Teapot"})
	require.NoError(t, err)
	assert.Equal(t, "teapots", mapping.Resource.Resource)
}

// On a server without aggregated discovery the same client does see that a group is down.
func TestDiskCacheOnOldServerWhenPartial(t *testing.T) {
	api := newFakeAPI()
	server := httptest.NewServer(api)
	defer server.Close()
	api.objects["/apis/apiregistration.k8s.io/v1/apiservices/v1."+brokenGroup] = map[string]any{"spec": map[string]any{"group": brokenGroup}}
	for _, old := range []bool{false, true} {
		api.legacy = old
		client, err := disk.NewCachedDiscoveryClientForConfig(&rest.Config{Host: server.URL}, t.TempDir(), "", time.Hour)
		require.NoError(t, err)
		lists, err := client.ServerPreferredResourcesWithContext(klog.NewContext(t.Context(), klog.Logger{}))
		assert.Equal(t, old, discovery.IsGroupDiscoveryFailedError(err))
		assert.Len(t, lists, 23)
	}
}

func TestWrappedPartialError(t *testing.T) {
	err := error(&discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{{Group: brokenGroup, Version: "v1"}: errors.New("down")}})
	wrapped := fmt.Errorf("discover: %w", err)
	assert.True(t, discovery.IsGroupDiscoveryFailedError(err))
	assert.False(t, discovery.IsGroupDiscoveryFailedError(wrapped))
	assert.ErrorIs(t, wrapped, &discovery.ErrGroupDiscoveryFailed{})
	groups, ok := discovery.GroupDiscoveryFailedErrorGroups(wrapped)
	assert.True(t, ok)
	assert.Len(t, groups, 1)
}

func TestExplain(t *testing.T) {
	chaptertest.Isolate(t)
	_, kubeconfig := serve(t, "prod")
	explain := func(path string) (string, string, int) {
		return program.Run(t.Context(), "explain", path, "-kubeconfig", kubeconfig)
	}
	for path, want := range map[string]string{
		"deployments":                            "deployments, in apps/v1 Deployment\nobject\n",
		"deploy.spec.replicas":                   "deploy.spec.replicas, in apps/v1 Deployment\nint32\n",
		"deployment.spec.template.spec":          "deployment.spec.template.spec, in apps/v1 Deployment\nPodSpec\n",
		"deploy.spec.template.spec.nodeSelector": "deploy.spec.template.spec.nodeSelector, in apps/v1 Deployment\nmap[string]string\n",
		"deploy.spec.selector":                   "deploy.spec.selector, in apps/v1 Deployment\nLabelSelector, required\n",
	} {
		stdout, stderr, code := explain(path)
		require.Zero(t, code, stderr)
		assert.True(t, strings.HasPrefix(stdout, want), stdout)
	}
	for path, want := range map[string]string{
		"Pod":                  `no resource "Pod" on this server (go run ./04-discovery lists them; names are in small letters)`,
		"teapots":              `no resource "teapots" on this server (go run ./04-discovery lists them)`,
		"deploy.spec.replica":  `no field "replica" in deploy.spec, which has: minReadySeconds, paused, progressDeadlineSeconds, replicas, revisionHistoryLimit, selector, strategy, template`,
		"deploy.spec.paused.x": `no field "x" in deploy.spec.paused: it is a boolean and has no fields`,
		"deploy.":              `"deploy." ends with a dot: the name of a field is missing behind it`,
		"deploy.spec.":         `"deploy.spec." ends with a dot: the name of a field is missing behind it`,
		"deploy.apps":          `no field "apps" in deploy, which has: apiVersion, kind, metadata, spec, status; a path is RESOURCE.FIELD.FIELD and takes no group or version`,
		"deploy.v1.apps":       `no field "v1" in deploy, which has: apiVersion, kind, metadata, spec, status; a path is RESOURCE.FIELD.FIELD and takes no group or version`,
		"hpa":                  `the server has no OpenAPI v3 document for autoscaling/v2`,
		"jobs":                 `get the OpenAPI v3 document of batch/v1: the server could not find the requested resource`,
	} {
		stdout, stderr, code := explain(path)
		assert.Equal(t, chapter.ExitFailed, code)
		assert.Empty(t, stdout)
		assert.Equal(t, "04-discovery: "+want+"\n", stderr)
	}
}

// One empty line between what is said of a field and the requests, if there is no table between them.
func TestExplainScalar(t *testing.T) {
	chaptertest.Isolate(t)
	_, kubeconfig := serve(t, "prod")
	stdout, stderr, code := program.Run(t.Context(), "explain", "deploy.spec.paused", "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\nboolean\nIndicates that the deployment is paused.\n\nGET /openapi/v3 -> ")
}

// The sixth question gets no answer: the five before it did.
func TestSupportsPrintsWhatItKnows(t *testing.T) {
	api := newFakeAPI()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/apis/authorization.k8s.io/v1" {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var out bytes.Buffer
	err := supports(t.Context(), &rest.Config{Host: server.URL, QPS: -1}, nil, &out)
	require.ErrorContains(t, err, "ask what authorization.k8s.io/v1 has: ")
	assert.True(t, apierrors.IsServiceUnavailable(err))
	assert.Equal(t, 6, strings.Count(out.String(), "\n"), out.String())
	assert.Contains(t, out.String(), "pods/exec.v1.              list      no such verb            yes       no\n")
}

func TestWaitFor(t *testing.T) {
	busy := apierrors.NewTooManyRequests("storage is (re)initializing", 0)
	asked := 0
	require.NoError(t, waitFor(t.Context(), "the server", func(context.Context) (bool, error) {
		asked++
		if asked == 1 {
			return false, busy
		}
		return true, nil
	}))
	assert.Equal(t, 2, asked)

	asked = 0
	err := waitFor(t.Context(), "the server", func(context.Context) (bool, error) { asked++; return false, errors.New("broken") })
	assert.EqualError(t, err, "wait for the server: broken")
	assert.Equal(t, 1, asked, "any other error ends it")

	ctx, cancel := context.WithCancel(t.Context())
	err = waitFor(ctx, "the server", func(context.Context) (bool, error) { cancel(); return false, busy })
	assert.EqualError(t, err, "wait for the server: context canceled; the last answer: storage is (re)initializing")
	assert.ErrorIs(t, err, context.Canceled)
}

// A CustomResourceDefinition whose finalizer has missed its turn goes when anything about it changes.
func TestSweepTouchesWhatStays(t *testing.T) {
	api, client, objects, _ := serveDiscovery(t)
	sweep := &lab{objects: objects, discovery: client}
	name := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/teapots." + teapotGroup
	require.NoError(t, makeTeapots(t.Context(), objects, client))
	api.keep = true
	api.objects[name]["status"] = map[string]any{"conditions": []any{
		map[string]any{"type": "Terminating", "status": "True", "message": "storage is (re)initializing"},
	}}
	require.NoError(t, sweep.sweep(t.Context()))
	assert.Empty(t, api.names())
	assert.Contains(t, api.seen(), "PATCH "+name)
}

// Each custom resource is used before it is deleted. If its CRD does not go, the error says what the server says.
func TestSweepSaysWhatStays(t *testing.T) {
	api, client, objects, _ := serveDiscovery(t)
	require.NoError(t, makeTeapots(t.Context(), objects, client))
	api.keep = true
	api.objects["/apis/apiextensions.k8s.io/v1/customresourcedefinitions/teapots."+teapotGroup]["status"] = map[string]any{"conditions": []any{
		map[string]any{"type": "Established", "status": "True", "message": "the initial names have been accepted"},
		map[string]any{"type": "Terminating", "status": "True", "message": "storage is (re)initializing"},
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before, lists := len(api.seen()), 0
	api.afterEach(func(_ int, r *http.Request) {
		if r.Method == "GET" && strings.HasSuffix(r.URL.Path, "/customresourcedefinitions") {
			if lists++; lists == 3 { // the first asks what to use; the second is after the deletion, and sees it there
				cancel()
			}
		}
	})
	err := (&lab{objects: objects, discovery: client}).sweep(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "wait for this chapter's customresourcedefinitions to go: ")
	assert.ErrorContains(t, err, " (the server says: storage is (re)initializing)")
	asked := api.seen()[before:]
	used := slices.Index(asked, "GET /apis/"+teapots+"/teapots")
	deleted := slices.Index(asked, "DELETE /apis/apiextensions.k8s.io/v1/customresourcedefinitions")
	assert.True(t, used >= 0 && used < deleted, asked)
}

func TestTypeNames(t *testing.T) {
	text := spec.StringProperty()
	for want, s := range map[string]*spec.Schema{
		"string":              text,
		"[]string":            spec.ArrayProperty(text),
		"map[string][]string": spec.MapProperty(spec.ArrayProperty(text)),
		"int32":               spec.Int32Property(),
		"Container":           spec.RefProperty("#/components/schemas/io.k8s.api.core.v1.Container"),
		"any":                 {},
	} {
		assert.Equal(t, want, schemas{}.typeName(*s))
	}
	assert.Equal(t, "One.", firstSentence("One. Two."))
	assert.Equal(t, "One", firstSentence("One\nTwo. Three"))
	assert.Equal(t, "e.g.this", firstSentence("e.g.this"))
}

func TestHelp(t *testing.T) {
	stdout, stderr, code := program.Run(t.Context(), "-h")
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	for _, step := range contents().Steps {
		assert.Contains(t, stdout, step.Summary)
	}
	for _, word := range []string{"explain [PATH]", "-api-group", "-namespaced", "-sort-by"} {
		assert.Contains(t, stdout, word)
	}
}

func TestConnectErrors(t *testing.T) { program.ConnectErrors(t, "resources", "cached") }

func TestGuard(t *testing.T) {
	program.Guard(t, "preferred", "cached", "partial")
	_, kubeconfig := serve(t, "kind-kind")
	_, stderr, code := program.Run(t.Context(), "partial", "-kubeconfig", kubeconfig)
	assert.Zero(t, code, stderr)
}

func TestAll(t *testing.T) { program.All(t) }

func TestInterrupt(t *testing.T) {
	chaptertest.Isolate(t)
	api, kubeconfig := serve(t, "lab")
	made := make(chan struct{})
	var once sync.Once
	api.afterEach(func(_ int, r *http.Request) {
		if r.Method == "POST" && slices.ContainsFunc(api.names(), func(name string) bool { return strings.Contains(name, "apiservices") }) {
			once.Do(func() { close(made) })
			<-r.Context().Done() // no answer until the program gives up
		}
	})
	stdout, stderr, code := chaptertest.Command(t, func(p *os.Process) {
		<-made
		require.NoError(t, p.Signal(os.Interrupt))
	}, "partial", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitInterrupted, code, stdout)
	assert.Contains(t, stderr, "04-discovery: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	assert.Empty(t, api.names(), "left behind")
}

// "| head": nobody reads the output any more. The step ends, and cleans up.
func TestNobodyReads(t *testing.T) {
	chaptertest.Isolate(t)
	api, kubeconfig := serve(t, "lab")
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	defer writer.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "partial", "-kubeconfig", kubeconfig)
	cmd.Env = append(os.Environ(), "LAB_TEST_AS_PROGRAM=1")
	cmd.Stdout = writer
	require.ErrorAs(t, cmd.Run(), new(*exec.ExitError))
	assert.Equal(t, chapter.ExitInterrupted, cmd.ProcessState.ExitCode())
	assert.Contains(t, api.seen(), "POST /apis/apiregistration.k8s.io/v1/apiservices")
	assert.Empty(t, api.names(), "left behind")
}

// Cancel every writing step after its first request, after its second, and so on: nothing may stay behind.
func TestCancelledStepsCleanUp(t *testing.T) {
	chaptertest.Isolate(t)
	for _, step := range []string{"preferred", "cached", "partial"} {
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
					require.Greater(t, n, 10, "the step has more requests than that")
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
	for where, object := range map[string]map[string]any{
		"/apis/apiregistration.k8s.io/v1/apiservices/v1." + brokenGroup: {"spec": map[string]any{"group": brokenGroup}},
		"/api/v1/namespaces/" + labNamespace + "/services/broken":       {},
	} {
		object["metadata"] = map[string]any{"name": where[strings.LastIndex(where, "/")+1:], "labels": map[string]any{labLabel: "04"}}
		api.objects[where] = object
	}
	for _, step := range []string{"preferred", "partial"} {
		stdout, stderr, code := program.Run(t.Context(), step, "-kubeconfig", kubeconfig)
		require.Zero(t, code, stderr)
		program.RequireOutput(t, step, stdout)
		assert.Empty(t, api.names())
	}
}

// The list of the fake API is what a real server said, in either format.
func TestFormatsAgree(t *testing.T) {
	_, client, _, _ := serveDiscovery(t)
	_, lists, err := client.ServerGroupsAndResourcesWithContext(t.Context())
	require.NoError(t, err)
	_, legacy, err := client.WithLegacyWithContext(t.Context()).ServerGroupsAndResourcesWithContext(t.Context())
	require.NoError(t, err)
	assert.Equal(t, verbsOf(lists), verbsOf(legacy))
	changed := append([]*metav1.APIResourceList{}, legacy...)
	changed[3] = &metav1.APIResourceList{GroupVersion: changed[3].GroupVersion}
	assert.NotEqual(t, verbsOf(lists), verbsOf(changed))
}
