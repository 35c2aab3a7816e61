package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
	"client-go-lab/internal/labtest"
)

// clusterClient returns a client of the chapter's own for looking behind its back.
func clusterClient(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(conn.config)
	require.NoError(t, err)
	return client
}

func TestStepsOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for _, step := range contents().Steps {
		t.Run(step.Name, func(t *testing.T) {
			stdout, stderr, code := program.Run(quiet(t), step.Name, "-kubeconfig", kubeconfig)
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr)
			program.RequireOutput(t, step.Name, stdout)
			requireEmpty(t.Context(), t, client)
		})
	}
}

func TestCancelledTimelineCleansUpOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for _, word := range []string{"nobody works yet", "three workers", "made milk", "taken back"} {
		t.Run(word, func(t *testing.T) {
			ctx, cancel := context.WithCancel(quiet(t))
			defer cancel()
			out := &chaptertest.CancelAt{Word: word, Cancel: cancel}
			var stderr bytes.Buffer
			code := contents().Main(ctx, []string{"timeline", "-kubeconfig", kubeconfig}, out, &stderr)
			assert.Equal(t, chapter.ExitInterrupted, code, stderr.String())
			assert.Contains(t, out.String(), word)
			requireEmpty(t.Context(), t, client)
		})
	}
}

// holdDelete returns a kubeconfig for a proxy before the API server. It holds the first DELETE of the ConfigMap eggs, which is
// the step's, until the program has hung up; it closes deleting when it has the request. All others it passes on.
func holdDelete(t *testing.T, kubeconfig string) (slow string, deleting <-chan struct{}) {
	t.Helper()
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	transport, err := rest.TransportFor(conn.config)
	require.NoError(t, err)
	target, err := url.Parse(conn.config.Host)
	require.NoError(t, err)
	passOn := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0), // the watch that the interrupt cuts off
	}
	held := make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := false
		if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/configmaps/eggs") {
			once.Do(func() { first = true; close(held) })
		}
		if !first {
			passOn.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that somebody hangs up
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return chaptertest.Kubeconfig(t, "lab", server.URL), held
}

func TestInterruptOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	requireEmpty(t.Context(), t, client)
	slow, deleting := holdDelete(t, kubeconfig)
	late := false
	_, stderr, code := chaptertest.Command(t, func(p *os.Process) {
		select {
		case <-deleting: // the program has made its objects, and waits for the answer
			require.NoError(t, p.Signal(os.Interrupt))
		case <-time.After(30 * time.Second):
			late = true
			require.NoError(t, p.Kill())
		}
	}, "timeline", "-kubeconfig", slow)
	if late {
		t.Errorf("the program has not come to its first DELETE in 30 s, and was killed; stderr: %q", stderr)
		return
	}
	assert.Equal(t, chapter.ExitInterrupted, code)
	assert.Contains(t, stderr, "06-workqueue: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	requireEmpty(t.Context(), t, client)
}

func TestLeftoversOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	for _, name := range []string{"eggs", "tea", "soup"} {
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()}}
		_, err := client.CoreV1().ConfigMaps(labNamespace).Create(t.Context(), configMap, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	stdout, stderr, code := program.Run(quiet(t), "timeline", "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "timeline", stdout)
	requireEmpty(t.Context(), t, client)
}

// The same cluster under a name that could be anybody's: the guard sends nothing, unless -context names it.
func TestGuardOnCluster(t *testing.T) {
	config, err := clientcmd.LoadFromFile(labtest.Kubeconfig(t))
	require.NoError(t, err)
	config.Contexts["prod"] = config.Contexts[config.CurrentContext]
	config.CurrentContext = "prod"
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, clientcmd.WriteToFile(*config, kubeconfig))

	stdout, stderr, code := program.Run(quiet(t), "timeline", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "-context prod")

	stdout, stderr, code = program.Run(quiet(t), "timeline", "-kubeconfig", kubeconfig, "-context", "prod")
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "timeline", stdout)
}

// A real server selects what it sends. TestFakeWatchIgnoresSelector shows what the fake does.
func TestWatchSelectsOnCluster(t *testing.T) {
	client := clusterClient(t, labtest.Kubeconfig(t))
	require.NoError(t, makeNamespace(t.Context(), client))
	require.NoError(t, sweep(t.Context(), client))
	t.Cleanup(func() {
		ctx := context.Background()
		assert.NoError(t, client.CoreV1().ConfigMaps(labNamespace).Delete(ctx, "stranger", metav1.DeleteOptions{}))
		assert.NoError(t, sweep(ctx, client))
	})
	assert.Zero(t, strangers(quiet(t), t, client))
}

// reportGivenUp gives tea up.
func reportGivenUp(ctx context.Context, recorder events.EventRecorder) {
	queue := newCounted("", nil)
	defer queue.ShutDown()
	giveUp{object: orderFor, recorder: recorder}.finish(ctx, queue, "tea", errHopeless)
}

// The fake recorder takes what it gets. See the same on a real server below.
func TestFakeRecorderTakesAnything(t *testing.T) {
	recorder := events.NewFakeRecorder(10)
	recorder.Eventf(orderFor("tea"), nil, corev1.EventTypeWarning, "NoAction", "", "an event without an action")
	reportGivenUp(quiet(t), recorder)
	reportGivenUp(quiet(t), recorder)
	assert.Len(t, recorder.Events, 3)
}

// On a real server an event without an action is refused, and two of the same kind are one with a count.
func TestGiveUpWritesEventOnCluster(t *testing.T) {
	client := clusterClient(t, labtest.Kubeconfig(t))
	require.NoError(t, makeNamespace(t.Context(), client))
	ctx, cancel := context.WithCancel(quiet(t))
	defer cancel()
	mineOnly := metav1.ListOptions{FieldSelector: "reportingController=client-go-lab/chapter-06"}
	clean := func() {
		assert.NoError(t, client.EventsV1().Events(labNamespace).DeleteCollection(context.WithoutCancel(ctx), metav1.DeleteOptions{}, mineOnly))
	}
	clean()
	t.Cleanup(clean)
	var found []eventsv1.Event
	until := func(what string, holds func() bool) {
		require.NoError(t, wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
			list, err := client.EventsV1().Events(labNamespace).List(ctx, mineOnly)
			if err != nil {
				return false, err
			}
			found = list.Items
			return holds(), nil
		}), "%s: %+v", what, found)
	}

	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	require.NoError(t, broadcaster.StartRecordingToSinkWithContext(ctx))
	defer broadcaster.Shutdown()
	recorder := broadcaster.NewRecorder(scheme.Scheme, "client-go-lab/chapter-06")
	recorder.Eventf(orderFor("tea"), nil, corev1.EventTypeWarning, "NoAction", "", "an event without an action")
	reportGivenUp(ctx, recorder)
	until("an event", func() bool { return len(found) > 0 })
	reportGivenUp(ctx, recorder)
	until("a count", func() bool { return found[0].Series != nil })

	require.Len(t, found, 1)
	assert.Equal(t, "GaveUp", found[0].Reason)
	assert.EqualValues(t, 2, found[0].Series.Count)
	assert.Equal(t, corev1.ObjectReference{Kind: "ConfigMap", APIVersion: "v1", Namespace: labNamespace, Name: "tea"}, found[0].Regarding)
}
