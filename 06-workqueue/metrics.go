package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/util/workqueue"
)

// metrics runs a queue that tells a Prometheus registry of what it does, and reads the result as Prometheus would.
func metrics(ctx context.Context, out io.Writer) error {
	registry := prometheus.NewRegistry()
	provider := newProvider(registry)
	fmt.Fprint(out, legend)
	if err := play(ctx, out, scene{columns: 41, unit: 50 * time.Millisecond, metrics: provider, at: map[int]func(keyQueue){
		0:  func(queue keyQueue) { queue.Add("tea"); queue.Add("toast") },
		2:  addTea, // is at the worker
		20: func(queue keyQueue) { queue.Add("soup"); queue.Add("eggs") },
	}, work: func(key string, run int) (int, error) {
		switch {
		case key == "toast" && run == 0:
			return 4, errBurnt
		case key == "soup":
			return 100, nil // it does not end while we look
		}
		return 4, nil
	}, settle: func(ctx context.Context, now time.Duration) error {
		if now%(500*time.Millisecond) != 0 {
			return nil
		}
		select { // every 500 ms the queue looks at its unfinished work, in a goroutine of its own
		case <-provider.told:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second):
			return fmt.Errorf("the queue has not looked at its unfinished work for 10 s, at %s of its clock", now)
		}
	}}); err != nil {
		return err
	}
	text, err := scrape(ctx, registry)
	if err != nil {
		return err
	}
	fmt.Fprint(out, text)
	return nil
}

// A provider makes the metrics of queues. Most of what it has to return a Prometheus client has already: a Gauge has Inc,
// Dec and Set, a Counter has Inc, a Histogram has Observe. One provider serves all queues: the name is a label.
type provider struct {
	depth, unfinished, longest *prometheus.GaugeVec
	adds, retries              *prometheus.CounterVec
	latency, work              *prometheus.HistogramVec
	told                       chan struct{} // each Set of longest
}

// newProvider registers the metrics under the names that Kubernetes' own components use.
func newProvider(registry prometheus.Registerer) *provider {
	label := []string{"name"}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Subsystem: "workqueue", Name: name, Help: help}, label)
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Subsystem: "workqueue", Name: name, Help: help}, label)
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		buckets := []float64{0.1, 1, 10} // a real one has more: prometheus.ExponentialBuckets(10e-9, 10, 12)
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Subsystem: "workqueue", Name: name, Help: help, Buckets: buckets}, label)
	}
	p := &provider{
		depth:      gauge("depth", "Keys that need to be processed."),
		adds:       counter("adds_total", "Adds, without those that changed nothing."),
		latency:    histogram("queue_duration_seconds", "How long a key waited before a worker took it."),
		work:       histogram("work_duration_seconds", "How long a worker had a key."),
		unfinished: gauge("unfinished_work_seconds", "How long the keys at workers are there, together."),
		longest:    gauge("longest_running_processor_seconds", "How long the oldest of them is there."),
		retries:    counter("retries_total", "Calls of AddAfter and AddRateLimited."),
		told:       make(chan struct{}, 1000),
	}
	registry.MustRegister(p.depth, p.adds, p.latency, p.work, p.unfinished, p.longest, p.retries)
	return p
}

func (p *provider) NewDepthMetric(name string) workqueue.GaugeMetric {
	return p.depth.WithLabelValues(name)
}

func (p *provider) NewAddsMetric(name string) workqueue.CounterMetric {
	return p.adds.WithLabelValues(name)
}

func (p *provider) NewLatencyMetric(name string) workqueue.HistogramMetric {
	return p.latency.WithLabelValues(name)
}

func (p *provider) NewWorkDurationMetric(name string) workqueue.HistogramMetric {
	return p.work.WithLabelValues(name)
}

func (p *provider) NewUnfinishedWorkSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return p.unfinished.WithLabelValues(name)
}

func (p *provider) NewLongestRunningProcessorSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return telling{p.longest.WithLabelValues(name), p.told}
}

// telling is a gauge that tells when it was set. Only this lesson needs it, because its clock does not wait.
type telling struct {
	workqueue.SettableGaugeMetric
	told chan<- struct{}
}

func (t telling) Set(value float64) {
	t.SettableGaugeMetric.Set(value)
	t.told <- struct{}{}
}

func (p *provider) NewRetriesMetric(name string) workqueue.CounterMetric {
	return p.retries.WithLabelValues(name)
}

// scrape serves the metrics and gets them, as Prometheus does every 15 or 30 seconds.
func scrape(ctx context.Context, registry *prometheus.Registry) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for Prometheus: %w", err)
	}
	server := &http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() { server.Close(); <-served }()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String()+"/metrics", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("get the metrics: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("get the metrics: %w", err)
	}
	lines := strings.SplitAfter(string(body), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "#") }), ""), nil
}
