package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
	"client-go-lab/internal/labtest"
)

// cluster is the real API server, for looking behind the chapter's back.
type cluster struct {
	kubeconfig string
	discovery  *discovery.DiscoveryClient
	objects    dynamic.Interface
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	kubeconfig := labtest.Kubeconfig(t)
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	client, err := newDiscoveryClient(conn.config)
	require.NoError(t, err)
	objects, err := dynamic.NewForConfig(conn.config)
	require.NoError(t, err)
	return cluster{kubeconfig: kubeconfig, discovery: client, objects: objects}
}

// requireClean looks for what this chapter's steps may have left behind.
func (c cluster) requireClean(t *testing.T) {
	t.Helper()
	for _, resource := range []dynamic.ResourceInterface{
		c.objects.Resource(apiServiceResource),
		c.objects.Resource(crdResource),
		c.objects.Resource(serviceResource).Namespace(labNamespace),
		c.objects.Resource(eventResource).Namespace(labNamespace),
		c.objects.Resource(autoscalerResource).Namespace(labNamespace),
	} {
		list, err := resource.List(t.Context(), mine())
		require.NoError(t, err)
		require.Empty(t, list.Items, "left behind")
	}
	groups, err := c.discovery.ServerGroupsWithContext(t.Context())
	require.NoError(t, err)
	for _, group := range groups.Groups {
		require.NotContains(t, []string{teapotGroup, brokenGroup}, group.Name, "left in discovery")
	}
}

// kubectl runs the real kubectl, which is linked into the localcluster binary.
func (c cluster) kubectl(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), labtest.Binary(t), append([]string{"kubectl", "--kubeconfig", c.kubeconfig, "--cache-dir", t.TempDir()}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestStepsOnCluster(t *testing.T) {
	c := newCluster(t)
	for _, step := range contents().Steps {
		t.Run(step.Name, func(t *testing.T) {
			stdout, stderr, code := program.Run(t.Context(), step.Name, "-kubeconfig", c.kubeconfig)
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr)
			program.RequireOutput(t, step.Name, stdout)
			c.requireClean(t)
		})
	}
}

// tables are the ways to ask for a table that are compared with kubectl, byte for byte.
var tables = [][]string{
	{},
	{"-o", "wide"},
	{"--output=wide", "--no-headers"},
	{"--no-headers"},
	{"-o", "name"},
	{"--namespaced"},
	{"--namespaced=true"},
	{"--namespaced=false"},
	{"--api-group=apps"},
	{"--api-group", "rbac.authorization.k8s.io", "-o", "wide"},
	{"--api-group="},
	{"--api-group=nobody.example.com"},
	{"--api-group=nobody.example.com", "--no-headers"},
	{"--verbs=list,get"},
	{"--verbs", "create", "--verbs", "watch", "-o", "wide"},
	{"--verbs=create", "--namespaced=false"},
	{"--verbs=approve"},
	{"--sort-by=name"},
	{"--sort-by=kind"},
	{"--sort-by", "name", "-o", "name"},
	{"--sort-by=kind", "-o", "wide", "--namespaced"},
	{"--categories=all"},
	{"--categories=all,api-extensions"},
	{"--categories="},
	{"--verbs="},
}

