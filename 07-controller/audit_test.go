package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// audit is a proxy in front of the API server that remembers what was written through it, and what was refused.
type audit struct {
	url string

	mu        sync.Mutex
	writes    []string
	forbidden []string
	refused   chan struct{} // closed at the first 403
}

// audit starts such a proxy. To the server, whoever comes through it is the controller's service account: over plain HTTP
// clientcmd sends no credentials.
func (w *world) audit() *audit {
	w.t.Helper()
	config := rest.AnonymousClientConfig(w.admin)
	token, err := w.kube.CoreV1().ServiceAccounts(w.system).CreateToken(w.t.Context(), "website-controller", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	config.BearerToken = token.Status.Token
	transport, err := rest.TransportFor(config)
	require.NoError(w.t, err)
	target, err := url.Parse(w.admin.Host)
	require.NoError(w.t, err)
	a := &audit{refused: make(chan struct{})}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport, ModifyResponse: a.record,
		FlushInterval: -1,                         // a watch's events at once
		ErrorLog:      log.New(io.Discard, "", 0), // watches that end
	})
	w.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	a.url = server.URL
	return a
}

// forbiddenMessage is what a 403 says, in JSON and in protobuf.
var forbiddenMessage = regexp.MustCompile(`cannot (\w+) resource \\?"([\w/]+)\\?" in API group \\?"([\w.]*)\\?"`)

func (a *audit) record(response *http.Response) error {
	request := response.Request
	a.mu.Lock()
	defer a.mu.Unlock()
	if request.Method != http.MethodGet {
		a.writes = append(a.writes, request.Method+" "+request.URL.Path)
	}
	if response.StatusCode != http.StatusForbidden {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	if len(a.forbidden) == 0 {
		close(a.refused)
	}
	message := string(body)
	if match := forbiddenMessage.FindStringSubmatch(message); match != nil {
		message = right{group: match[3], resource: match[2], verb: match[1]}.String()
	}
	a.forbidden = append(a.forbidden, message)
	return err
}

// written returns what was written since the last call, renewals of the lease not counted.
func (a *audit) written() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	writes := slices.DeleteFunc(a.writes, func(write string) bool {
		return write == "PUT /apis/coordination.k8s.io/v1/namespaces/website-system/leases/"+leaseName
	})
	a.writes = nil
	return writes
}

// denied returns what was refused.
func (a *audit) denied() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.forbidden)
}

// neverForbidden makes sure, when the test ends, that the replica was never told that it may not do something.
func (r *replica) neverForbidden() *replica {
	r.t.Cleanup(func() {
		select {
		case <-r.ended: // its metrics ended with it
		default:
			assert.Zero(r.t, r.metric("rest_client_requests_total", `code="403"`), "requests that were forbidden")
		}
		assert.NotContains(r.t, r.logged(), "orbidden")
	})
	return r
}

// in is the world for a subtest.
func (w *world) in(t testing.TB) *world {
	part := *w
	part.t = t
	return &part
}
