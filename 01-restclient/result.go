package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// results takes answers apart: first good ones, then errors.
func results(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	if err := resultOfPost(ctx, client, namespace, out); err != nil {
		return err
	}
	if err := resultThreeWays(ctx, client, namespace, out); err != nil {
		return err
	}
	return resultErrors(ctx, client, namespace, out)
}

// resultOfPost creates a ConfigMap with a field that no ConfigMap has. The server drops it, and says so in a header.
func resultOfPost(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	body := []byte(`{"apiVersion":"v1","kind":"ConfigMap","colour":"red","metadata":{"name":"result","labels":{"` + labLabel + `":"01"}}}`)
	var (
		code        int
		created     bool
		contentType string
	)
	result := client.Post().Namespace(namespace).Resource("configmaps").
		SetHeader("Content-Type", "application/json"). // Body sets it for an object, but not for bytes
		Param("fieldValidation", "Warn").              // or Strict: an error; or Ignore: silence
		WarningHandlerWithContext(rest.NoWarnings{}).  // the default one logs; we read them from the Result
		Body(body).
		Do(ctx)
	// These three only look; the error waits for Error, Into, Get or Raw.
	err := result.StatusCode(&code).WasCreated(&created).ContentType(&contentType).Error()
	if err != nil {
		return fmt.Errorf("create the ConfigMap result: %w", err)
	}
	fmt.Fprintf(out, "StatusCode %d, WasCreated %t, ContentType %s\n", code, created, contentType)
	for _, warning := range result.Warnings() {
		fmt.Fprintf(out, "Warnings   %d %s\n", warning.Code, warning.Text)
	}
	return nil
}

// resultThreeWays reads one answer as bytes, as some object, and into an object of ours. A Result holds the whole
// body in memory, so it can be read more than once.
func resultThreeWays(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	result := client.Get().Namespace(namespace).Resource("configmaps").Name("result").Do(ctx)

	raw, err := result.Raw()
	if err != nil {
		return fmt.Errorf("get the ConfigMap result: %w", err)
	}
	fmt.Fprintf(out, "Raw        bytes as they came: %.37s...\n", raw)

	object, err := result.Get() // the type comes from kind and apiVersion in the body
	if err != nil {
		return fmt.Errorf("decode the ConfigMap result: %w", err)
	}
	fmt.Fprintf(out, "Get        a runtime.Object: %T\n", object)

	configMap := &corev1.ConfigMap{} // the type is ours
	if err := result.Into(configMap); err != nil {
		return fmt.Errorf("decode the ConfigMap result: %w", err)
	}
	fmt.Fprintf(out, "Into       name %q, kind %q\n", configMap.Name, configMap.Kind)
	return nil
}

// resultErrors makes the server say no in six ways.
func resultErrors(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	configMaps := func(r *rest.Request) *rest.Request { return r.Namespace(namespace).Resource("configmaps") }
	named := func(name string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()}}
	}
	stale := named("result")
	stale.ResourceVersion = "1"

	for _, try := range []struct {
		what    string
		request *rest.Request
		is      func(error) bool
	}{
		{"IsNotFound", configMaps(client.Get()).Name("nothing"), apierrors.IsNotFound},
		{"IsAlreadyExists", configMaps(client.Post()).Body(named("result")), apierrors.IsAlreadyExists},
		{"IsConflict", configMaps(client.Put()).Name("result").Body(stale), apierrors.IsConflict},
		{"IsInvalid", configMaps(client.Post()).Body(named("Not A Name")), apierrors.IsInvalid},
		{"IsBadRequest", configMaps(client.Post()).Body([]byte("not JSON")), apierrors.IsBadRequest},
		{"IsMethodNotSupported", client.Delete().Resource("namespaces"), apierrors.IsMethodNotSupported},
	} {
		err := try.request.Do(ctx).Error()
		var status *apierrors.StatusError
		if !errors.As(err, &status) || !try.is(err) {
			return unexpected("make the server say no", try.what, err)
		}
		fmt.Fprintf(out, "%-20s %d %s: %s\n", try.what, status.ErrStatus.Code, status.ErrStatus.Reason, status.ErrStatus.Message)
	}

	// Raw does not look into the body, so its error is made from the status code alone.
	_, err := configMaps(client.Get()).Name("nothing").Do(ctx).Raw()
	if !apierrors.IsNotFound(err) {
		return unexpected("get what is not there", "404 NotFound", err)
	}
	fmt.Fprintf(out, "IsNotFound from Raw: %v\n", err)
	return nil
}