func TestKubectlPrintsTheSameOnCluster(t *testing.T) {
	c := newCluster(t)
	compare := func(t *testing.T, tables [][]string) {
		t.Helper()
		for _, args := range tables {
			want, stderr, code := c.kubectl(t, append([]string{"api-resources"}, args...)...)
			require.Zero(t, code, stderr)
			got, stderr, code := program.Run(t.Context(), append([]string{"resources", "-kubeconfig", c.kubeconfig}, args...)...)
			require.Zero(t, code, stderr)
			require.Equal(t, want, got, args)
		}
		want, stderr, code := c.kubectl(t, "api-versions")
		require.Zero(t, code, stderr)
		got, stderr, code := program.Run(t.Context(), "versions", "-kubeconfig", c.kubeconfig)
		require.Zero(t, code, stderr)
		require.Equal(t, want, got)
	}
	compare(t, tables)

	// And with a custom resource in several versions, one of which has a resource of its own.
	c.sweepAtTheEnd(t)
	for _, crd := range []struct {
		plural, kind string
		versions     []any
	}{
		{"teapots", "Teapot", []any{crdVersion("v1alpha1", false), crdVersion("v1", true), crdVersion("v2beta1", false)}},
		{"teacups", "Teacup", []any{crdVersion("v2beta1", true)}},
	} {
		made := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", crd.plural+"."+teapotGroup, map[string]any{
			"group": teapotGroup, "scope": "Cluster",
			"names": map[string]any{"plural": crd.plural, "kind": crd.kind,
				"shortNames": []any{"tea" + crd.plural[3:4], "short" + crd.plural[3:4]}, "categories": []any{"all", "tableware"}},
			"versions": crd.versions,
		})
		_, err := c.objects.Resource(crdResource).Create(t.Context(), made, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, waitFor(t.Context(), "all versions to be served", func(ctx context.Context) (bool, error) {
		_, lists, _, err := c.discovery.GroupsAndMaybeResourcesWithContext(ctx)
		list := lists[schema.GroupVersion{Group: teapotGroup, Version: "v2beta1"}]
		return err == nil && list != nil && len(list.APIResources) == 2 && lists[schema.GroupVersion{Group: teapotGroup, Version: "v1alpha1"}] != nil, err
	}))
	compare(t, [][]string{{}, {"-o", "wide", "--categories=all"}, {"--sort-by=name"}, {"--sort-by=kind"}, {"--api-group", teapotGroup}})
	stdout, _, _ := program.Run(t.Context(), "resources", "-kubeconfig", c.kubeconfig, "--api-group", teapotGroup)
	assert.Contains(t, stdout, "teapots   teap,shortp   teapot.lab.example.com/v1        false        Teapot\n", "the preferred version")
	assert.Contains(t, stdout, "teacups   teac,shortc   teapot.lab.example.com/v2beta1   false        Teacup\n", "the only version it has")
}

func crdVersion(name string, storage bool) any {
	return map[string]any{"name": name, "served": true, "storage": storage,
		"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}}}
}

func (c cluster) sweepAtTheEnd(t *testing.T) {
	sweep := &lab{objects: c.objects, discovery: c.discovery}
	require.NoError(t, sweep.sweep(t.Context()))
	require.NoError(t, sweep.makeNamespace(t.Context()))
	t.Cleanup(func() { assert.NoError(t, sweep.sweep(context.WithoutCancel(t.Context()))) })
}

// While one API is down, kubectl prints what it can and says nothing of the rest. Our table is the same; but we know.
func TestKubectlPrintsTheSameWhenPartialOnCluster(t *testing.T) {
	c := newCluster(t)
	c.sweepAtTheEnd(t)
	require.NoError(t, breakIt(t.Context(), c.objects, c.discovery, labNamespace, &bytes.Buffer{}))

	for _, args := range [][]string{{}, {"-o", "wide"}, {"--api-group", brokenGroup}} {
		want, stderr, code := c.kubectl(t, append([]string{"api-resources"}, args...)...)
		assert.Zero(t, code)
		assert.Empty(t, stderr, "kubectl does not know")
		got, stderr, code := program.Run(t.Context(), append([]string{"resources", "-kubeconfig", c.kubeconfig}, args...)...)
		assert.Equal(t, chapter.ExitFailed, code)
		assert.Equal(t, want, got)
		assert.Equal(t, "04-discovery: ask the server what it serves: unable to retrieve the complete list of server APIs: "+
			"broken.lab.example.com/v1: stale GroupVersion discovery: broken.lab.example.com/v1\n", stderr)
	}
	want, _, _ := c.kubectl(t, "api-versions")
	got, stderr, code := program.Run(t.Context(), "versions", "-kubeconfig", c.kubeconfig)
	assert.Zero(t, code, stderr)
	assert.Equal(t, want, got)
	assert.NotContains(t, got, brokenGroup)

	stdout, stderr, code := program.Run(t.Context(), "explain", "-kubeconfig", c.kubeconfig, "deployments.spec.replicas")
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "deployments.spec.replicas, in apps/v1 Deployment\nint32\n")
}

