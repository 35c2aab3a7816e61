// Package start is a sample of a typical mistake: it asks the handler once, and does not wait.
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
)

// want: HasSynced asks once; wait with cache.WaitFor

// ready starts an informer of pods that calls heard for each pod that is added. When it returns, all that was there is
// in the cache, and heard has been called for all of it.
func ready(ctx context.Context, factory informers.SharedInformerFactory, namespace string, heard func(*corev1.Pod)) (listersv1.PodNamespaceLister, error) {
	pods := factory.Core().V1().Pods()
	handler, err := pods.TypedInformer().AddTypedEventHandler(informersv1.PodHandlerFuncs{AddFunc: heard})
	if err != nil {
		return nil, fmt.Errorf("register a handler for pods: %w", err)
	}
	factory.StartWithContext(ctx)
	if err := factory.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return nil, fmt.Errorf("wait for the first list of pods: %w", err)
	}
	if !handler.HasSynced() {
		return nil, fmt.Errorf("the handler is not synced")
	}
	return pods.Lister().Pods(namespace), nil
}

// names returns the names of all pods in the cache, sorted.
func names(lister listersv1.PodNamespaceLister) ([]string, error) {
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
}

// Follow has heard called for every pod that is there or is added, and read with the names of those that are there. When
// read returns, Follow ends. Then no goroutine of the informer runs any more, and heard is not being called.
func Follow(ctx context.Context, client kubernetes.Interface, namespace string, heard func(*corev1.Pod), read func(names []string)) error {
	ctx, cancel := context.WithCancel(ctx)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	defer factory.Shutdown()
	defer cancel()
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
