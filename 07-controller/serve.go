package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // of the queue, the requests and the lease; of informers, only those that have a name
)

// reconciles counts what the queue's own metrics cannot know: how reconciles ended.
var reconciles = metrics.NewCounterVec(&metrics.CounterOpts{
	Subsystem: "website", Name: "reconcile_total",
	Help:           "How many reconciles have ended, by result: done, conflict or error",
	StabilityLevel: metrics.ALPHA,
}, []string{"result"})

func init() { legacyregistry.MustRegister(reconciles) }

// lostTolerance is how long after the end of its lease a leader may still be alive before it is to be killed: it should have
// ended by itself.
const lostTolerance = 20 * time.Second

// serve answers, until ctx ends, to whoever watches over the controller: /healthz for the liveness probe (is it beyond
// help?), /readyz for the readiness probe (are the caches filled?) and /metrics for Prometheus.
func serve(ctx context.Context, listener net.Listener, e *election, synced func() bool) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := e.elector.Check(lostTolerance); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !synced() {
			http.Error(w, "the caches are not filled yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", legacyregistry.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
