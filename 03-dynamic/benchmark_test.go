package main

import (
	"net/http/httptest"
	"runtime"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// BenchmarkList lists 1,000 ConfigMaps of 8 KiB, in full and metadata only, and reports what came over the wire and what
// stays on the heap while the list is in use:
//
//	go test -run '^$' -bench List -benchtime 20x ./03-dynamic
func BenchmarkList(b *testing.B) {
	server := httptest.NewServer(configMapServer(1000, 8192))
	defer server.Close()
	wire := &meter{}
	config := wire.measure(&rest.Config{Host: server.URL, QPS: -1})

	full, err := dynamic.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	partial, err := metadata.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	for name, list := range map[string]func() (any, error){
		"dynamic":  func() (any, error) { return full.Resource(configMaps).List(b.Context(), metav1.ListOptions{}) },
		"metadata": func() (any, error) { return partial.Resource(configMaps).List(b.Context(), metav1.ListOptions{}) },
	} {
		b.Run(name, func(b *testing.B) {
			var bytes, heap int64
			for range b.N {
				b.StopTimer()
				var result any
				grown := heapNow()
				wire.bytes.Store(0)
				b.StartTimer()
				result, err = list()
				b.StopTimer()
				if err != nil {
					b.Fatal(err)
				}
				bytes, heap = wire.bytes.Load(), heapNow()-grown
				runtime.KeepAlive(result)
			}
			b.ReportMetric(float64(bytes)/1024, "wire-KiB")
			b.ReportMetric(float64(heap)/1024, "heap-KiB")
		})
	}
}
