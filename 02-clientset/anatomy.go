package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// anatomy takes a Clientset apart: RESTClients, an HTTP client, rate limiters. Most of it needs no server.
func anatomy(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	for _, part := range []struct {
		what string
		show func(context.Context, *rest.Config, string, io.Writer) error
	}{
		{"a set of RESTClients", restClients},
		{"what they share", shared},
		{"what a typed call sends", oneCall},
		{"NewForConfig and NewForConfigAndClient", identities},
	} {
		fmt.Fprintf(out, "-- %s\n", part.what)
		if err := part.show(ctx, rest.CopyConfig(config), namespace, out); err != nil {
			return err
		}
	}
	return nil
}

// restClients shows three of the clients inside: the same RESTClient as in chapter 01, made once for each group-version.
func restClients(_ context.Context, config *rest.Config, namespace string, out io.Writer) error {
	client, err := newClient(config)
	if err != nil {
		return err
	}
	for _, inside := range []struct {
		client   rest.Interface
		resource string
	}{
		{client.CoreV1().RESTClient(), "pods"},
		{client.AppsV1().RESTClient(), "deployments"},
		{client.BatchV1().RESTClient(), "jobs"},
	} {
		url := inside.client.Get().Namespace(namespace).Resource(inside.resource).URL()
		fmt.Fprintf(out, "%T for %-8s %s\n", inside.client, inside.client.APIVersion(), url.Path)
	}
	// Every method of the interface returns one of them, but Discovery.
	fmt.Fprintf(out, "%d of these in all\n", reflect.TypeFor[kubernetes.Interface]().NumMethod()-1)
	return nil
}

// shared compares what the clients inside point to.
func shared(_ context.Context, config *rest.Config, _ string, out io.Writer) error {
	for _, limit := range []struct {
		qps   float32
		burst int
	}{{0, 0}, {50, 100}, {-1, 0}, {50, 0}} {
		config.QPS, config.Burst = limit.qps, limit.burst
		fmt.Fprintf(out, "QPS %-2v Burst %-3d ", limit.qps, limit.burst)
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			fmt.Fprintln(out, err)
			continue
		}
		core, apps := client.CoreV1().RESTClient(), client.AppsV1().RESTClient()
		limiters := "one for each group-version"
		switch {
		case core.GetRateLimiter() == nil:
			limiters = "none"
		case core.GetRateLimiter() == apps.GetRateLimiter():
			limiters = "one for all"
		}
		oneHTTPClient := core.(*rest.RESTClient).Client == apps.(*rest.RESTClient).Client
		fmt.Fprintf(out, "one HTTP client: %t; rate limiters: %s\n", oneHTTPClient, limiters)
	}
	return nil
}

// oneCall looks at a request on its way. It asks "who am I?": an object that is created only to be answered, not stored.
func oneCall(ctx context.Context, config *rest.Config, _ string, out io.Writer) error {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			fmt.Fprintf(out, "%s %s\n", request.Method, request.URL.Path)
			fmt.Fprintf(out, "Content-Type: %s\n", request.Header.Get("Content-Type"))
			fmt.Fprintf(out, "Accept:       %s\n", request.Header.Get("Accept"))
			return next.RoundTrip(request)
		})
	})
	client, err := newClient(config)
	if err != nil {
		return err
	}
	_, err = whoAmI(ctx, client)
	return err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// whoAmI returns the user name that the server knows the client by, as kubectl auth whoami does.
func whoAmI(ctx context.Context, client kubernetes.Interface) (string, error) {
	review, err := client.AuthenticationV1().SelfSubjectReviews().
		Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the server who I am: %w", err)
	}
	return review.Status.UserInfo.Username, nil
}

// identities gives a Config for somebody else to both constructors. Who you are is part of the HTTP client, so the second
// one never looks at it.
func identities(ctx context.Context, config *rest.Config, _ string, out io.Writer) error {
	httpClient, err := rest.HTTPClientFor(config) // TLS, credentials, User-Agent, wrappers, Timeout
	if err != nil {
		return fmt.Errorf("make an HTTP client: %w", err)
	}
	me, err := kubernetes.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return fmt.Errorf("make a Clientset: %w", err)
	}
	myName, err := whoAmI(ctx, me)
	if err != nil {
		return err
	}

	asJane := rest.CopyConfig(config)
	asJane.Impersonate.UserName = "jane"
	asJane.Impersonate.Groups = []string{"system:authenticated"} // may ask who it is
	jane, err := newClient(asJane)
	if err != nil {
		return err
	}
	name, err := whoAmI(ctx, jane)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "NewForConfig(as jane): I am %s\n", name)

	notJane, err := kubernetes.NewForConfigAndClient(asJane, httpClient)
	if err != nil {
		return fmt.Errorf("make a Clientset: %w", err)
	}
	name, err = whoAmI(ctx, notJane)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "NewForConfigAndClient(as jane, my HTTP client): I am jane: %t; I am still myself: %t\n",
		name == "jane", name == myName)
	return nil
}
