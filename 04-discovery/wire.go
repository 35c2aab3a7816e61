package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"k8s.io/client-go/rest"
)

// exchange is one request and what came back.
type exchange struct {
	request     string // "GET /apis"
	status      int
	bytes       int // of the body, after decompression
	contentType string
}

// wire counts what goes over the wire. Discovery sends requests in parallel: it may be used by several goroutines.
type wire struct {
	mu   sync.Mutex
	seen []exchange
}

// tap makes every client built from config report its requests to the wire that it returns.
func tap(config *rest.Config) *wire {
	w := &wire{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) { return w.roundTrip(next, request) })
	})
	return w
}

// roundTripper makes an http.RoundTripper of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// roundTrip reads the whole answer to know its length. A watch would never come back from here: discovery has none.
func (w *wire) roundTrip(next http.RoundTripper, request *http.Request) (*http.Response, error) {
	response, err := next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, exchange{
		request:     request.Method + " " + request.URL.Path,
		status:      response.StatusCode,
		bytes:       len(body),
		contentType: response.Header.Get("Content-Type"),
	})
	return response, nil
}

// take returns what was seen since the last call, sorted: what went out in parallel comes in any order.
func (w *wire) take() []exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	slices.SortStableFunc(seen, func(a, b exchange) int { return cmp.Compare(a.request, b.request) })
	return seen
}

// printWire shows every exchange and the sum.
func printWire(seen []exchange, out io.Writer) {
	total := 0
	for _, e := range seen {
		total += e.bytes
		fmt.Fprintf(out, "%s -> %d, %d bytes\n", e.request, e.status, e.bytes)
	}
	fmt.Fprintf(out, "requests: %d, bytes: %d\n", len(seen), total)
}
