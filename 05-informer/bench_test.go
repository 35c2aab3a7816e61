package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubelabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// many is the number of pods in the benchmarks.
const many = 10_000

// typicalPod is about as large as a pod of a Deployment is: about 5 kB of JSON, half of it managedFields.
func typicalPod(i int) *corev1.Pod {
	pod := newPod(fmt.Sprintf("web-7d4b9c6f5-%05d", i))
	pod.Namespace, pod.UID, pod.ResourceVersion = labNamespace, "0b6f4a1e-3c58-4c0e-9d0f-5f2d8a7c1b22", strconv.Itoa(i+1)
	pod.Spec.SchedulingGates, pod.Spec.NodeName = nil, fmt.Sprintf("node-%03d", i%100)
	pod.Labels["shard"] = strconv.Itoa(i % 100)
	container := corev1.Container{Name: "web", Image: fmt.Sprintf("registry.example/web:%d", i%20)}
	for e := range 20 {
		container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%02d", e), Value: "a value of some length"})
	}
	pod.Spec.Containers = []corev1.Container{container, {Name: "sidecar", Image: "registry.example/sidecar:1", Args: strings.Fields("--one --two --three")}}
	for _, kind := range []corev1.PodConditionType{"PodScheduled", "Initialized", "ContainersReady", "Ready"} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: "True", LastTransitionTime: metav1.Unix(1700000000, 0)})
	}
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, "10.0.0.1"
	var fields strings.Builder
	fields.WriteString(`{"f:metadata":{"f:labels":{".":{}}},"f:spec":{"f:containers":{`)
	for e := range 20 {
		fmt.Fprintf(&fields, `"k:{\"name\":\"SETTING_%02d\"}":{".":{},"f:name":{},"f:value":{}},`, e)
	}
	fields.WriteString(`"f:image":{}}}}`)
	for _, manager := range []string{"kube-controller-manager", "kubelet"} {
		pod.ManagedFields = append(pod.ManagedFields, metav1.ManagedFieldsEntry{Manager: manager, Operation: "Update", APIVersion: "v1",
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields.String())})
	}
	return pod
}

// manyPodsServer in the environment makes the test binary a server of 10,000 pods. It prints its address.
const manyPodsServer = "CHAPTER_05_MANY_PODS"

func serveManyPods() error {
	api := newFakeAPI()
	for i := range many {
		api.seed(typicalPod(i))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	return http.Serve(listener, api) // until it is killed
}

// Looking up one node's pods among 10,000: go test -run '^$' -bench Lookup ./05-informer
func BenchmarkLookup(b *testing.B) {
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.TypedIndexersToIndexers(podIndexers()))
	for i := range many {
		if err := store.Add(typicalPod(i)); err != nil {
			b.Fatal(err)
		}
	}
	want := many / 100
	b.Run("by index", func(b *testing.B) {
		for b.Loop() {
			pods, err := store.ByIndex(byNode, "node-042")
			if err != nil || len(pods) != want {
				b.Fatal(len(pods), err)
			}
		}
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, object := range store.List() {
				if object.(*corev1.Pod).Spec.NodeName == "node-042" {
					n++
				}
			}
			if n != want {
				b.Fatal(n)
			}
		}
	})
	b.Run("by selector", func(b *testing.B) {
		selector := kubelabels.SelectorFromSet(kubelabels.Set{"shard": "42"})
		for b.Loop() {
			n := 0
			if err := cache.ListAll(store, selector, func(any) { n++ }); err != nil || n != want {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("by key", func(b *testing.B) {
		for b.Loop() {
			if _, exists, err := store.GetByKey(labNamespace + "/web-7d4b9c6f5-00042"); err != nil || !exists {
				b.Fatal(exists, err)
			}
		}
	})
}

// What a cache of 10,000 pods costs, to fill and to keep: go test -run '^$' -bench Cache -benchtime 1x ./05-informer
func BenchmarkCache(b *testing.B) {
	server := exec.CommandContext(b.Context(), os.Args[0]) // in a process of its own, so that its memory is not counted
	server.Env = append(os.Environ(), manyPodsServer+"=1")
	output, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}

	var bytes atomic.Int64
	var withoutWatchList atomic.Bool // as servers answered before v1.32
	config := &rest.Config{Host: strings.TrimSpace(address), QPS: -1}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err == nil {
				response.Body = &counted{response.Body, &bytes}
				if strings.Contains(r.URL.RawQuery, "sendInitialEvents") && withoutWatchList.Load() {
					_ = response.Body.Close()
					return &http.Response{StatusCode: http.StatusUnprocessableEntity, Body: http.NoBody, Request: r}, nil
				}
			}
			return response, err
		})
	})
	client, err := newClient(config)
	if err != nil {
		b.Fatal(err)
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	withoutFields := func(object any) (any, error) {
		if pod, ok := object.(*corev1.Pod); ok {
			pod.ManagedFields = nil
		}
		return object, nil
	}
	typed := func(options ...informers.SharedInformerOption) func() cache.SharedIndexInformer {
		return func() cache.SharedIndexInformer {
			return newFactory(client, labNamespace, options...).Core().V1().Pods().Informer()
		}
	}
	for _, kind := range []struct {
		name string
		make func() cache.SharedIndexInformer
	}{
		{"all", typed()},
		{"all by LIST", typed()},
		{"without managedFields", typed(informers.WithTransform(withoutFields))},
		{"slim", typed(informers.WithTransform(slim))},
		{"metadata only", func() cache.SharedIndexInformer {
			return metadatainformer.NewFilteredSharedInformerFactory(metadataClient, 0, labNamespace, onlyMine).
				ForResource(corev1.SchemeGroupVersion.WithResource("pods")).Informer()
		}},
		{"metadata only and without managedFields", func() cache.SharedIndexInformer {
			informer := metadatainformer.NewFilteredSharedInformerFactory(metadataClient, 0, labNamespace, onlyMine).
				ForResource(corev1.SchemeGroupVersion.WithResource("pods")).Informer()
			if err := informer.SetTransform(slim); err != nil {
				b.Fatal(err)
			}
			return informer
		}},
		{"one of 100 by selector", typed(informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.LabelSelector = "shard=42" }))},
	} {
		b.Run(kind.name, func(b *testing.B) {
			withoutWatchList.Store(strings.Contains(kind.name, "LIST"))
			for b.Loop() {
				b.StopTimer()
				before := heap()
				bytes.Store(0)
				allocated := totalAlloc()
				informer := kind.make()
				b.StartTimer()
				go informer.RunWithContext(b.Context())
				if !cache.WaitFor(b.Context(), "", informer.HasSyncedChecker()) {
					b.Fatal("not synced")
				}
				b.StopTimer()
				b.ReportMetric(float64(bytes.Load())/1e6, "MB-on-the-wire")
				b.ReportMetric(float64(totalAlloc()-allocated)/1e6, "MB-allocated")
				b.ReportMetric(float64(heap()-before)/1e6, "MB-kept")
				b.ReportMetric(float64(len(informer.GetStore().ListKeys())), "pods")
				b.StartTimer()
			}
		})
	}
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func totalAlloc() int64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.TotalAlloc)
}

// counted counts the bytes of a body.
type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}
