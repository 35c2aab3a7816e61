package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	//lint:ignore SA1019 the test is about what it no longer does
	oldhttpstream "k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/klog/v2"
)

// Of this step the fake clientset can do the logs, after a fashion: every log says "fake logs".
func TestLogsOnFake(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, logs(t.Context(), fake.NewClientset(), labNamespace, &out))
	assert.Equal(t, "fake logs\n", out.String())
}

func TestEphemeralOnFake(t *testing.T) {
	talker := samplePod("talker")
	talker.Namespace, talker.Spec.NodeName = labNamespace, "node0"
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node0", Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"}}}
	client := fake.NewClientset(talker, node)
	client.PrependReactor("update", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() == "" {
			return true, nil, apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "talker", nil)
		}
		return false, nil, nil
	})
	var out bytes.Buffer
	require.NoError(t, ephemeral(t.Context(), client, labNamespace, &out))
	assert.Equal(t, "Update: Invalid\nUpdateEphemeralContainers: now debugger\n"+
		"its node is simulated (kwok), and starts no ephemeral containers\n", out.String())
}

// A fake clientset has no connection to upgrade. This is a server that plays exec: each WebSocket message begins with the
// number of a stream.
func TestExecsOnFakeServer(t *testing.T) {
	const stdin, stdout, failure, closing = 0, 1, 3, 255
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		send := func(stream byte, data []byte) {
			_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{stream}, data...))
		}
		end := metav1.Status{Status: metav1.StatusSuccess}
		switch command := r.URL.Query()["command"]; command[0] {
		case "echo":
			send(stdout, []byte(command[1]+"\n"))
		case "cat":
			for {
				_, message, err := conn.ReadMessage()
				if err != nil || message[0] == closing {
					break
				}
				if message[0] == stdin {
					send(stdout, message[1:])
				}
			}
		case "false":
			end = metav1.Status{Status: metav1.StatusFailure, Reason: "NonZeroExitCode", Message: "exit status 1",
				Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: "ExitCode", Message: "1"}}}}
		}
		data, _ := json.Marshal(end)
		send(failure, data)
		_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	client, err := newClient(config)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, execs(t.Context(), config, client, labNamespace, &out))
	assert.Equal(t, "echo hello: \"hello\\n\"\ncat: \"one line in\\n\"\nfalse: exit code 1\n", out.String())
}

// A server, or a proxy before it, that knows no WebSocket: the client comes again with SPDY.
func TestExecFallsBackToSPDY(t *testing.T) {
	var mu sync.Mutex
	var upgrades []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		upgrades = append(upgrades, r.Method+" "+r.Header.Get("Upgrade"))
		http.Error(w, "no upgrades here", http.StatusBadRequest)
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	client, err := newClient(config)
	require.NoError(t, err)
	err = run(t.Context(), config, client, labNamespace, remotecommand.StreamOptions{Stdout: &bytes.Buffer{}}, "echo")
	require.Error(t, err)
	mu.Lock()
	assert.Equal(t, []string{"GET websocket", "POST SPDY/3.1"}, upgrades)
	mu.Unlock()

	// Until client-go 0.35 one asked like this.
	webSocket, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, server.URL)
	require.NoError(t, err)
	err = webSocket.StreamWithContext(t.Context(), remotecommand.StreamOptions{})
	assert.True(t, noWebSocket(err))
	assert.False(t, oldhttpstream.IsUpgradeFailure(err))
}

// Nothing that was begun goes on after ctx has ended.
func TestExecEndsWithContext(t *testing.T) {
	began := make(chan struct{})
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		close(began)
		_, _, _ = conn.ReadMessage() // for ever
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	client, err := newClient(config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), klog.Logger{}))
	defer cancel()
	go func() { <-began; cancel() }()
	err = run(ctx, config, client, labNamespace, remotecommand.StreamOptions{Stdout: &bytes.Buffer{}}, "cat")
	assert.ErrorIs(t, err, context.Canceled)
}