// The namespace controller asks for everything, too. As long as one API is down, it cannot know that a namespace is empty.
func TestNamespaceStaysTerminatingOnCluster(t *testing.T) {
	c := newCluster(t)
	c.sweepAtTheEnd(t)
	require.NoError(t, breakIt(t.Context(), c.objects, c.discovery, labNamespace, &bytes.Buffer{}))

	namespaces := c.objects.Resource(namespaceResource)
	name := "waits-for-" + strings.ToLower(rand.Text()[:8])
	_, err := namespaces.Create(t.Context(), object("v1", "Namespace", name, nil), metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, namespaces.Delete(t.Context(), name, metav1.DeleteOptions{}))
	require.NoError(t, waitFor(t.Context(), "the namespace controller to say what it waits for", func(ctx context.Context) (bool, error) {
		found, err := namespaces.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err // not found, say: then it has not waited
		}
		conditions, _, err := unstructured.NestedSlice(found.Object, "status", "conditions")
		return slices.ContainsFunc(conditions, func(c any) bool {
			condition, _ := c.(map[string]any)
			message, _ := condition["message"].(string)
			return condition["type"] == "NamespaceDeletionDiscoveryFailure" && condition["status"] == "True" && strings.Contains(message, broken)
		}), err
	}))
	require.NoError(t, repair(t.Context(), c.objects, c.discovery))
	require.NoError(t, waitFor(t.Context(), "the namespace to go", func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	}))
}

// What kubectl explain says of a type, and what is required, we say, too.
func TestExplainAgreesWithKubectlOnCluster(t *testing.T) {
	c := newCluster(t)
	for path, want := range map[string]string{
		"pods.spec.containers.resources.limits": "pods.spec.containers.resources.limits, in v1 Pod\nmap[string]Quantity\n",
		"po.spec.nodeSelector":                  "po.spec.nodeSelector, in v1 Pod\nmap[string]string\n",
		"hpa.spec.maxReplicas":                  "hpa.spec.maxReplicas, in autoscaling/v2 HorizontalPodAutoscaler\nint32, required\n",
		"cronjob.spec.jobTemplate.spec":         "cronjob.spec.jobTemplate.spec, in batch/v1 CronJob\nJobSpec\n",
		"services.spec.ports.targetPort":        "services.spec.ports.targetPort, in v1 Service\nIntOrString\n",
	} {
		stdout, stderr, code := program.Run(t.Context(), "explain", path, "-kubeconfig", c.kubeconfig)
		require.Zero(t, code, stderr)
		assert.True(t, strings.HasPrefix(stdout, want), stdout)
		_, stderr, code = c.kubectl(t, "explain", path)
		assert.Zero(t, code, stderr)
	}
	_, stderr, code := program.Run(t.Context(), "explain", "pods.spec.container", "-kubeconfig", c.kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Contains(t, stderr, `no field "container" in pods.spec, which has: activeDeadlineSeconds, affinity, `)
	_, stderr, code = c.kubectl(t, "explain", "pods.spec.container")
	assert.NotZero(t, code)
	assert.Equal(t, "error: field \"container\" does not exist\n", stderr)
}

// A custom resource's schema has no names of types: everything is written out in place.
func TestExplainCustomResourceOnCluster(t *testing.T) {
	c := newCluster(t)
	c.sweepAtTheEnd(t)
	crd := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "teapots."+teapotGroup, map[string]any{
		"group": teapotGroup, "scope": "Namespaced",
		"names": map[string]any{"plural": "teapots", "kind": "Teapot"},
		"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{
			"type": "object", "properties": map[string]any{"spec": map[string]any{
				"type": "object", "required": []any{"tea"}, "properties": map[string]any{
					"tea":  map[string]any{"type": "string", "description": "What is in it. Not coffee."},
					"cups": map[string]any{"type": "array", "items": map[string]any{"type": "object", "properties": map[string]any{"size": map[string]any{"type": "integer", "format": "int32"}}}},
				}}}}}}},
	})
	_, err := c.objects.Resource(crdResource).Create(t.Context(), crd, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, waitFor(t.Context(), "the OpenAPI v3 document of the custom resource", func(ctx context.Context) (bool, error) {
		served, described, err := hasGroup(ctx, c.discovery, teapotGroup)
		return served && described, err
	}))
	stdout, stderr, code := program.Run(t.Context(), "explain", "teapots.spec", "-kubeconfig", c.kubeconfig)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "  cups  []object          \n  tea   string, required  What is in it.\n")
	stdout, stderr, code = program.Run(t.Context(), "explain", "teapots.spec.cups.size", "-kubeconfig", c.kubeconfig)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\nint32\n")
}

