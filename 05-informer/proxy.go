package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
)

// proxy is an HTTP server between an informer and the API server. It passes everything on, counts it, and breaks what it
// is told to break. Nothing in it belongs into a program of yours: whoever finds its port is served with your credentials.
// It is open on this machine only, for as long as the step runs, and passes nothing on but GET.
type proxy struct {
	address string
	passOn  http.Handler
	heard   func(*http.Request) // is called for every list and watch, before anything is answered

	mu      sync.Mutex
	server  *http.Server
	cancel  map[*http.Request]context.CancelFunc // the watches that run
	answers []func(http.ResponseWriter)          // instead of the API server's, to the next watches
	seconds string                               // the next watch's timeoutSeconds, if set
	open    chan struct{}                        // closed: events pass
}

// startProxy starts a proxy in front of the API server, and returns it with a Config that leads to it.
func startProxy(ctx context.Context, config *rest.Config, heard func(*http.Request)) (*proxy, *rest.Config, error) {
	transport, err := rest.TransportFor(config) // with the credentials
	if err != nil {
		return nil, nil, fmt.Errorf("make a transport for %s: %w", config.Host, err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, nil, fmt.Errorf("read the server's URL: %w", err)
	}
	p := &proxy{address: "127.0.0.1:0", heard: heard, cancel: map[*http.Request]context.CancelFunc{}, open: make(chan struct{})}
	close(p.open)
	p.passOn = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      transport,
		FlushInterval:  -1, // an event is passed on when it comes
		ErrorLog:       log.New(io.Discard, "", 0),
		ModifyResponse: func(r *http.Response) error { r.Body = &valve{r.Body, p, r.Request.Context()}; return nil },
	}
	if err := p.accept(ctx); err != nil {
		return nil, nil, err
	}
	through := rest.AnonymousClientConfig(config)
	through.Host, through.TLSClientConfig = "http://"+p.address, rest.TLSClientConfig{}
	through.UserAgent, through.QPS, through.Burst = config.UserAgent, config.QPS, config.Burst
	return p, through, nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet { // lists and watches are all that an informer sends
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "this proxy only reads", http.StatusMethodNotAllowed)
		return
	}
	p.heard(r)
	if !r.URL.Query().Has("watch") {
		p.passOn.ServeHTTP(w, r)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	r = r.WithContext(ctx)
	p.mu.Lock()
	var answer func(http.ResponseWriter)
	if len(p.answers) > 0 {
		answer, p.answers = p.answers[0], p.answers[1:]
	}
	if p.seconds != "" {
		query := r.URL.Query()
		query.Set("timeoutSeconds", p.seconds)
		r.URL.RawQuery, p.seconds = query.Encode(), ""
	}
	p.cancel[r] = cancel
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.cancel, r)
		p.mu.Unlock()
	}()
	if answer != nil {
		answer(w)
		return
	}
	p.passOn.ServeHTTP(w, r)
}

// end makes the next watch a short one: the API server itself will end it, in good order.
func (p *proxy) end(seconds string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seconds = seconds
}

// cut breaks the watches off, in the middle.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cancel := range p.cancel {
		cancel()
	}
}

// refuse closes the port, and accept opens it again.
func (p *proxy) refuse() {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	_ = server.Close() // nothing to lose
	p.cut()
}

func (p *proxy) accept(ctx context.Context) error {
	var listener net.Listener
	var busy error // somebody else may have the port for a moment
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 5*time.Second, true, func(context.Context) (bool, error) {
		listener, busy = net.Listen("tcp", p.address)
		return busy == nil, nil
	})
	if err != nil {
		return fmt.Errorf("listen on this machine: %w", errors.Join(err, busy))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.address = listener.Addr().String()
	p.server = &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	go func(s *http.Server) { _ = s.Serve(listener) }(p.server) // ends with Close
	return nil
}

// hold keeps events back, and release lets them pass.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.open)
}

// valve is an answer's body that waits while the proxy holds events back.
type valve struct {
	io.ReadCloser
	p   *proxy
	ctx context.Context
}

func (v *valve) Read(b []byte) (int, error) {
	n, err := v.ReadCloser.Read(b)
	v.p.mu.Lock()
	open := v.p.open
	v.p.mu.Unlock()
	select {
	case <-open:
	case <-v.ctx.Done():
	}
	if cut := v.ctx.Err(); cut != nil { // whatever came after the cut is lost
		return 0, cut
	}
	return n, err
}

// answerNext answers the next watches, one answer each.
func (p *proxy) answerNext(answers ...func(http.ResponseWriter)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = append(p.answers, answers...)
}

// withStatus answers as an API server does that refuses.
func withStatus(err *apierrors.StatusError) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		status := err.ErrStatus
		status.Kind, status.APIVersion = "Status", "v1"
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(status.Code))
		_ = json.NewEncoder(w).Encode(status)
	}
}

// withErrorEvent answers 200, and sends an error as the first event.
func withErrorEvent(err *apierrors.StatusError) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		status := err.ErrStatus
		status.Kind, status.APIVersion = "Status", "v1"
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "ERROR", "object": status})
	}
}

// withNothing answers 200, and ends.
func withNothing(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") }
