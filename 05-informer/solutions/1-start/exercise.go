// Package start starts an informer, waits until it is ready, reads from it, and stops it.
package start

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	listersv1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// ready starts an informer of pods that calls heard for each pod that is added. When it returns, all that was there is
// in the cache, and heard has been called for all of it.
func ready(ctx context.Context, factory informers.SharedInformerFactory, namespace string, heard func(*corev1.Pod)) (listersv1.PodNamespaceLister, error) {
	// lab:begin 1 nothing is missing here, but the first line comes too early: a factory starts what it has been asked for
	pods := factory.Core().V1().Pods()
	handler, err := pods.TypedInformer().AddTypedEventHandler(informersv1.PodHandlerFuncs{AddFunc: heard})
	if err != nil {
		return nil, fmt.Errorf("register a handler for pods: %w", err)
	}
	factory.StartWithContext(ctx)
	// lab:stub factory.StartWithContext(ctx)
	// lab:stub pods := factory.Core().V1().Pods()
	// lab:stub handler, err := pods.TypedInformer().AddTypedEventHandler(informersv1.PodHandlerFuncs{AddFunc: heard})
	// lab:stub if err != nil {
	// lab:stub 	return nil, fmt.Errorf("register a handler for pods: %w", err)
	// lab:stub }
	// lab:end
	if err := factory.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return nil, fmt.Errorf("wait for the first list of pods: %w", err)
	}
	// lab:begin 2 that was the store; wait for the handler, too
	if !cache.WaitFor(ctx, "", handler.HasSyncedChecker()) {
		return nil, fmt.Errorf("wait for the handler to hear of it: %w", context.Cause(ctx))
	}
	// lab:stub _ = handler
	// lab:end
	return pods.Lister().Pods(namespace), nil
}

// names returns the names of all pods in the cache, sorted.
func names(lister listersv1.PodNamespaceLister) ([]string, error) {
	// lab:begin 3 ask the lister for everything, with the selector that selects it (nil is none, and panics); what comes from a cache has no order
	pods, err := lister.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list the pods in the cache: %w", err)
	}
	var names []string
	for _, pod := range pods {
		names = append(names, pod.Name)
	}
	slices.Sort(names)
	return names, nil
	// lab:stub return nil, fmt.Errorf("step 3 is not written yet")
	// lab:end
}

// Follow has heard called for every pod that is there or is added, and read with the names of those that are there. When
// read returns, Follow ends. Then no goroutine of the informer runs any more, and heard is not being called.
func Follow(ctx context.Context, client kubernetes.Interface, namespace string, heard func(*corev1.Pod), read func(names []string)) error {
	ctx, cancel := context.WithCancel(ctx)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	// lab:begin 4 cancel tells the goroutines to end; something has to wait until they have. Which defer runs first?
	defer factory.Shutdown()
	defer cancel()
	// lab:stub defer cancel()
	// lab:end
	lister, err := ready(ctx, factory, namespace, heard)
	if err != nil {
		return err
	}
	pods, err := names(lister)
	if err != nil {
		return err
	}
	read(pods)
	return nil
}
