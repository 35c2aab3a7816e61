package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// errorKinds makes the server say no in every way that it can be made to, and the network, too.
func errorKinds(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	client, err := newClient(config)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "-- the server says no")
	if err := serverSaysNo(ctx, config, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- the server says: not now")
	if err := serverSaysLater(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- nobody answers")
	if err := nobodyAnswers(ctx, config, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- wrapped")
	return wrappedErrors(ctx, client, namespace, out)
}

// attempt is a request that must fail in one way. is is the predicate that is true then.
type attempt struct {
	predicate string
	is        func(error) bool
	send      func() error
}

// serverSaysNo sends what will never succeed, however often it is sent.
func serverSaysNo(ctx context.Context, config *rest.Config, client kubernetes.Interface, namespace string, out io.Writer) error {
	configMaps := client.CoreV1().ConfigMaps(namespace)
	note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "note", Labels: labels()}}
	if _, err := configMaps.Create(ctx, note, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the ConfigMap note: %w", err)
	}

	strangerConfig := rest.AnonymousClientConfig(config) // the server's address and CA, and no credentials
	strangerConfig.BearerToken = "no-such-token"
	stranger, err := newClient(strangerConfig)
	if err != nil {
		return err
	}
	janeConfig := rest.CopyConfig(config)
	janeConfig.Impersonate.UserName = "jane"
	jane, err := newClient(janeConfig)
	if err != nil {
		return err
	}
	raw := client.CoreV1().RESTClient() // for what the typed methods cannot get wrong

	return send(ctx, out, []attempt{
		{"IsNotFound", apierrors.IsNotFound, func() error {
			_, err := configMaps.Get(ctx, "nothing", metav1.GetOptions{})
			return err
		}},
		{"IsAlreadyExists", apierrors.IsAlreadyExists, func() error {
			_, err := configMaps.Create(ctx, note, metav1.CreateOptions{})
			return err
		}},
		{"IsConflict", apierrors.IsConflict, func() error {
			stale := note.DeepCopy()
			stale.ResourceVersion = "1"
			_, err := configMaps.Update(ctx, stale, metav1.UpdateOptions{})
			return err
		}},
		{"IsInvalid", apierrors.IsInvalid, func() error {
			ports := []corev1.ServicePort{{Name: "a", Port: 0}, {Name: "b", Port: 80, Protocol: "FTP"}}
			shop := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: labels()}, Spec: corev1.ServiceSpec{Ports: ports}}
			_, err := client.CoreV1().Services(namespace).Create(ctx, shop, metav1.CreateOptions{})
			return err
		}},
		{"IsBadRequest", apierrors.IsBadRequest, func() error {
			_, err := configMaps.List(ctx, metav1.ListOptions{FieldSelector: "data.colour=red"})
			return err
		}},
		{"IsUnauthorized", apierrors.IsUnauthorized, func() error {
			_, err := stranger.CoreV1().ConfigMaps(namespace).Get(ctx, "note", metav1.GetOptions{})
			return err
		}},
		{"IsForbidden", apierrors.IsForbidden, func() error {
			_, err := jane.CoreV1().ConfigMaps(namespace).Get(ctx, "note", metav1.GetOptions{})
			return err
		}},
		{"IsMethodNotSupported", apierrors.IsMethodNotSupported, func() error {
			return raw.Put().Namespace(namespace).Resource("configmaps").Body(note).Do(ctx).Error()
		}},
		{"IsNotAcceptable", apierrors.IsNotAcceptable, func() error {
			return raw.Get().Namespace(namespace).Resource("configmaps").SetHeader("Accept", "text/poem").Do(ctx).Error()
		}},
		{"IsUnsupportedMediaType", apierrors.IsUnsupportedMediaType, func() error {
			_, err := configMaps.Patch(ctx, "note", types.PatchType("text/poem"), []byte("roses are red"), metav1.PatchOptions{})
			return err
		}},
		{"IsRequestEntityTooLargeError", apierrors.IsRequestEntityTooLargeError, func() error {
			novel := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "novel", Labels: labels()}}
			novel.Data = map[string]string{"text": strings.Repeat("once upon a time ", 250_000)}
			_, err := configMaps.Create(ctx, novel, metav1.CreateOptions{})
			return err
		}},
		{"IsResourceExpired", apierrors.IsResourceExpired, func() error {
			_, err := configMaps.List(ctx, metav1.ListOptions{ResourceVersion: "1", ResourceVersionMatch: metav1.ResourceVersionMatchExact})
			return err
		}},
	})
}

// send makes each attempt, checks that it fails as it should, and prints what the server said.
func send(ctx context.Context, out io.Writer, attempts []attempt) error {
	for _, try := range attempts {
		err := try.send()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && try.predicate == "IsResourceExpired" {
			fmt.Fprintln(out, youngServer)
			continue
		}
		var status *apierrors.StatusError
		if !errors.As(err, &status) || !try.is(err) {
			return unexpected("make the server say no", try.predicate, err)
		}
		s := status.ErrStatus
		message, _, _ := strings.Cut(s.Message, "\n")       // the first line
		message, _, _ = strings.Cut(message, ", current: ") // what follows is another number each time
		fmt.Fprintf(out, "%-28s %d %s: %s\n", try.predicate, s.Code, s.Reason, message)
		if s.Reason == metav1.StatusReasonInvalid {
			for _, cause := range s.Details.Causes { // one for each mistake
				fmt.Fprintf(out, "%-28s     %s %s\n", "", cause.Field, cause.Type)
			}
		}
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
			fmt.Fprintf(out, "%-28s     try again after %d s\n", "", seconds)
		}
	}
	return nil
}

// serverSaysLater sends what may succeed later.
func serverSaysLater(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	if err := makeGuards(ctx, client, namespace); err != nil {
		return err
	}
	if err := evict(ctx, client, namespace, "guard-1"); err != nil {
		return fmt.Errorf("evict the Pod guard-1: %w", err)
	}
	raw := client.CoreV1().RESTClient()
	return send(ctx, out, []attempt{
		{"IsTooManyRequests", apierrors.IsTooManyRequests, func() error {
			return evict(ctx, client, namespace, "guard-2")
		}},
		{"IsTimeout", apierrors.IsTimeout, func() error { // the server gives up
			return raw.Get().Namespace(namespace).Resource("configmaps").Param("timeout", "1ns").Do(ctx).Error()
		}},
		{"IsTimeout", apierrors.IsTimeout, func() error {
			// The answer has a Retry-After, so client-go would wait and send it again, ten times.
			return slow(client, namespace).MaxRetries(0).Do(ctx).Error()
		}},
	})
}

// wrappedErrors adds words to an error on its way up. The predicates look through %w and errors.Join.
func wrappedErrors(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	_, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, "nothing", metav1.GetOptions{})
	for _, wrap := range []struct {
		how string
		err error
	}{
		{"%w", fmt.Errorf("read the settings: %w", err)},
		{"errors.Join", errors.Join(errors.New("two things went wrong"), err)},
		{"%v", fmt.Errorf("read the settings: %v", err)},
	} {
		_, isStatus := wrap.err.(apierrors.APIStatus) // what old code does
		fmt.Fprintf(out, "%s: IsNotFound %t, a type assertion %t\n", wrap.how, apierrors.IsNotFound(wrap.err), isStatus)
	}
	return nil
}
