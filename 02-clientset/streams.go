package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

// streams goes through the API server to the kubelet of a node. It needs a Config, not only a client: exec and
// port-forward upgrade their connection, and make it themselves.
func streams(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	client, err := newClient(config)
	if err != nil {
		return err
	}
	talker := samplePod("talker")
	if _, err := client.CoreV1().Pods(namespace).Create(ctx, talker, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the Pod talker: %w", err)
	}
	if err := waitReady(ctx, client, namespace, "talker"); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- logs")
	if err := logs(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- exec")
	if err := execs(ctx, config, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- port-forward")
	if err := forward(ctx, config, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- ephemeral container")
	return ephemeral(ctx, client, namespace, out)
}

// logs reads one line and hangs up. GetLogs sends nothing: it returns a *rest.Request, the one of chapter 01.
func logs(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	last := int64(1)
	options := &corev1.PodLogOptions{TailLines: &last, Follow: true} // Follow: wait for a line, if there is none yet
	stream, err := client.CoreV1().Pods(namespace).GetLogs("talker", options).Stream(ctx)
	if err != nil {
		return fmt.Errorf("open the log of the Pod talker: %w", err)
	}
	defer stream.Close() // or the connection stays
	lines := bufio.NewScanner(stream)
	if !lines.Scan() {
		return fmt.Errorf("read the log of the Pod talker: %w", errors.Join(io.ErrUnexpectedEOF, lines.Err()))
	}
	fmt.Fprintln(out, lines.Text())
	return nil
}

// execs runs commands in the pod.
func execs(ctx context.Context, config *rest.Config, client kubernetes.Interface, namespace string, out io.Writer) error {
	var stdout, stderr bytes.Buffer
	if err := run(ctx, config, client, namespace, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}, "echo", "hello"); err != nil {
		return fmt.Errorf("run echo in the Pod talker: %w", err)
	}
	fmt.Fprintf(out, "echo hello: %q\n", stdout.String())

	stdout.Reset()
	in := strings.NewReader("one line in\n")
	if err := run(ctx, config, client, namespace, remotecommand.StreamOptions{Stdin: in, Stdout: &stdout, Stderr: &stderr}, "cat"); err != nil {
		return fmt.Errorf("run cat in the Pod talker: %w", err)
	}
	fmt.Fprintf(out, "cat: %q\n", stdout.String())

	err := run(ctx, config, client, namespace, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}, "false")
	var exit exec.CodeExitError // the command ran, and said no; any other error: it did not run
	if !errors.As(err, &exit) {
		return unexpected("run false in the Pod talker", "an exit code", err)
	}
	fmt.Fprintf(out, "false: exit code %d\n", exit.Code)
	return nil
}

// run runs one command, as kubectl exec does: over WebSocket, and over SPDY if something on the way cannot do that.
func run(ctx context.Context, config *rest.Config, client kubernetes.Interface, namespace string, streams remotecommand.StreamOptions, command ...string) error {
	url := client.CoreV1().RESTClient().Post().
		Namespace(namespace).Resource("pods").Name("talker").SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Command: command, // no shell: for pipes and variables, run one
			Stdin:   streams.Stdin != nil,
			Stdout:  streams.Stdout != nil,
			Stderr:  streams.Stderr != nil,
		}, scheme.ParameterCodec).
		URL()
	webSocket, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, url.String())
	if err != nil {
		return err
	}
	spdyExecutor, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, url)
	if err != nil {
		return err
	}
	executor, err := remotecommand.NewFallbackExecutor(webSocket, spdyExecutor, noWebSocket)
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, streams) // Stream is deprecated: it cannot be stopped
}

// noWebSocket says that the upgrade to WebSocket failed: an old server, or a proxy that does not know it. The function of
// the same name in k8s.io/apimachinery/pkg/util/httpstream is about another type of error: with it, nothing falls back.
func noWebSocket(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// ephemeral puts one more container into the running pod, as kubectl debug does.
func ephemeral(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	pods := client.CoreV1().Pods(namespace)
	talker, err := pods.Get(ctx, "talker", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the Pod talker: %w", err)
	}
	talker.Spec.EphemeralContainers = append(talker.Spec.EphemeralContainers, corev1.EphemeralContainer{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger", Image: sampleImage, ImagePullPolicy: corev1.PullIfNotPresent},
		TargetContainerName:      "main", // whose processes it sees
	})
	_, err = pods.Update(ctx, talker, metav1.UpdateOptions{})
	if !apierrors.IsInvalid(err) {
		return unexpected("add a container to a pod with Update", "422 Invalid", err)
	}
	fmt.Fprintf(out, "Update: %s\n", apierrors.ReasonForError(err))
	talker, err = pods.UpdateEphemeralContainers(ctx, "talker", talker, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("add an ephemeral container to the Pod talker: %w", err)
	}
	fmt.Fprintf(out, "UpdateEphemeralContainers: now %s\n", talker.Spec.EphemeralContainers[0].Name)

	node, err := client.CoreV1().Nodes().Get(ctx, talker.Spec.NodeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the Node %s: %w", talker.Spec.NodeName, err)
	}
	if node.Annotations["kwok.x-k8s.io/node"] != "" {
		fmt.Fprintln(out, "its node is simulated (kwok), and starts no ephemeral containers")
		return nil
	}
	err = poll(ctx, "the ephemeral container to run", func(ctx context.Context) (bool, error) {
		talker, err = pods.Get(ctx, "talker", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		running := talker.Status.EphemeralContainerStatuses
		return len(running) == 1 && running[0].State.Running != nil, nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "it runs, until the pod goes: no request takes it out again")
	return nil
}