func TestCancelledStepsCleanUpOnCluster(t *testing.T) {
	c := newCluster(t)
	for step, word := range map[string]string{
		"preferred": "written as autoscaling/v1",
		"cached":    "apierrors.IsNotFound",
		"partial":   "Available False",
	} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &chaptertest.CancelAt{Word: word, Cancel: cancel}
			var stderr bytes.Buffer
			code := contents().Main(ctx, []string{step, "-kubeconfig", c.kubeconfig}, out, &stderr)
			assert.Equal(t, chapter.ExitInterrupted, code, stderr.String())
			assert.Contains(t, out.String(), word)
			c.requireClean(t)
		})
	}
}

func TestInterruptOnCluster(t *testing.T) {
	c := newCluster(t)
	c.requireClean(t)
	kubeconfig, held := c.holdAfter(t, "POST", "/apis/apiregistration.k8s.io/v1/apiservices")
	_, stderr, code := chaptertest.Command(t, func(p *os.Process) {
		select {
		case <-held: // the APIService is there, and the program waits
			require.NoError(t, p.Signal(os.Interrupt))
		case <-t.Context().Done():
		}
	}, "partial", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitInterrupted, code)
	assert.Contains(t, stderr, "04-discovery: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	c.requireClean(t)
}

// holdAfter puts a proxy before the server. It forwards everything; but the first request after the given one gets no answer
// until its client gives up. The channel is closed when that request has come.
func (c cluster) holdAfter(t *testing.T, method, path string) (kubeconfig string, held <-chan struct{}) {
	conn, err := connect(chapter.Flags{Kubeconfig: c.kubeconfig})
	require.NoError(t, err)
	server, err := url.Parse(conn.config.Host)
	require.NoError(t, err)
	transport, err := rest.TransportFor(conn.config)
	require.NoError(t, err)
	var armed atomic.Bool
	var once sync.Once
	came := make(chan struct{})
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(server) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { // the program has gone away, say
			w.WriteHeader(http.StatusBadGateway)
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method == method && r.Request.URL.Path == path {
				armed.Store(true)
			}
			return nil
		},
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if armed.Load() {
			once.Do(func() {
				close(came)
				<-r.Context().Done()
			})
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return chaptertest.Kubeconfig(t, "lab", front.URL), came
}

// An earlier run was killed and could not clean up: the next step that writes does it first.
func TestLeftoversOnCluster(t *testing.T) {
	c := newCluster(t)
	c.sweepAtTheEnd(t)
	require.NoError(t, breakIt(t.Context(), c.objects, c.discovery, labNamespace, &bytes.Buffer{}))
	require.NoError(t, makeTeapots(t.Context(), c.objects, c.discovery))
	for _, step := range []string{"cached", "partial"} {
		stdout, stderr, code := program.Run(t.Context(), step, "-kubeconfig", c.kubeconfig)
		require.Zero(t, code, stderr)
		program.RequireOutput(t, step, stdout)
		c.requireClean(t)
	}
}

// Whatever is not this chapter's own stays.
func TestSweepTouchesOnlyItsOwnOnCluster(t *testing.T) {
	c := newCluster(t)
	c.sweepAtTheEnd(t)
	services := c.objects.Resource(serviceResource).Namespace(labNamespace)
	other := object("v1", "Service", "not-chapter-04", map[string]any{"ports": []any{map[string]any{"port": int64(80)}}})
	other.SetLabels(map[string]string{labLabel: "99"})
	_, err := services.Create(t.Context(), other, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, services.Delete(context.WithoutCancel(t.Context()), other.GetName(), metav1.DeleteOptions{}))
	})
	_, stderr, code := program.Run(t.Context(), "preferred", "-kubeconfig", c.kubeconfig)
	require.Zero(t, code, stderr)
	_, err = services.Get(t.Context(), other.GetName(), metav1.GetOptions{})
	assert.NoError(t, err)
}

