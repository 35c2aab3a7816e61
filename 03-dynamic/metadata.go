package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// many is how many ConfigMaps this step lists, and each has this much in it.
const (
	many      = 50
	dataBytes = 8192
)

// metadataOnly lists the same objects twice: in full, and only what every object has: name, labels, owners.
func metadataOnly(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	wire := &meter{}
	config = wire.measure(config)
	full, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a dynamic client: %w", err)
	}
	partial, err := metadata.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a metadata client: %w", err)
	}
	for i := range many {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1",
			"kind":       "ConfigMap",
			"metadata":   map[string]any{"name": fmt.Sprintf("page-%02d", i+1), "labels": labels()},
			"data":       map[string]any{"text": strings.Repeat("tea ", dataBytes/4)},
		}}
		if _, err := full.Resource(configMaps).Namespace(namespace).Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create the ConfigMap %s: %w", object.GetName(), err)
		}
	}
	fmt.Fprintf(out, "%d ConfigMaps of %d bytes\n", many, dataBytes)

	var list *unstructured.UnstructuredList
	listBytes, listHeap, err := wire.cost(func() (err error) {
		list, err = full.Resource(configMaps).Namespace(namespace).List(ctx, mine())
		return err
	})
	if err != nil {
		return fmt.Errorf("list the ConfigMaps: %w", err)
	}
	fmt.Fprintf(out, "dynamic:  %d objects, %s; the first has %d bytes of data\n", len(list.Items), wire.contentType.Load(), textLen(list))

	var partials *metav1.PartialObjectMetadataList
	partialBytes, partialHeap, err := wire.cost(func() (err error) {
		partials, err = partial.Resource(configMaps).Namespace(namespace).List(ctx, mine())
		return err
	})
	if err != nil {
		return fmt.Errorf("list the metadata of the ConfigMaps: %w", err)
	}
	fmt.Fprintf(out, "metadata: %d objects, %s; the first is %s, labels %v\n",
		len(partials.Items), wire.contentType.Load(), partials.Items[0].Name, partials.Items[0].Labels)

	fmt.Fprintf(out, "less than a third of the bytes: %t\n", 3*partialBytes < listBytes)
	fmt.Fprintf(out, "less than a third of the heap:  %t\n", 3*partialHeap < listHeap)
	runtime.KeepAlive(list) // both lists have been alive until here, or the heap would have been measured without them
	runtime.KeepAlive(partials)
	return nil
}

// textLen returns how much text the first ConfigMap of a list has.
func textLen(list *unstructured.UnstructuredList) int {
	if len(list.Items) == 0 {
		return 0
	}
	text, _, _ := unstructured.NestedString(list.Items[0].Object, "data", "text")
	return len(text)
}

// meter counts what comes over the wire.
type meter struct {
	bytes       atomic.Int64
	contentType atomic.Value // of the last answer
}

// measure returns a Config whose clients are counted.
func (m *meter) measure(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.DisableCompression = true // else answers of more than 128 KiB come as gzip
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(request)
			if err == nil {
				m.contentType.Store(response.Header.Get("Content-Type"))
				response.Body = &countedBody{response.Body, &m.bytes}
			}
			return response, err
		})
	})
	return config
}

// cost does something and returns how many bytes came over the wire, and by how many the heap has grown.
func (m *meter) cost(do func() error) (wire, heap int64, err error) {
	m.bytes.Store(0)
	before := heapNow()
	err = do()
	return m.bytes.Load(), heapNow() - before, err
}

// heapNow returns how many bytes are reachable: nothing else is on the heap after a collection, but for what lies in
// pools, which takes a second one.
func heapNow() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// roundTripper is a function that is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// countedBody counts what is read from a body.
type countedBody struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes.Add(int64(n))
	return n, err
}
