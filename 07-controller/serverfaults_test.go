package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"client-go-lab/internal/labtest"
)

// Faults of the API server and its database. They have a cluster of their own, which they may break.

func TestServerFaultsOnCluster(t *testing.T) {
	t.Parallel()
	cluster := &ownCluster{state: labtest.OwnCluster(t)}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(cluster.state, "admin.conf"))
	require.NoError(t, err)
	w := newWorld(t, config)
	for _, fault := range []struct {
		name string
		test func(*world, *ownCluster)
	}{
		{"API server killed", serverKilled},
		{"watches cut and 410", watchesCut},
		{"API server stopped for ten seconds", serverStopped},
	} {
		t.Run(fault.name, func(t *testing.T) { fault.test(w.sub(t), cluster) })
	}
}

// The API server is gone for ten seconds. Some Websites are changed just before, and reconciles are under way: they fail,
// and are tried again. Others are changed just after. The lease outlasts this, and so does the process.
func serverStopped(w *world, cluster *ownCluster) {
	p := w.proxy("", &ledger{})
	r := w.start(p.kubeconfig(w), "-lease", "60s").leading()
	w.create(names(10)...)
	w.requireAsSpecified(10)
	pause := p.pauseAt(1, false, isKept)
	for i, name := range names(5) {
		w.change(name, "just before", 1+i%3)
	}
	pause.wait(w) // of this Website, the controller has seen the change, and done nothing yet
	cluster.stopFor(w, 10*time.Second, func() { pause.resume <- false })
	cluster.waitReady(w)
	for i, name := range names(10)[5:] {
		w.change(name, "just after", 1+i%3)
	}
	w.create("site-10")
	w.requireAsSpecified(11)
	r.requireAlive()
}

// The API server is killed while it works on a request of a reconcile, with others waiting. The lease is lost; the
// controller ends with an error, and is started again until it finds a server.
func serverKilled(w *world, cluster *ownCluster) {
	p := w.proxy("", &ledger{})
	kubeconfig := p.kubeconfig(w)
	start := func() *replica { return w.start(kubeconfig) }
	r := start().leading()
	pause := p.pauseAt(30, true, isKept)
	w.create(names(20)...)
	pause.wait(w)
	// The server may start again before the lease runs out: until it has, nothing gets there.
	p.breakWith(func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) })
	cluster.kill(w, "kube-apiserver")
	pause.resume <- false
	r.wait("is lost")
	p.breakWith(nil)
	cluster.waitReady(w)
	w.requireAsSpecifiedKept(20, r, start)
}

// The controller's watches are cut, and while it sees nothing, Websites and children are changed and deleted, and the
// servers forget what happened: etcd is compacted, and the API server has a new watch cache. So the controller cannot go on
// from where it was, and has to list. What is deleted then is known only by its absence: a tombstone.
func watchesCut(w *world, cluster *ownCluster) {
	p := w.proxy("", &ledger{})
	r := w.start(p.kubeconfig(w), "-lease", "60s", "-v", "4").leading()
	w.create(names(10)...)
	w.requireAsSpecified(10)

	p.setBlind(true)
	ctx := w.t.Context()
	require.NoError(w.t, w.kube.CoreV1().ConfigMaps(w.namespace).Delete(ctx, "site-00", metav1.DeleteOptions{}))
	require.NoError(w.t, w.kube.AppsV1().Deployments(w.namespace).Delete(ctx, "site-01", metav1.DeleteOptions{}))
	require.NoError(w.t, w.kube.CoreV1().Services(w.namespace).Delete(ctx, "site-02", metav1.DeleteOptions{}))
	require.NoError(w.t, w.kube.CoreV1().ConfigMaps(w.system).Delete(ctx, "site-03.example.com", metav1.DeleteOptions{}))
	require.NoError(w.t, attack(w, w.kube.CoreV1().ConfigMaps(w.namespace), "site-04", func(c *corev1.ConfigMap) { c.Data["index.html"] = "no" }))
	w.change("site-05", "changed", 1)
	w.delete("site-06")
	w.create("site-10")
	cluster.kill(w, "etcd", "kube-apiserver") // etcd compacts when it starts
	cluster.waitReady(w)
	p.setBlind(false)

	w.requireAsSpecified(10)
	r.requireAlive()
	require.Contains(w.t, r.logged(), "too old resource version", "it was told 410")
}

// ownCluster is an embedded cluster for one test, which may break it.
type ownCluster struct {
	state string
}

// pid returns a component's process; 0 is none.
func (c *ownCluster) pid(w *world, component string) int {
	data, err := os.ReadFile(filepath.Join(c.state, "components.json"))
	require.NoError(w.t, err)
	var components []struct {
		Name string
		PID  int
	}
	require.NoError(w.t, json.Unmarshal(data, &components))
	for _, one := range components {
		if one.Name == component {
			return one.PID
		}
	}
	return 0
}

// kill ends components at once. The supervisor starts them again; kill waits for that.
func (c *ownCluster) kill(w *world, components ...string) {
	w.t.Helper()
	before := map[string]int{}
	for _, name := range components {
		before[name] = c.pid(w, name)
		require.NotZero(w.t, before[name])
		require.NoError(w.t, syscall.Kill(before[name], syscall.SIGKILL))
	}
	for _, name := range components {
		eventually(w.t, name+" is started again", func(context.Context) error {
			if pid := c.pid(w, name); pid == 0 || pid == before[name] {
				return errors.New("not yet")
			}
			return nil
		})
	}
}

// stopFor ends the API server, calls ended, and starts the API server again after a while: as long the supervisor is stopped, too.
func (c *ownCluster) stopFor(w *world, duration time.Duration, ended func()) {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(c.state, "run.lock"))
	require.NoError(w.t, err)
	supervisor, err := strconv.Atoi(strings.TrimSpace(string(content)))
	require.NoError(w.t, err)
	require.NoError(w.t, syscall.Kill(supervisor, syscall.SIGSTOP))
	defer func() { require.NoError(w.t, syscall.Kill(supervisor, syscall.SIGCONT)) }()
	require.NoError(w.t, syscall.Kill(c.pid(w, "kube-apiserver"), syscall.SIGKILL))
	ended()
	over := time.NewTimer(duration) // the fault itself
	defer over.Stop()
	<-over.C
}

// waitReady waits until the API server serves.
func (c *ownCluster) waitReady(w *world) {
	w.t.Helper()
	eventually(w.t, "the API server is ready", func(ctx context.Context) error {
		return w.kube.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}
