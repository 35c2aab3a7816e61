package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// slow is a request that the server holds for three seconds: for a state of the world that has not come yet.
func slow(client kubernetes.Interface, namespace string) *rest.Request {
	return client.CoreV1().RESTClient().Get().Namespace(namespace).Resource("configmaps").Param("resourceVersion", "999999999999")
}

// nobodyAnswers gives up before the server does, and then asks where nobody is. Neither error comes from the server, so no
// predicate of apierrors is true, not even IsTimeout.
func nobodyAnswers(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	nowhere := rest.AnonymousClientConfig(config)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a port that nobody listens on: %w", err)
	}
	nowhere.Host = "https://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		return fmt.Errorf("find a port that nobody listens on: %w", err)
	}
	for _, try := range []struct {
		what   string
		config *rest.Config
		limit  time.Duration
	}{
		{"a deadline in ctx", config, 500 * time.Millisecond},
		{"a closed port", nowhere, time.Minute},
	} {
		err := sendSlow(ctx, try.config, namespace, try.limit)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var noAnswer *url.Error
		fmt.Fprintf(out, "%s: *url.Error %t, DeadlineExceeded %t, refused %t; IsTimeout %t\n", try.what, errors.As(err, &noAnswer),
			errors.Is(err, context.DeadlineExceeded), utilnet.IsConnectionRefused(err), apierrors.IsTimeout(err))
	}

	// Config.Timeout is sent along, so server and client give up at the same moment, and either may be first.
	impatient := rest.CopyConfig(config)
	impatient.Timeout = 100 * time.Millisecond
	client, err := newClient(impatient)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Config.Timeout: the request says ?timeout=%s", slow(client, namespace).URL().Query().Get("timeout"))
	err = sendSlow(ctx, impatient, namespace, time.Minute)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Fprintf(out, "; DeadlineExceeded or IsTimeout %t\n", errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err))
	return nil
}

// sendSlow sends the slow request with a limit in its ctx.
func sendSlow(ctx context.Context, config *rest.Config, namespace string, limit time.Duration) error {
	client, err := newClient(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return slow(client, namespace).Do(ctx).Error()
}
