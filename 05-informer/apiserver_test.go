package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"client-go-lab/internal/labtest"
)

// ownCluster is a cluster for one test, as the lab's own, which may break it.
type ownCluster struct {
	t      *testing.T
	state  string
	config *rest.Config
}

func startOwnCluster(t *testing.T) *ownCluster {
	t.Helper()
	c := &ownCluster{t: t, state: labtest.OwnCluster(t)}
	var err error
	c.config, err = clientcmd.BuildConfigFromFlags("", filepath.Join(c.state, "admin.conf"))
	require.NoError(t, err)
	return c
}

func (c *ownCluster) pid(component string) int {
	data, err := os.ReadFile(filepath.Join(c.state, "components.json"))
	require.NoError(c.t, err)
	var components []struct {
		Name string
		PID  int
	}
	require.NoError(c.t, json.Unmarshal(data, &components))
	for _, one := range components {
		if one.Name == component {
			return one.PID
		}
	}
	return 0
}

// kill ends components at once. The supervisor starts them again.
func (c *ownCluster) kill(components ...string) {
	c.t.Helper()
	before := map[string]int{}
	for _, name := range components {
		before[name] = c.pid(name)
		require.NotZero(c.t, before[name])
		require.NoError(c.t, syscall.Kill(before[name], syscall.SIGKILL))
	}
	for _, name := range components {
		require.Eventually(c.t, func() bool { pid := c.pid(name); return pid != 0 && pid != before[name] },
			time.Minute, 10*time.Millisecond, "%s is started again", name)
	}
}

func (c *ownCluster) waitReady(client kubernetes.Interface) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		return client.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(c.t.Context()).Error() == nil
	}, time.Minute, 20*time.Millisecond, "the API server is ready")
}

// roundTripper is a function that sends requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// until reads what a scene says until all that is wanted has been said, and returns everything.
func (s *scene) until(t *testing.T, wanted ...string) []string {
	t.Helper()
	var all []string
	for len(wanted) > 0 {
		line, err := s.next()
		require.NoError(t, err, "still missing: %v\nsaid:\n%s", wanted, strings.Join(all, "\n"))
		all = append(all, line)
		wanted = slices.DeleteFunc(wanted, func(want string) bool { return want == line })
	}
	return all
}

// watchPods starts an informer of pods that says its requests and what its reflector logs.
func watchPods(t *testing.T, s *scene, config *rest.Config) {
	t.Helper()
	var informer informersv1.PodIndexInformer
	watching := rest.CopyConfig(config)
	watching.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			s.say("  request: %s", describeRequest(r, informer.LastSyncResourceVersion()))
			return next.RoundTrip(r)
		})
	})
	client, err := newClient(watching)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(s.ctx)
	factory := newFactory(client, labNamespace)
	t.Cleanup(func() { cancel(); factory.Shutdown() })
	informer = factory.Core().V1().Pods().TypedInformer()
	_, err = informer.AddTypedEventHandler(s.handler())
	require.NoError(t, err)
	logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(4), textlogger.WithHeader(false),
		textlogger.Output(io.MultiWriter(t.Output(), &reflectorLog{say: s.say}))))
	factory.StartWithContext(klog.NewContext(ctx, logger))
}

// The API server is killed and comes back. The informer is connected to it directly, as yours will be. It would go on
// where it was; but its last resourceVersion is older than the new server's memory, because something else, a ConfigMap,
// was written since. So it is told 410, and relists.
func TestAPIServerRestartsOnCluster(t *testing.T) {
	cluster := startOwnCluster(t)
	s := newScene(t, cluster)
	watchPods(t, s, cluster.config)
	s.until(t, "  handler: add cup", "  handler: add pan")
	s.paint("cup", "blue")
	require.NoError(t, s.err)
	s.until(t, `  handler: update cup: colour "blue"`)
	other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	_, err := s.direct.CoreV1().ConfigMaps(labNamespace).Create(s.ctx, other, metav1.CreateOptions{})
	require.NoError(t, err)

	cluster.kill("kube-apiserver")
	s.until(t, "  log:     Watch close", "  request: WATCH from where it was", "  log:     Watch closed", "  log:     Listing and watching",
		"  request: WATCH, all that is there first, from where it was",
		"  handler: update cup, to the same resourceVersion", "  handler: update pan, to the same resourceVersion")
}

// An object is deleted while the informer is away, and etcd has forgotten that by the time it comes back: etcd is killed,
// and this cluster's is compacted when it starts. (Events have no watch cache in the API server. Their watches are etcd's
// own, and so is their 410; for other kinds the cache would still remember, see the test above.)
func TestCompactedEtcdOnCluster(t *testing.T) {
	cluster := startOwnCluster(t)
	s := newScene(t, cluster)
	var informer cache.SharedIndexInformer
	proxy, through, err := startProxy(t.Context(), cluster.config, func(r *http.Request) {
		s.say("  request: %s", describeRequest(r, informer.LastSyncResourceVersion()))
	})
	require.NoError(t, err)
	defer proxy.refuse()
	client, err := newClient(through)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(s.ctx)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(labNamespace))
	defer factory.Shutdown()
	defer cancel()
	informer = factory.Core().V1().Events().Informer()
	handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { s.say("  handler: add %s", object.(*corev1.Event).Name) },
		DeleteFunc: func(object any) {
			_, unknown := object.(cache.DeletedFinalStateUnknown)
			s.say("  handler: delete, a tombstone: %t", unknown)
		},
	})
	require.NoError(t, err)
	logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(4), textlogger.WithHeader(false),
		textlogger.Output(io.MultiWriter(t.Output(), &reflectorLog{say: s.say}))))
	factory.StartWithContext(klog.NewContext(ctx, logger))
	require.True(t, cache.WaitFor(ctx, "", handler.HasSyncedChecker()))
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "news"}, InvolvedObject: corev1.ObjectReference{Namespace: labNamespace}}
	_, err = s.direct.CoreV1().Events(labNamespace).Create(ctx, event, metav1.CreateOptions{})
	require.NoError(t, err)
	s.until(t, "  handler: add news")

	proxy.refuse()
	s.until(t, "  log:     Watch close", "  log:     Watch failed - backing off")
	require.NoError(t, s.direct.CoreV1().Events(labNamespace).Delete(ctx, "news", metav1.DeleteOptions{}))
	cluster.kill("etcd") // compacted when it starts; the API server runs on
	cluster.waitReady(s.direct)
	require.NoError(t, proxy.accept(ctx))
	said := s.until(t, "  log:     Watch closed", "  log:     Listing and watching",
		"  request: WATCH, all that is there first, from where it was", "  handler: delete, a tombstone: true")
	assert.Contains(t, said, "  request: WATCH from where it was", "first it tried to go on")
	// The list from where it was is no problem: it may be newer, and the server has a newer one.
	assert.NotContains(t, said, "  request: WATCH, all that is there first, from now")
}

// newScene makes the pods cup and pan, and nothing that watches them yet.
func newScene(t *testing.T, cluster *ownCluster) *scene {
	t.Helper()
	direct, err := newClient(cluster.config)
	require.NoError(t, err)
	require.NoError(t, makeNamespace(t.Context(), direct))
	for _, name := range []string{"cup", "pan"} {
		_, err := makePod(t.Context(), direct, labNamespace, name)
		require.NoError(t, err)
	}
	feed := newFeed(t.Context())
	feed.limit = 2 * time.Minute // a reflector's waits add up while a server restarts
	return &scene{feed: feed, direct: direct, namespace: labNamespace, out: t.Output()}
}
