package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

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

func TestStepsOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for _, step := range contents().Steps {
		t.Run(step.Name, func(t *testing.T) {
			// The sample workloads are in the namespace default.
			stdout, stderr, code := chaptertest.Command(t, nil, step.Name, "-kubeconfig", kubeconfig, "-n", "default")
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr, "klog writes there")
			program.RequireOutput(t, step.Name, stdout)
			assert.Empty(t, leftBehind(t, client))
		})
	}
}

func TestCancelledStepsCleanUpOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for step, word := range map[string]string{
		"crud":         "Foreground",
		"select":       "-- field selectors",
		"patch":        "-- strategic",
		"apply":        "forced",
		"conflict":     "reading inside",
		"watch":        "MODIFIED",
		"subresources": "EvictV1 guard-1",
		"streams":      "-- port-forward",
		"errors":       "IsTooManyRequests",
		"incluster":    "reader",
	} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &chaptertest.CancelAt{Word: word, Cancel: cancel}
			var stderr bytes.Buffer
			code := contents().Main(ctx, []string{step, "-kubeconfig", kubeconfig}, out, &stderr)
			assert.Equal(t, chapter.ExitInterrupted, code, stderr.String())
			assert.Contains(t, out.String(), word)
			assert.Empty(t, leftBehind(t, client))
		})
	}
}

func TestInterruptOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	require.Empty(t, leftBehind(t, client))
	pods, err := client.CoreV1().Pods(labNamespace).Watch(t.Context(), mine())
	require.NoError(t, err)
	defer pods.Stop()
	_, stderr, code := chaptertest.Command(t, func(p *os.Process) {
		receive(t, pods) // the program has made its first pod
		require.NoError(t, p.Signal(os.Interrupt))
	}, "crud", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitInterrupted, code)
	assert.Contains(t, stderr, "02-clientset: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	assert.Empty(t, leftBehind(t, client))
}

func TestLeftoversOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	for _, name := range []string{"web", "shop", "foreground"} { // names that crud makes, too
		_, err := client.AppsV1().Deployments(labNamespace).Create(t.Context(), newDeployment(name, 1), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	stdout, stderr, code := program.Run(t.Context(), "crud", "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "crud", stdout)
	assert.Empty(t, leftBehind(t, client))
}

// The same cluster under a name that could be anybody's: the guard sends nothing, unless -context names it.
func TestGuardOnCluster(t *testing.T) {
	config, err := clientcmd.LoadFromFile(labtest.Kubeconfig(t))
	require.NoError(t, err)
	config.Contexts["prod"] = config.Contexts[config.CurrentContext]
	config.CurrentContext = "prod"
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, clientcmd.WriteToFile(*config, kubeconfig))

	stdout, stderr, code := program.Run(t.Context(), "select", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "-context prod")

	stdout, stderr, code = program.Run(t.Context(), "select", "-kubeconfig", kubeconfig, "-context", "prod")
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "select", stdout)
}
