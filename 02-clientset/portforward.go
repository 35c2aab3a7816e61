package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/klog/v2"
)

// forward opens a port on this machine and sends what comes to it to a port of the pod.
func forward(ctx context.Context, config *rest.Config, client kubernetes.Interface, namespace string, out io.Writer) error {
	// What goes wrong behind the local port is returned by nothing: it is logged. So the log is ours.
	log := &errorLog{}
	ctx, cancel := context.WithTimeout(klog.NewContext(ctx, klog.New(log)), 20*time.Second)
	defer cancel()

	url := client.CoreV1().RESTClient().Post().
		Namespace(namespace).Resource("pods").Name("talker").SubResource("portforward").URL()
	webSocket, err := portforward.NewSPDYOverWebsocketDialerWithLogger(klog.FromContext(ctx), url, config)
	if err != nil {
		return fmt.Errorf("prepare to forward a port: %w", err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return fmt.Errorf("prepare to forward a port: %w", err)
	}
	plain := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	dialer := portforward.NewFallbackDialer(webSocket, plain, noWebSocket)

	ready, ended := make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddressesWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{"0:8080"}, ready, nil, nil)
	if err != nil {
		return fmt.Errorf("prepare to forward a port: %w", err)
	}
	go func() { ended <- forwarder.ForwardPorts() }() // until ctx ends
	select {
	case <-ready:
	case err := <-ended:
		return fmt.Errorf("forward a port to the Pod talker: %w", errors.Join(err, ctx.Err()))
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return fmt.Errorf("find the local port: %w", err)
	}
	fmt.Fprintf(out, "a free port of 127.0.0.1 leads to port %d of the pod\n", ports[0].Remote)

	answer, err := get(ctx, fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
	if err == nil {
		fmt.Fprintf(out, "GET /: %s", answer)
		cancel()
		return <-ended // nil: we have asked it to end
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Fprintln(out, "GET /: no answer")
	if err := <-ended; !errors.Is(err, portforward.ErrLostConnectionToPod) {
		return unexpected("forward a port that nothing listens on", "the end of the connection", err)
	}
	fmt.Fprintf(out, "returned: %v\n", portforward.ErrLostConnectionToPod)
	if err := log.said.Load(); err != nil {
		fmt.Fprintf(out, "logged: %v\n", *err)
	}
	return nil
}

// get gets a page.
func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	request.Close = true // one answer, and no connection that stays open for the next
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// errorLog is a log that keeps what the pod's side says and drops the rest: the broken streams say something, too.
type errorLog struct{ said atomic.Pointer[error] }

func (l *errorLog) Init(logr.RuntimeInfo)          {}
func (l *errorLog) Enabled(int) bool               { return false }
func (l *errorLog) Info(int, string, ...any)       {}
func (l *errorLog) WithValues(...any) logr.LogSink { return l }
func (l *errorLog) WithName(string) logr.LogSink   { return l }
func (l *errorLog) Error(err error, _ string, _ ...any) {
	if err != nil && strings.HasPrefix(err.Error(), "error forwarding port") {
		l.said.Store(&err)
	}
}
