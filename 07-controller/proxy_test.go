package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// What stands between a controller and the API server in the tests: a proxy that writes down who wrote what and when, and
// that breaks what it is told to break.

// proxy is an HTTP server in front of the API server. Requests keep the credentials that they came with.
type proxy struct {
	url string
	ca  []byte // of its certificate: clients send a token only over TLS

	closed chan struct{} // when the test is over

	mu      sync.Mutex
	fault   func(w http.ResponseWriter, r *http.Request, pass http.Handler) // what happens to a request instead of pass; may be nil
	watches map[*http.Request]context.CancelFunc                            // those that run
	sight   chan struct{}                                                   // closed: lists and watches pass; else they wait
}

// proxy starts a proxy for one controller. It writes down in audit what the controller writes.
func (w *world) proxy(who string, audit *ledger) *proxy {
	w.t.Helper()
	target, err := url.Parse(w.admin.Host)
	require.NoError(w.t, err)
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(w.admin))
	require.NoError(w.t, err)
	p := &proxy{watches: map[*http.Request]context.CancelFunc{}, sight: make(chan struct{}), closed: make(chan struct{})}
	close(p.sight)
	pass := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     roundTripper(func(r *http.Request) (*http.Response, error) { return audit.roundTrip(who, r, transport) }),
		FlushInterval: -1, // an event is passed on when it comes
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { reset(w) },
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, pass) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	w.t.Cleanup(func() {
		close(p.closed)
		p.cut()
		server.Close()
	})
	p.url = server.URL
	p.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return p
}

// kubeconfig writes a kubeconfig that leads through the proxy.
func (p *proxy) kubeconfig(w *world) string {
	w.t.Helper()
	return w.kubeconfigTo(&clientcmdapi.Cluster{Server: p.url, CertificateAuthorityData: p.ca})
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request, pass http.Handler) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	r = r.WithContext(ctx)
	p.mu.Lock()
	fault, sight := p.fault, p.sight
	if isWatch(r) {
		p.watches[r] = cancel
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.watches, r)
		}()
	}
	p.mu.Unlock()
	if !isWrite(r) && !isLease(r) {
		select {
		case <-sight:
		case <-ctx.Done():
			return
		}
	}
	if fault != nil {
		fault(w, r, pass)
		return
	}
	pass.ServeHTTP(w, r)
}

func isWatch(r *http.Request) bool { return r.URL.Query().Has("watch") }
func isLease(r *http.Request) bool { return strings.Contains(r.URL.Path, "/leases") }
func isWrite(r *http.Request) bool { return r.Method != http.MethodGet }

// isWork says whether a request writes something that only a leader may.
func isWork(r *http.Request) bool { return isWrite(r) && !isLease(r) }

// isKept says whether a request writes a Website or what is kept for one.
func isKept(r *http.Request) bool { return isWork(r) && !strings.Contains(r.URL.Path, "/events") }

// breakWith puts a fault in place; nil is none.
func (p *proxy) breakWith(fault func(http.ResponseWriter, *http.Request, http.Handler)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// cut breaks all watches off, in the middle.
func (p *proxy) cut() { p.cutWatches(func(*http.Request) bool { return true }) }

// cutWatches breaks those watches off that match.
func (p *proxy) cutWatches(match func(*http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r, cancel := range p.watches {
		if match(r) {
			cancel()
		}
	}
}

// setBlind cuts the watches and keeps lists and watches waiting until it is called with false.
func (p *proxy) setBlind(blind bool) {
	if !blind {
		close(p.sight)
		return
	}
	p.mu.Lock()
	p.sight = make(chan struct{})
	p.mu.Unlock()
	p.cut()
}

// reset breaks a connection as a crash at the other end does: with a TCP RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if conn, ok := conn.(*net.TCPConn); ok {
		_ = conn.SetLinger(0)
	}
	_ = conn.Close()
}

// pause is a request that waits in the proxy.
type pause struct {
	reached chan *http.Request // gets the request when it waits
	resume  chan bool          // whether it goes on, or is dropped
}

// pauseAt makes one request wait, the n-th from now that matches; with answered, it waits when the server has done what it
// says, and the answer is on its way. All others pass.
func (p *proxy) pauseAt(n int, answered bool, matches func(*http.Request) bool) *pause {
	pause := &pause{reached: make(chan *http.Request, 1), resume: make(chan bool, 1)}
	var mu sync.Mutex
	p.breakWith(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		mu.Lock()
		here := false
		if matches(r) {
			n--
			here = n == 0
		}
		mu.Unlock()
		if !here {
			pass.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		if answered {
			pass.ServeHTTP(answer, r)
		}
		pause.reached <- r
		goOn := false
		select {
		case goOn = <-pause.resume:
		case <-p.closed:
		}
		switch {
		case !goOn:
			reset(w)
		case answered:
			for name, values := range answer.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		default:
			pass.ServeHTTP(w, r)
		}
	})
	return pause
}

// wait waits until the request is there.
func (p *pause) wait(w *world) *http.Request {
	w.t.Helper()
	select {
	case r := <-p.reached:
		return r
	case <-time.After(time.Minute):
		require.Fail(w.t, "no such request comes")
		return nil
	}
}

// written is a request that writes, as the API server got it.
type written struct {
	who, method, path string
	sent, answered    time.Time
	code              int     // 0: no answer
	holder            *string // whom it makes the holder of the lease; nil if it does not write the lease
}

func (w written) done() bool { return w.code/100 == 2 }

// ledger is what controllers wrote.
type ledger struct {
	mu     sync.Mutex
	writes []written // in the order of their answers
}

func (a *ledger) roundTrip(who string, r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if !isWrite(r) {
		return next.RoundTrip(r)
	}
	one := written{who: who, method: r.Method, path: r.URL.Path}
	if isLease(r) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil); err == nil {
			one.holder = object.(*coordinationv1.Lease).Spec.HolderIdentity
		}
	}
	one.sent = time.Now()
	response, err := next.RoundTrip(r)
	one.answered = time.Now()
	if err == nil {
		one.code = response.StatusCode
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writes = append(a.writes, one)
	return response, err
}

// done returns the writes of a controller ("" is all of them) that were successful: what only a leader may write, or its lease.
func (a *ledger) done(who string, lease bool) (writes []written) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, write := range a.writes {
		if write.done() && (who == "" || write.who == who) && (write.holder != nil) == lease {
			writes = append(writes, write)
		}
	}
	return writes
}

// requireOneAtATime makes sure that controllers wrote one after the other, in this order, and each of them something.
func (a *ledger) requireOneAtATime(w *world, order ...string) {
	w.t.Helper()
	for i, who := range order {
		writes := a.done(who, false)
		require.NotEmpty(w.t, writes, "%s wrote nothing", who)
		if i == 0 {
			continue
		}
		first := slices.MinFunc(writes, func(a, b written) int { return a.sent.Compare(b.sent) })
		for _, before := range a.done(order[i-1], false) {
			assert.False(w.t, before.answered.After(first.sent), "%s wrote %s %s when %s had begun, %s later",
				before.who, before.method, before.path, who, before.answered.Sub(first.sent))
		}
	}
}

// gaveBack returns when a controller gave its lease back.
func (a *ledger) gaveBack(w *world, who string) time.Time {
	w.t.Helper()
	for _, write := range a.done(who, true) {
		if *write.holder == "" {
			return write.sent
		}
	}
	require.Fail(w.t, who+" did not give its lease back")
	return time.Time{}
}
