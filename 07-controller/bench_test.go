package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"

	"client-go-lab/07-controller/api/v1alpha1"
	"client-go-lab/07-controller/controller"
	"client-go-lab/internal/labtest"
)

// BenchmarkWebsites creates many Websites at once and waits until all are available, then looks at a resync of all. Without
// -benchtime=1x it would do so again and again. A rate limit that is not the default's is in the name.
func BenchmarkWebsites(b *testing.B) {
	for _, c := range []struct {
		websites, qps int
	}{{1000, 50}, {1000, 500}, {5000, 500}, {5000, 50}} {
		b.Run(fmt.Sprintf("websites=%d/qps=%d", c.websites, c.qps), func(b *testing.B) {
			for b.Loop() {
				benchmark(b, c.websites, c.qps)
			}
		})
	}
}

// sent counts what a client sends, by verb and resource.
type sent struct {
	mu     sync.Mutex
	counts map[string]int
}

func (r *sent) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		name := requestName(request)
		if err == nil && response.StatusCode >= 400 {
			name = fmt.Sprintf("%s %d", name, response.StatusCode)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.counts[name]++
		return response, err
	})
}

// requestName is a verb and a resource, as "patch configmaps" or "update websites/status".
func requestName(request *http.Request) string {
	verb := strings.ToLower(request.Method)
	path := strings.Split(strings.TrimPrefix(request.URL.Path, "/"), "/")
	path = path[2:] // api/v1
	if request.URL.Path[:5] == "/apis" {
		path = path[1:]
	}
	if len(path) > 2 && path[0] == "namespaces" {
		path = path[2:]
	}
	name := path[0]
	if len(path) == 3 {
		name += "/" + path[2]
	}
	switch {
	case request.URL.Query().Get("watch") == "true":
		verb = "watch"
	case verb == "get" && len(path) == 1:
		verb = "list"
	case verb == "put":
		verb = "update"
	}
	return verb + " " + name
}

// of sums what was sent so far, by a function of the name.
func (r *sent) of(is func(name string) bool) (sum int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, count := range r.counts {
		if is(name) {
			sum += count
		}
	}
	return sum
}

func isWriteName(name string) bool {
	verb, resource, _ := strings.Cut(name, " ")
	return slices.Contains([]string{"post", "patch", "update", "delete"}, verb) && resource != "leases"
}

func benchmark(b *testing.B, n, qps int) {
	w := throwAwayWorld(b)
	w.bigNode()
	counted := &sent{counts: map[string]int{}}
	config := rest.CopyConfig(w.admin)
	config.QPS = 0
	config.Wrap(counted.wrap)
	o := options{workers: 4, qps: float64(qps), burst: 2 * qps, resync: 20 * time.Second, lease: 15 * time.Second, system: w.system, image: defaultImage, listen: "127.0.0.1:0"}
	ctx, cancel := context.WithCancel(klog.NewContext(b.Context(), klog.Logger{}))
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, config, o) }()

	heap := newPeakHeap(ctx)
	before, start := reconcileCount(b), time.Now()
	written, ready := w.watch(ctx, n)
	w.createMany(n)
	created := time.Since(start)
	select {
	case <-written:
	case err := <-ended:
		b.Fatal("the controller has ended: ", err)
	}
	applied := time.Since(start)
	<-ready
	took := time.Since(start)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(created.Seconds(), "s-to-create")
	b.ReportMetric(applied.Seconds(), "s-to-applied")
	b.ReportMetric(took.Seconds(), "s-to-available")
	b.ReportMetric((reconcileCount(b)-before)/took.Seconds(), "reconciles/s")
	b.ReportMetric(heap.mebibytes(), "peak-heap-MiB")

	counted.settle()
	for name, count := range counted.all() {
		b.Logf("%-40s %8.3f per Website", name, float64(count)/float64(n))
	}
	writes := counted.of(isWriteName)
	b.ReportMetric(float64(writes)/float64(n), "writes/website")
	b.ReportMetric(float64(counted.of(func(name string) bool { return strings.HasSuffix(name, " 409") }))/float64(n), "conflicts/website")
	b.ReportMetric(float64(counted.of(func(string) bool { return true }))/float64(n), "requests/website")

	// Now a resync: each Website is reconciled again, and nothing is to be done.
	quiet := reconcileCount(b)
	err := wait.PollUntilContextTimeout(ctx, time.Second, 5*time.Minute, false, func(context.Context) (bool, error) {
		return reconcileCount(b) >= quiet+float64(n), nil
	})
	require.NoError(b, err, "no resync has come")
	b.ReportMetric(float64(counted.of(isWriteName)-writes), "writes-in-resync")
	cancel()
	require.NoError(b, <-ended)
}