// The same cluster under a name that could be anybody's: the guard sends nothing, unless -context names it.
func TestGuardOnCluster(t *testing.T) {
	config, err := clientcmd.LoadFromFile(labtest.Kubeconfig(t))
	require.NoError(t, err)
	config.Contexts["prod"] = config.Contexts[config.CurrentContext]
	config.CurrentContext = "prod"
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, clientcmd.WriteToFile(*config, kubeconfig))

	stdout, stderr, code := program.Run(t.Context(), "partial", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "-context prod")

	stdout, stderr, code = program.Run(t.Context(), "preferred", "-kubeconfig", kubeconfig, "-context", "prod")
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "preferred", stdout)
}

var update = flag.Bool("update", false, "write today's answers of the real server into testdata")

// TestRecordingsOnCluster compares what the fake API serves with what a real server serves.
func TestRecordingsOnCluster(t *testing.T) {
	c := newCluster(t)
	recording := map[string][]byte{}
	for name, path := range map[string]string{"api.json": "/api", "apis.json": "/apis"} {
		body, err := c.discovery.RESTClient().Get().AbsPath(path).SetHeader("Accept", discovery.AcceptV2+","+discovery.AcceptV1).Do(t.Context()).Raw()
		require.NoError(t, err)
		recording[name] = indented(t, body)
	}
	recording["openapi-apps-v1.json"] = c.smallDocument(t)
	for name, command := range map[string]string{"api-resources.txt": "api-resources", "api-versions.txt": "api-versions"} {
		stdout, stderr, code := c.kubectl(t, command)
		require.Zero(t, code, stderr)
		recording[name] = []byte(stdout)
	}
	for name, want := range recording {
		if *update {
			require.NoError(t, os.WriteFile(filepath.Join("testdata", name), want, 0o644))
		}
		assert.Equal(t, string(want), string(testdata(name)),
			"testdata/%s is not what this server says; with a new Kubernetes, write it anew: go test ./04-discovery -run TestRecordingsOnCluster -update", name)
	}
}

// smallDocument is the OpenAPI v3 document of apps/v1, without the types and paths that the tests do not ask for.
func (c cluster) smallDocument(t *testing.T) []byte {
	paths, err := c.discovery.OpenAPIV3WithContext(t.Context()).PathsWithContext(t.Context())
	require.NoError(t, err)
	body, err := paths["apis/apps/v1"].SchemaWithContext(t.Context(), k8sruntime.ContentTypeJSON)
	require.NoError(t, err)
	document := map[string]any{}
	require.NoError(t, json.Unmarshal(body, &document))
	document["paths"] = map[string]any{}
	types, _, err := unstructured.NestedMap(document, "components", "schemas")
	require.NoError(t, err)
	for name := range types {
		if !slices.Contains([]string{"io.k8s.api.apps.v1.Deployment", "io.k8s.api.apps.v1.DeploymentSpec",
			"io.k8s.api.core.v1.PodTemplateSpec", "io.k8s.api.core.v1.PodSpec", "io.k8s.api.core.v1.Container"}, name) {
			delete(types, name)
		}
	}
	document["components"] = map[string]any{"schemas": types}
	body, err = json.Marshal(document)
	require.NoError(t, err)
	return indented(t, body)
}

func indented(t *testing.T, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, bytes.TrimSpace(body), "", " "))
	return append(out.Bytes(), '\n')
}
