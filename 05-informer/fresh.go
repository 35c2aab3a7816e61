package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// asFreshAs says whether a store has heard of everything up to an object that a write has returned.
func asFreshAs(store cache.Store, written metav1.Object) (bool, error) {
	have := store.LastStoreSyncResourceVersion()
	if have == "" || have == "0" {
		return false, nil // not synced yet; or a store that does not know, with the gate AtomicFIFO off
	}
	order, err := resourceversion.CompareResourceVersion(have, written.GetResourceVersion())
	if err != nil {
		return false, fmt.Errorf("compare the store's resourceVersion %q with the object's: %w", have, err)
	}
	return order >= 0, nil
}

// waitUntilFresh waits until a store has heard of a write.
func waitUntilFresh(ctx context.Context, store cache.Store, written metav1.Object) error {
	return poll(ctx, "the cache to hear of "+written.GetName(), func(context.Context) (bool, error) {
		return asFreshAs(store, written)
	})
}

// fresh writes, and reads what it wrote from a cache that is late.
func fresh(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	client, err := newClient(config)
	if err != nil {
		return err
	}
	proxy, through, err := startProxy(ctx, config, func(*http.Request) {})
	if err != nil {
		return err
	}
	defer proxy.refuse()
	watching, err := newClient(through)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	factory := newFactory(watching, namespace)
	defer factory.Shutdown()
	defer cancel()
	pods := factory.Core().V1().Pods()
	store, lister := pods.Informer().GetIndexer(), pods.Lister().Pods(namespace)
	factory.StartWithContext(ctx)
	wait, enough := soon(ctx)
	defer enough()
	if err := factory.WaitForCacheSyncWithContext(wait).AsError(); err != nil {
		return fmt.Errorf("wait for the first list of pods: %w", err)
	}

	proxy.hold() // what is always so, for a few milliseconds: the write is done, and its event is under way
	var written *corev1.Pod
	for _, write := range []struct {
		what string
		do   func() (*corev1.Pod, error)
	}{
		{"create cup", func() (*corev1.Pod, error) { return makePod(ctx, client, namespace, "cup") }},
		{"paint cup blue", func() (*corev1.Pod, error) { return paint(ctx, client, namespace, "cup", "blue") }},
	} {
		fmt.Fprintf(out, "-- %s\n", write.what)
		if written, err = write.do(); err != nil {
			return err
		}
		naive, err := lister.Get("cup")
		fmt.Fprintf(out, "read at once: %s\n", colourOf(naive, err))
		yet, err := asFreshAs(store, written)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "is the store as fresh as the write? %t\n", yet)
		proxy.release()
		if err := waitUntilFresh(ctx, store, written); err != nil {
			return err
		}
		read, err := lister.Get("cup")
		fmt.Fprintf(out, "read when it is: %s\n", colourOf(read, err))
		proxy.hold()
	}
	proxy.release()

	fmt.Fprintln(out, "-- what is no resourceVersion")
	for _, bad := range []string{"", "0", "007"} {
		_, err := resourceversion.CompareResourceVersion(bad, written.ResourceVersion)
		var invalid resourceversion.InvalidResourceVersion
		fmt.Fprintf(out, "%-6q %t\n", bad, errors.As(err, &invalid))
	}
	return nil
}

func colourOf(pod *corev1.Pod, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("colour %q", pod.Labels["colour"])
}
