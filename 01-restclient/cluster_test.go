package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
	"client-go-lab/internal/labtest"
)

// clusterClient returns a client of the chapter's own for looking behind its back.
func clusterClient(t *testing.T, kubeconfig string) *rest.RESTClient {
	t.Helper()
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	client, err := newCoreClient(conn.config)
	require.NoError(t, err)
	return client
}

// requireClean looks for what this chapter's steps may have left behind.
func requireClean(t *testing.T, client rest.Interface) {
	t.Helper()
	selector := mine()
	for resource, request := range map[string]*rest.Request{
		"configmaps":  client.Get(),
		"deployments": client.Get().AbsPath("/apis/apps/v1"),
	} {
		list := &metav1.PartialObjectMetadataList{}
		err := request.Namespace(labNamespace).Resource(resource).
			VersionedParams(&selector, scheme.ParameterCodec).
			SetHeader("Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").
			Do(t.Context()).Into(list)
		require.NoError(t, err)
		require.Empty(t, list.Items, "left behind")
	}
}

func TestStepsOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for _, step := range contents().Steps {
		t.Run(step.Name, func(t *testing.T) {
			args := []string{step.Name, "-kubeconfig", kubeconfig}
			if step.Name == "pods" || step.Name == "table" {
				args = append(args, "-n", "default") // where the sample workloads are
			}
			stdout, stderr, code := program.Run(t.Context(), args...)
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr)
			program.RequireOutput(t, step.Name, stdout)
			requireClean(t, client)
		})
	}
}

func TestCancelledStepsCleanUpOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for step, word := range map[string]string{
		"verbs":  "updated:",
		"result": "StatusCode",
		"pages":  "-- page by page",
		"watch":  "MODIFIED",
		"paths":  "GET scale",
		"config": "-- Timeout",
	} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &chaptertest.CancelAt{Word: word, Cancel: cancel}
			var stderr bytes.Buffer
			code := contents().Main(ctx, []string{step, "-kubeconfig", kubeconfig}, out, &stderr)
			assert.Equal(t, chapter.ExitInterrupted, code, stderr.String())
			assert.Contains(t, out.String(), word)
			requireClean(t, client)
		})
	}
}

func TestInterruptOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	requireClean(t, client)
	stream, err := startWatch(t.Context(), client, labNamespace, metav1.ListOptions{})
	require.NoError(t, err)
	defer stream.Stop()
	_, stderr, code := chaptertest.Command(t, func(p *os.Process) {
		_, err := next(t.Context(), stream) // the program has made its first object
		require.NoError(t, err)
		require.NoError(t, p.Signal(os.Interrupt))
	}, "watch", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitInterrupted, code)
	assert.Contains(t, stderr, "01-restclient: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	requireClean(t, client)
}

func TestLeftoversOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	for _, name := range []string{"paint", "kettle", "page-3", "result"} {
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()}}
		require.NoError(t, client.Post().Namespace(labNamespace).Resource("configmaps").Body(configMap).Do(t.Context()).Error())
	}
	stdout, stderr, code := program.Run(t.Context(), "verbs", "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "verbs", stdout)
	requireClean(t, client)
}

// The same cluster under a name that could be anybody's: the guard sends nothing, unless -context names it.
// What the lesson calls a trap: the server, and no fake, says what comes of it.
func TestTrapsOnCluster(t *testing.T) {
	client := clusterClient(t, labtest.Kubeconfig(t))
	require.NoError(t, makeNamespace(t.Context(), client))
	configMaps := func(request *rest.Request) *rest.Request {
		return request.Namespace(labNamespace).Resource("configmaps")
	}
	kettle := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: "kettle", Labels: labels()},
	}
	options := mine()
	list := &corev1.ConfigMapList{}
	require.NoError(t, configMaps(client.Get()).VersionedParams(&options, scheme.ParameterCodec).Do(t.Context()).Into(list))
	options.ResourceVersion, options.Watch = list.ResourceVersion, true
	stream, err := configMaps(client.Get()).VersionedParams(&options, scheme.ParameterCodec).Watch(t.Context())
	require.NoError(t, err)
	defer stream.Stop()
	for _, name := range []string{"kettle", "paint"} {
		made := kettle.DeepCopy()
		made.Name = name
		require.NoError(t, configMaps(client.Post()).Body(made).Do(t.Context()).Error())
		defer configMaps(client.Delete()).Name(name).Do(context.WithoutCancel(t.Context()))
	}

	// A patch whose body is an object: its Content-Type is that of an object.
	err = configMaps(client.Patch(types.MergePatchType)).Name("kettle").Body(kettle).Do(t.Context()).Error()
	assert.True(t, apierrors.IsUnsupportedMediaType(err), "%v", err)

	// Two ConfigMaps, read into a list of Pods.
	pods := &corev1.PodList{}
	require.NoError(t, configMaps(client.Get()).Do(t.Context()).Into(pods))
	assert.Empty(t, pods.Items)

	// A limit, and an answer from the cache.
	for version, want := range map[string]int{"": 1, "0": 2} {
		options := mine()
		options.Limit, options.ResourceVersion = 1, version
		require.Eventually(t, func() bool { // the cache may be a moment late
			list := &corev1.ConfigMapList{}
			err := configMaps(client.Get()).VersionedParams(&options, scheme.ParameterCodec).Do(t.Context()).Into(list)
			return assert.NoError(t, err) && len(list.Items) == want
		}, 10*time.Second, 10*time.Millisecond, "resourceVersion %q", version)
	}

	// Request.Watch asks for what the options say, and no more.
	notAWatch, err := configMaps(client.Get()).Watch(t.Context())
	require.NoError(t, err)
	defer notAWatch.Stop()
	event, err := next(t.Context(), notAWatch)
	require.NoError(t, err)
	assert.ErrorContains(t, apierrors.FromObject(event.Object), "unable to decode to metav1.WatchEvent")

	// An object that loses its label is there, and DELETED.
	patch := []byte(`{"metadata":{"labels":null}}`)
	require.NoError(t, configMaps(client.Patch(types.MergePatchType)).Name("paint").Body(patch).Do(t.Context()).Error())
	var seen []watch.EventType
	for range 3 {
		event, err := next(t.Context(), stream)
		require.NoError(t, err)
		seen = append(seen, event.Type)
	}
	assert.Equal(t, []watch.EventType{watch.Added, watch.Added, watch.Deleted}, seen)
	require.NoError(t, configMaps(client.Get()).Name("paint").Do(t.Context()).Error())
}

func TestGuardOnCluster(t *testing.T) {
	config, err := clientcmd.LoadFromFile(labtest.Kubeconfig(t))
	require.NoError(t, err)
	config.Contexts["prod"] = config.Contexts[config.CurrentContext]
	config.CurrentContext = "prod"
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, clientcmd.WriteToFile(*config, kubeconfig))

	stdout, stderr, code := program.Run(t.Context(), "verbs", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "-context prod")

	stdout, stderr, code = program.Run(t.Context(), "verbs", "-kubeconfig", kubeconfig, "-context", "prod")
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "verbs", stdout)
}
