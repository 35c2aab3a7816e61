package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
	"client-go-lab/internal/labtest"
)

// clusterClient returns a client of the chapter's own for looking behind its back.
func clusterClient(t *testing.T, kubeconfig string) *kubernetes.Clientset {
	t.Helper()
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	client, err := newClient(conn.config)
	require.NoError(t, err)
	return client
}

// requireClean looks for what this chapter's steps may have left behind.
func requireClean(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	selector := mine()
	for resource, request := range map[string]string{
		"pods":        "/api/v1/namespaces/" + labNamespace + "/pods",
		"definitions": definitionsPath,
	} {
		list := &metav1.PartialObjectMetadataList{}
		err := client.CoreV1().RESTClient().Get().AbsPath(request).
			VersionedParams(&selector, scheme.ParameterCodec).
			SetHeader("Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").
			Do(t.Context()).Into(list)
		require.NoError(t, err)
		require.Empty(t, list.Items, "%s left behind", resource)
	}
}

func TestStepsOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for _, step := range contents().Steps {
		t.Run(step.Name, func(t *testing.T) {
			stdout, stderr, code := program.Run(t.Context(), step.Name, "-kubeconfig", kubeconfig)
			require.Zero(t, code, stdout+stderr)
			assert.Empty(t, stderr)
			program.RequireOutput(t, step.Name, stdout)
			requireClean(t, client)
		})
	}
}

func TestCancelledStepsCleanUpOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for step, word := range cancelledAt {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &chaptertest.CancelAt{Word: word, Cancel: cancel}
			var stderr strings.Builder
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
	require.NoError(t, makeNamespace(t.Context(), client))
	requireClean(t, client)
	stream, err := client.CoreV1().Pods(labNamespace).Watch(t.Context(), mine())
	require.NoError(t, err)
	defer stream.Stop()
	ready := true
	_, stderr, code := chaptertest.Command(t, func(p *os.Process) {
		ready = interruptAfter(t, p, stream.ResultChan()) // the program has made its first object
	}, "relist", "-kubeconfig", kubeconfig)
	require.True(t, ready, "made nothing in 30 s, and was killed; it said: %s", stderr)
	assert.Equal(t, chapter.ExitInterrupted, code)
	assert.Contains(t, stderr, "05-informer: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	requireClean(t, client)
}

func TestLeftoversOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	for _, name := range []string{"cup", "kettle", "teapot"} {
		_, err := makePod(t.Context(), client, labNamespace, name)
		require.NoError(t, err)
	}
	stdout, stderr, code := program.Run(t.Context(), "events", "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "events", stdout)
	requireClean(t, client)
}

// The selector of an informer's watch keeps others out, on a real server. TestFakeWatchIgnoresSelectors shows the fake's.
func TestWatchHonoursSelectorsOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	require.NoError(t, inLab(t.Context(), client, func() error {
		assert.Equal(t, []string{"add tea"}, addsBehindSelector(t, client))
		return nil
	}))
}