// throwAwayWorld starts an embedded cluster for one benchmark: to remove thousands of objects takes longer than to make them.
func throwAwayWorld(b *testing.B) *world {
	b.Helper()
	admin, err := clientcmd.BuildConfigFromFlags("", filepath.Join(labtest.OwnCluster(b), "admin.conf"))
	require.NoError(b, err)
	w := &world{}
	w.prepare(b, admin)
	return w
}

// bigNode adds a simulated node that takes all pods.
func (w *world) bigNode() {
	w.t.Helper()
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1k"), corev1.ResourceMemory: resource.MustParse("1Ti"), corev1.ResourcePods: resource.MustParse("20k"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "big", Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"}, Labels: map[string]string{"type": "kwok"}},
		Status:     corev1.NodeStatus{Capacity: capacity, Allocatable: capacity},
	}
	_, err := w.kube.CoreV1().Nodes().Create(w.t.Context(), node, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// createMany creates Websites with one replica each, eight at a time.
func (w *world) createMany(n int) {
	workqueue.ParallelizeUntil(w.t.Context(), 8, n, func(i int) {
		website := w.website(fmt.Sprintf("site-%05d", i))
		website.Spec.Replicas = nil
		_, err := w.websites.Websites(w.namespace).Create(w.t.Context(), website, metav1.CreateOptions{})
		assert.NoError(w.t, err)
	})
}

// watch returns channels that are closed when n Websites have a status, which is written after their children, and when n are
// ready, which is when the cluster has made their pods, too.
func (w *world) watch(ctx context.Context, n int) (written, ready <-chan struct{}) {
	channels := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	seen := [2]map[string]bool{{}, {}}
	look := func(website *v1alpha1.Website) {
		for i, is := range []bool{
			website.Status.ObservedGeneration != 0,
			meta.IsStatusConditionTrue(website.Status.Conditions, v1alpha1.ConditionReady),
		} {
			if is && !seen[i][website.Name] {
				seen[i][website.Name] = true
				if len(seen[i]) == n {
					close(channels[i])
				}
			}
		}
	}
	informer := controller.NewWebsiteInformer(w.websites, 0)
	_, err := informer.AddTypedEventHandler(cache.TypedResourceEventHandlerFuncs[*v1alpha1.Website]{
		AddFunc: look, UpdateFunc: func(_, website *v1alpha1.Website) { look(website) },
	})
	require.NoError(w.t, err)
	go informer.RunWithContext(ctx)
	return channels[0], channels[1]
}

// reconcileCount is how many reconciles have ended in this process.
func reconcileCount(b *testing.B) (sum float64) {
	families, err := legacyregistry.DefaultGatherer.Gather()
	require.NoError(b, err)
	for _, family := range families {
		if family.GetName() == "website_reconcile_total" {
			for _, metric := range family.GetMetric() {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// peakHeap is the most memory that live and dead objects of this process took at once.
type peakHeap struct{ bytes atomic.Uint64 }

func newPeakHeap(ctx context.Context) *peakHeap {
	p := &peakHeap{}
	go wait.UntilWithContext(ctx, func(context.Context) {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		p.bytes.Store(max(p.bytes.Load(), stats.HeapAlloc))
	}, 100*time.Millisecond)
	return p
}

func (p *peakHeap) mebibytes() float64 { return float64(p.bytes.Load()) / (1 << 20) }

// all returns what was sent so far, by name.
func (r *sent) all() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

// settle waits until nothing was written for three seconds.
func (r *sent) settle() {
	for last := -1; last != r.of(isWriteName); time.Sleep(3 * time.Second) {
		last = r.of(isWriteName)
	}
}
