package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(panickingHandler) != "" {
		panicInHandler()
		os.Exit(0) // not reached
	}
	if os.Getenv(manyPodsServer) != "" {
		if err := serveManyPods(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	chaptertest.Main(m, main)
}

// program is this chapter under test.
var program = chaptertest.Program{Chapter: contents(), Expected: expected}

// serve starts a fake API and returns it with a kubeconfig whose current context has the given name.
func serve(t *testing.T, contextName string) (*fakeAPI, string) {
	t.Helper()
	api := newFakeAPI()
	return api, serveAPI(t, api, contextName)
}

func serveAPI(t *testing.T, api *fakeAPI, contextName string) (kubeconfig string) {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return chaptertest.Kubeconfig(t, contextName, server.URL)
}

// All steps at once, each on a fake of its own: most of their time is waiting for a reflector that backs off.
func TestStepsOnFakeAPI(t *testing.T) {
	chaptertest.Isolate(t)
	type result struct {
		stdout, stderr string
		code           int
		left           []string
	}
	results := make([]result, len(contents().Steps))
	var all sync.WaitGroup
	for i, step := range contents().Steps {
		api, kubeconfig := serve(t, "lab")
		all.Go(func() {
			r := &results[i]
			r.stdout, r.stderr, r.code = chaptertest.Command(t, nil, step.Name, "-kubeconfig", kubeconfig)
			r.left = api.names()
		})
	}
	all.Wait()
	for i, step := range contents().Steps {
		t.Run(step.Name, func(t *testing.T) {
			r := results[i]
			require.Zero(t, r.code, r.stderr)
			assert.Empty(t, r.stderr, "klog writes there")
			program.RequireOutput(t, step.Name, r.stdout)
			assert.Empty(t, r.left, "left behind")
		})
	}
}

func TestAll(t *testing.T)           { program.All(t) }
func TestConnectErrors(t *testing.T) { program.ConnectErrors(t, "events", "anatomy") }

func TestGuard(t *testing.T) {
	program.Guard(t, "events", "anatomy", "indexer", "sharing", "resync", "relist", "fresh", "slow", "filter", "dynamic")
}

func TestHelp(t *testing.T) {
	stdout, stderr, code := program.Run(t.Context(), "-h")
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	assert.Contains(t, stdout, "-follow")
	for _, step := range contents().Steps {
		assert.Contains(t, stdout, step.Summary)
	}
}

// cancelledAt is a word that a step writes in its middle. (indexer writes when all its requests have been made.)
var cancelledAt = map[string]string{
	"events":  "(new)",
	"anatomy": "-- create cup",
	"sharing": "-- a handler that is late",
	"resync":  "waiting for a resync",
	"relist":  "-- the server ends the watch",
	"fresh":   "-- paint cup blue",
	"slow":    "quick handler",
	"filter":  "metadata only",
	"dynamic": "-- somebody installs them",
}

func TestCancelledStepsCleanUp(t *testing.T) {
	chaptertest.Isolate(t)
	for step, word := range cancelledAt {
		t.Run(step, func(t *testing.T) {
			api, kubeconfig := serve(t, "lab")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &chaptertest.CancelAt{Word: word, Cancel: cancel}
			var stderr bytes.Buffer
			code := contents().Main(ctx, []string{step, "-kubeconfig", kubeconfig}, out, &stderr)
			assert.Equal(t, chapter.ExitInterrupted, code, stderr.String())
			assert.Contains(t, out.String(), word)
			assert.Empty(t, api.names(), "left behind")
		})
	}
}

func TestInterrupt(t *testing.T) {
	chaptertest.Isolate(t)
	api := newFakeAPI()
	made := make(chan struct{})
	var once sync.Once
	api.hook = func(_ int, r *http.Request) {
		if r.Method == http.MethodPost && len(api.names()) > 0 {
			once.Do(func() { close(made) })
			<-r.Context().Done() // no answer until the program gives up
		}
	}
	kubeconfig := serveAPI(t, api, "lab")
	ready := true
	_, stderr, code := chaptertest.Command(t, func(p *os.Process) { ready = interruptAfter(t, p, made) }, "events", "-kubeconfig", kubeconfig)
	require.True(t, ready, "made nothing in 30 s, and was killed; it said: %s", stderr)
	assert.Equal(t, chapter.ExitInterrupted, code)
	assert.Contains(t, stderr, "05-informer: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	assert.Empty(t, api.names(), "left behind")
}

// interruptAfter interrupts a program after something has happened. If that does not happen, it kills the program.
func interruptAfter[T any](t *testing.T, p *os.Process, happened <-chan T) bool {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	select {
	case <-happened:
		assert.NoError(t, p.Signal(os.Interrupt))
		return true
	case <-limit.C:
		assert.NoError(t, p.Kill())
		return false
	}
}

func TestLeftoversOfAnEarlierRun(t *testing.T) {
	chaptertest.Isolate(t)
	api, kubeconfig := serve(t, "lab")
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	client, err := newClient(conn.config)
	require.NoError(t, err)
	require.NoError(t, makeNamespace(t.Context(), client))
	for _, name := range []string{"cup", "kettle", "teapot"} {
		_, err := makePod(t.Context(), client, labNamespace, name)
		require.NoError(t, err)
	}
	stdout, stderr, code := program.Run(t.Context(), "events", "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "events", stdout)
	assert.Empty(t, api.names())
}

// events -follow changes nothing and goes on until Ctrl-C, which is how it is meant to end.
func TestFollow(t *testing.T) {
	chaptertest.Isolate(t)
	api, kubeconfig := serve(t, "prod") // it only reads: any context will do
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	client, err := newClient(conn.config)
	require.NoError(t, err)
	require.NoError(t, makeNamespace(t.Context(), client))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &chaptertest.CancelAt{Word: "delete  client-go-lab/cup\n", Cancel: cancel}
	synced := &chaptertest.CancelAt{Word: "synced:", Cancel: func() {}}
	var once sync.Once
	done := make(chan struct{})
	synced.Cancel = func() {
		once.Do(func() {
			go func() {
				defer close(done)
				_, err := makePod(t.Context(), client, labNamespace, "cup")
				assert.NoError(t, err)
				assert.NoError(t, dropPod(t.Context(), client, labNamespace, "cup"))
			}()
		})
	}
	var stderr bytes.Buffer
	code := contents().Main(ctx, []string{"events", "-follow", "-n", labNamespace, "-kubeconfig", kubeconfig}, tee{synced, out}, &stderr)
	require.Zero(t, code, stderr.String())
	require.Contains(t, synced.String(), "synced:")
	<-done
	assert.Contains(t, out.String(), "add     client-go-lab/cup (new)\n")
	assert.Empty(t, api.names())
}

// What events -follow says when it hears of no pods.
func TestFollowSaysWhatIsWrong(t *testing.T) {
	chaptertest.Isolate(t)
	forbid := func(isForbidden func(*http.Request) bool) (kubeconfig string) {
		api := newFakeAPI()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isForbidden(r) {
				labtest.SendError(w, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no role lets you")))
				return
			}
			api.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return chaptertest.Kubeconfig(t, "prod", server.URL)
	}
	dead := httptest.NewServer(nil)
	dead.Close()
	isWatch := func(r *http.Request) bool { return r.URL.Query().Has("watch") }
	for _, c := range []struct {
		what, kubeconfig string
		code             int
		stdout, stderr   string
	}{
		{"a dead server", chaptertest.Kubeconfig(t, "prod", dead.URL), chapter.ExitFailed, "", "no answer from " + dead.URL},
		{"no list", forbid(func(r *http.Request) bool { return !isWatch(r) }), chapter.ExitFailed, "", "no role lets you"},
		{"no watch", forbid(isWatch), 0, "no role lets you; the informer tries again\n", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			out := &chaptertest.CancelAt{Word: "; the informer tries again\n", Cancel: cancel}
			var stderr bytes.Buffer
			code := contents().Main(ctx, []string{"events", "-follow", "-kubeconfig", c.kubeconfig}, out, &stderr)
			assert.Equal(t, c.code, code)
			assert.Contains(t, out.String(), c.stdout)
			assert.Contains(t, stderr.String(), c.stderr)
		})
	}
}

// The proxy has the credentials of a kubeconfig, and no door: it lets nobody write.
func TestProxyOnlyReads(t *testing.T) {
	api, kubeconfig := serve(t, "lab")
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	proxy, through, err := startProxy(t.Context(), conn.config, func(*http.Request) {})
	require.NoError(t, err)
	defer proxy.refuse()
	client, err := newClient(through)
	require.NoError(t, err)
	_, err = client.CoreV1().Pods(labNamespace).List(t.Context(), mine())
	require.NoError(t, err)
	_, err = makePod(t.Context(), client, labNamespace, "cup")
	assert.True(t, apierrors.IsMethodNotSupported(err), "%v", err)
	err = dropPod(t.Context(), client, labNamespace, "cup")
	assert.True(t, apierrors.IsMethodNotSupported(err), "%v", err)
	assert.Equal(t, []string{"GET /api/v1/namespaces/" + labNamespace + "/pods"}, api.requests)
}

// tee writes to two writers.
type tee struct{ one, two *chaptertest.CancelAt }

func (t tee) Write(b []byte) (int, error) {
	_, _ = t.one.Write(b)
	return t.two.Write(b)
}
