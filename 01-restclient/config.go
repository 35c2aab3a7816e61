package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// configFields changes one field of rest.Config after the other and shows the difference. Each part works on a copy:
// clients built from one Config share it.
func configFields(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	for _, part := range []struct {
		field string
		show  func(context.Context, *rest.Config, string, io.Writer) error
	}{
		{"QPS, Burst", throttling},
		{"Timeout", timeouts},
		{"UserAgent", userAgents},
		{"WarningHandlerWithContext", warnings},
		{"ContentType, AcceptContentTypes", contentTypes},
		{"Impersonate", impersonate},
	} {
		fmt.Fprintf(out, "-- %s\n", part.field)
		if err := part.show(ctx, rest.CopyConfig(config), namespace, out); err != nil {
			return err
		}
	}
	return nil
}

// throttling sends 20 requests with three limits. The limiter is a bucket of Burst tokens, refilled at QPS per second;
// each request takes one, or waits for one. It sits in the client: the server never hears of the requests that wait.
func throttling(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	const requests = 20
	for _, limit := range []struct {
		qps   float32
		burst int
		what  string
	}{
		{0, 0, "QPS and Burst not set: 5 and 10"},
		{50, 100, "QPS 50, Burst 100"},
		{-1, 0, "QPS -1: no limit"},
	} {
		config.QPS, config.Burst = limit.qps, limit.burst
		client, err := newCoreClient(config) // a new client has a new, full bucket
		if err != nil {
			return err
		}
		start := time.Now()
		for range requests {
			if err := client.Get().Resource("namespaces").Name(namespace).Do(ctx).Error(); err != nil {
				return fmt.Errorf("get the namespace %s: %w", namespace, err)
			}
		}
		fmt.Fprintf(out, "%d requests, %s: %s\n", requests, limit.what, roughly(time.Since(start)))
	}
	return nil
}

// roughly rounds a duration to what can be repeated.
func roughly(d time.Duration) string {
	if d < time.Second {
		return "less than 1 s"
	}
	return fmt.Sprintf("about %.0f s", math.Round(d.Seconds()))
}

// timeouts sets Timeout, which is for the whole answer, body included. The body of a watch does not end: Timeout cuts
// it off. Leave it at zero in a Config that also serves watches, and give single requests a limit of their own.
func timeouts(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	config.Timeout = time.Second
	client, err := newCoreClient(config)
	if err != nil {
		return err
	}
	start := time.Now()
	stream, err := startWatch(ctx, client, namespace, metav1.ListOptions{})
	if err != nil {
		return err
	}
	defer stream.Stop()
	if _, err := next(ctx, stream); !errors.Is(err, errEnd) || ctx.Err() != nil {
		return unexpected("watch with a Timeout of 1 s", "the end of the stream", err)
	}
	fmt.Fprintf(out, "Timeout 1 s: a watch ended after %s, without an error\n", roughly(time.Since(start)))

	// The server is told, too, so that it does not work for nobody. (A context's deadline stays in the client.)
	url := client.Get().Resource("namespaces").Timeout(5 * time.Second).URL()
	fmt.Fprintf(out, "Timeout(5 s) on one request: GET %s\n", url.RequestURI())
	return nil
}

// userAgents shows what the server makes of User-Agent: up to the first slash, it is the name of the field manager.
// With dryRun=All the server does everything but store the object.
func userAgents(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	for _, agent := range []struct{ what, value string }{
		{"not set", ""},
		{"paint-shop/v1.2", "paint-shop/v1.2"},
	} {
		config.UserAgent = agent.value
		client, err := newCoreClient(config)
		if err != nil {
			return err
		}
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "dry", Labels: labels()}}
		err = client.Post().Namespace(namespace).Resource("configmaps").
			Param("dryRun", metav1.DryRunAll).
			Body(configMap).Do(ctx).Into(configMap)
		if err != nil {
			return fmt.Errorf("create a ConfigMap with dryRun: %w", err)
		}
		for _, entry := range configMap.ManagedFields {
			fmt.Fprintf(out, "UserAgent %s: managedFields says %q\n", agent.what, entry.Manager)
		}
	}
	return nil
}

// printWarnings is a rest.WarningHandlerWithContext. It is called for every Warning header, before Do returns.
type printWarnings struct{ out io.Writer }

func (p printWarnings) HandleWarningHeaderWithContext(_ context.Context, code int, _ string, text string) {
	fmt.Fprintf(p.out, "warning %d: %s\n", code, text)
}

// warnings reads a resource that has had its day. Without a handler of ours the warning would go to klog, on stderr.
func warnings(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	config.WarningHandlerWithContext = printWarnings{out} // rest.NoWarnings{} drops them
	client, err := newCoreClient(config)
	if err != nil {
		return err
	}
	if err := client.Get().Namespace(namespace).Resource("endpoints").Do(ctx).Error(); err != nil {
		return fmt.Errorf("list the Endpoints in %s: %w", namespace, err)
	}
	return nil
}

// contentTypes gets one object in two encodings and shows the first bytes of each, as they came over the wire.
// Custom resources know JSON only, so Accept names both: the server takes the first one it can.
func contentTypes(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	sizes := map[string]int{}
	for _, accept := range []string{
		"application/json",
		"application/vnd.kubernetes.protobuf,application/json",
	} {
		config.AcceptContentTypes = accept // what we read; ContentType is what we send, and read if this is empty
		client, err := newCoreClient(config)
		if err != nil {
			return err
		}
		var contentType string
		body, err := client.Get().Resource("namespaces").Name(namespace).Do(ctx).ContentType(&contentType).Raw()
		if err != nil {
			return fmt.Errorf("get the namespace %s as %s: %w", namespace, accept, err)
		}
		fmt.Fprintf(out, "%s\n  % x  %q\n", contentType, body[:min(16, len(body))], body[:min(16, len(body))])
		sizes[contentType] = len(body)
	}
	fmt.Fprintf(out, "fewer bytes as protobuf: %t\n", sizes["application/vnd.kubernetes.protobuf"] < sizes["application/json"])
	return nil
}

// impersonate asks as somebody else, as kubectl --as does. You need the permission to; somebody else needs permissions, too.
func impersonate(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	config.Impersonate.UserName = "jane"
	client, err := newCoreClient(config)
	if err != nil {
		return err
	}
	err = client.Get().Namespace(namespace).Resource("pods").Do(ctx).Error()
	if !apierrors.IsForbidden(err) {
		return unexpected("list pods as jane, who may not", "403 Forbidden", err)
	}
	fmt.Fprintln(out, err)
	return nil
}
