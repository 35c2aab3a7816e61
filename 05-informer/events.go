package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// onlyMine cuts an informer down to this chapter's objects: the server sends nothing else.
func onlyMine(options *metav1.ListOptions) { options.LabelSelector = mine().LabelSelector }

// printPods registers a handler that says what happens to pods. The handler is called in a goroutine of its own, for one
// event at a time, in order.
func printPods(pods informersv1.PodIndexInformer, say func(format string, args ...any)) (cache.ResourceEventHandlerRegistration, error) {
	return pods.AddTypedEventHandler(informersv1.PodDetailedHandlerFuncs{
		AddFunc: func(pod *corev1.Pod, isInInitialList bool) {
			was := "new"
			if isInInitialList { // it need not be new: we are
				was = "was there"
			}
			say("add     %s (%s)", cache.MetaObjectToName(pod), was)
		},
		UpdateFunc: func(before, after *corev1.Pod) {
			say("update  %s: %s", cache.MetaObjectToName(after), difference(before, after))
		},
		DeleteFunc: func(pod informersv1.DeletedPod) { // pod.OptionalObj may be nil: the step "relist" shows when
			say("delete  %s", pod.GetObjectName())
		},
	})
}

// difference says what an update has changed. An event does not: it has the object before, from the cache, and after.
func difference(before, after *corev1.Pod) string {
	var all []string
	for _, field := range []struct{ name, before, after string }{
		{"colour", before.Labels["colour"], after.Labels["colour"]},
		{"node", before.Spec.NodeName, after.Spec.NodeName},
		{"phase", string(before.Status.Phase), string(after.Status.Phase)},
	} {
		if field.before != field.after {
			all = append(all, fmt.Sprintf("%s %q -> %q", field.name, field.before, field.after))
		}
	}
	if before.DeletionTimestamp == nil && after.DeletionTimestamp != nil { // the server deletes a pod in two steps
		all = append(all, "deletionTimestamp is set")
	}
	if len(all) == 0 {
		return "something else"
	}
	return strings.Join(all, ", ")
}

// events follows the pods in a namespace, changes some, and stops.
func events(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	if _, err := makePod(ctx, client, namespace, "kettle"); err != nil { // before the informer begins
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	feed := newFeed(ctx)

	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, // 0: no resync
		informers.WithNamespace(namespace),
		informers.WithTweakListOptions(onlyMine))
	defer factory.Shutdown() // waits until every goroutine has ended, so cancel has to come first:
	defer cancel()           // the last defer runs first

	pods := factory.Core().V1().Pods() // asks for nothing yet; TypedInformer registers the informer with the factory
	handler, err := printPods(pods.TypedInformer(), feed.say)
	if err != nil {
		return fmt.Errorf("register a handler for pods: %w", err)
	}
	factory.StartWithContext(ctx) // starts goroutines and returns

	wait, enough := soon(ctx) // an informer that may not list tries for ever, and only logs it
	defer enough()
	// The cache is synced when all that was there is in the store. The handler is synced when it has heard of all that:
	// a moment later.
	if err := factory.WaitForCacheSyncWithContext(wait).AsError(); err != nil {
		return fmt.Errorf("wait for the first list of pods: %w", err)
	}
	if !cache.WaitFor(wait, "", handler.HasSyncedChecker()) {
		return fmt.Errorf("wait for the handler to hear of it: %w", context.Cause(wait))
	}
	if err := feed.print(out, 1); err != nil { // it has been said already: the handler is synced
		return err
	}
	kettle, err := pods.Lister().Pods(namespace).Get("kettle") // from memory: no request
	if err != nil {
		return fmt.Errorf("get the pod kettle from the cache: %w", err)
	}
	fmt.Fprintf(out, "synced: the cache has %s\n", cache.MetaObjectToName(kettle))

	for _, change := range []struct {
		do     func() error
		events int
	}{
		{func() error { _, err := makePod(ctx, client, namespace, "teapot"); return err }, 1},
		{func() error { _, err := paint(ctx, client, namespace, "teapot", "blue"); return err }, 1},
		{func() error { return dropPod(ctx, client, namespace, "teapot") }, 2},
	} {
		if err := change.do(); err != nil {
			return err
		}
		if err := feed.print(out, change.events); err != nil {
			return err
		}
	}
	cancel()
	factory.Shutdown()
	fmt.Fprintln(out, "stopped: no handler runs any more")
	return nil
}

// followPods prints what happens to the pods in a namespace, until Ctrl-C.
func followPods(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	// An informer that may not list, or that nobody answers, tries for ever. So ask once without one.
	if _, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return fmt.Errorf("list pods in %s: %w", namespace, err)
	}
	feed := newFeed(ctx)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	defer factory.Shutdown() // ctx ends with Ctrl-C, and the informer with it
	pods := factory.Core().V1().Pods().TypedInformer()
	handler, err := printPods(pods, feed.say)
	if err != nil {
		return fmt.Errorf("register a handler for pods: %w", err)
	}
	// What goes wrong later. Without this function the informer would only log it.
	err = pods.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		feed.say("not now: %v; the informer tries again", err)
	})
	if err != nil {
		return fmt.Errorf("set the handler for errors: %w", err)
	}
	factory.StartWithContext(ctx)
	go func() {
		if cache.WaitFor(ctx, "", handler.HasSyncedChecker()) {
			feed.say("synced: now change a pod in %s from another terminal; Ctrl-C ends this", namespace)
		}
	}()
	for {
		select {
		case line := <-feed.lines:
			fmt.Fprintln(out, line)
		case <-ctx.Done():
			return nil
		}
	}
}
