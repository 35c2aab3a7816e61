package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	"client-go-lab/localcluster/cluster"
)

const streamTimeout = time.Hour

// serveKubelet answers what the API server asks of a node: logs, exec, attach and port-forward. kwok has a server for
// that, but it takes anybody who can reach its port and runs the commands on the host, as the user. This one takes the
// API server's client certificate only, and runs nothing: a few commands are played, the rest is refused.
func serveKubelet(ctx context.Context, listener net.Listener, client kubernetes.Interface, state cluster.State) error {
	ca, err := os.ReadFile(state.Cert(cluster.CA))
	if err != nil {
		return fmt.Errorf("read the cluster's CA: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	k := &kubelet{client: client}
	server := &http.Server{
		Handler:           k.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS13,
			NextProtos: []string{"http/1.1"}, // exec upgrades its connection, which HTTP/2 cannot do
			VerifyConnection: func(c tls.ConnectionState) error {
				if name := c.PeerCertificates[0].Subject.CommonName; name != string(cluster.KubeletClient) {
					return fmt.Errorf("%s may not use the kubelet API", name)
				}
				return nil
			},
		},
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err = server.ServeTLS(listener, state.Cert(cluster.Kubelet), state.Key(cluster.Kubelet))
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the kubelet API: %w", err)
	}
	return nil
}

// kubelet is the part of a kubelet that the API server calls. Streams name a pod as "namespace/name".
type kubelet struct{ client kubernetes.Interface }

func (k *kubelet) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{ns}/{pod}/{container}", k.logs)
	mux.HandleFunc("/exec/{ns}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		if o, err := remotecommand.NewOptions(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		} else {
			remotecommand.ServeExec(w, r, k, podOf(r), "", r.PathValue("container"), r.URL.Query()["command"], o,
				streamTimeout, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
		}
	})
	mux.HandleFunc("/attach/{ns}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		if o, err := remotecommand.NewOptions(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		} else {
			remotecommand.ServeAttach(w, r, k, podOf(r), "", r.PathValue("container"), o,
				streamTimeout, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
		}
	})
	mux.HandleFunc("/portForward/{ns}/{pod}", func(w http.ResponseWriter, r *http.Request) {
		if o, err := portforward.NewV4Options(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		} else {
			portforward.ServePortForward(w, r, k, podOf(r), "", o,
				streamTimeout, remotecommand.DefaultStreamCreationTimeout, portforward.SupportedProtocols)
		}
	})
	return mux
}

func podOf(r *http.Request) string { return r.PathValue("ns") + "/" + r.PathValue("pod") }

// logLines is what every container "wrote": the pod's own facts, so that logs differ from pod to pod, and no clock, so
// that a lesson can show them.
func logLines(pod *corev1.Pod, container string) []string {
	image := "?"
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name == container {
			image = c.Image
		}
	}
	return []string{
		fmt.Sprintf("container %s of pod %s/%s, image %s, node %s", container, pod.Namespace, pod.Name, image, pod.Spec.NodeName),
		"this node is simulated (kwok): no process runs here, and these lines stand in for its output",
	}
}

func (k *kubelet) logs(w http.ResponseWriter, r *http.Request) {
	pod, err := k.client.CoreV1().Pods(r.PathValue("ns")).Get(r.Context(), r.PathValue("pod"), metav1.GetOptions{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	query := r.URL.Query()
	lines := logLines(pod, r.PathValue("container"))
	if n, err := strconv.Atoi(query.Get("tailLines")); err == nil && n >= 0 && n < len(lines) {
		lines = lines[len(lines)-n:]
	}
	stamp := ""
	if query.Get("timestamps") == "true" && pod.Status.StartTime != nil {
		stamp = pod.Status.StartTime.UTC().Format(time.RFC3339Nano) + " "
	}
	text := ""
	for _, line := range lines {
		text += stamp + line + "\n"
	}
	if n, err := strconv.Atoi(query.Get("limitBytes")); err == nil && n >= 0 && n < len(text) {
		text = text[:n]
	}
	_, _ = io.WriteString(w, text)
	if query.Get("follow") == "true" {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

// ExecInContainer implements remotecommand.Executor. It plays the commands that need no container.
func (k *kubelet) ExecInContainer(_ context.Context, pod, _, _ string, cmd []string, in io.Reader, out, errOut io.WriteCloser,
	_ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration,
) error {
	if errOut == nil { // a terminal has one stream for both
		errOut = out
	}
	_, name, _ := strings.Cut(pod, "/")
	switch cmd[0] {
	case "echo":
		_, err := fmt.Fprintln(out, strings.Join(cmd[1:], " "))
		return err
	case "hostname":
		_, err := fmt.Fprintln(out, name)
		return err
	case "cat":
		if in != nil {
			_, err := io.Copy(out, in)
			return err
		}
		return nil
	case "true":
		return nil
	case "false":
		return utilexec.CodeExitError{Err: errors.New("exit status 1"), Code: 1}
	}
	_, _ = fmt.Fprintf(errOut, "%s: not played on a simulated node, which knows echo, hostname, cat, true and false; "+
		"use a kind cluster to run real processes\n", cmd[0])
	return utilexec.CodeExitError{Err: errors.New("exit status 127"), Code: 127}
}

// AttachContainer implements remotecommand.Attacher: the process it would attach to does not exist.
func (k *kubelet) AttachContainer(_ context.Context, pod, _, container string, _ io.Reader, out, _ io.WriteCloser,
	_ bool, _ <-chan remotecommand.TerminalSize,
) error {
	if out != nil {
		_, _ = fmt.Fprintf(out, "container %s of pod %s has no process: its node is simulated\n", container, pod)
	}
	return nil
}

// PortForward implements portforward.PortForwarder.
func (k *kubelet) PortForward(_ context.Context, pod, _ string, port int32, _ io.ReadWriteCloser) error {
	return fmt.Errorf("nothing listens on port %d of pod %s: its node is simulated; use a kind cluster", port, pod)
}
