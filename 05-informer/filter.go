package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// slim is a transform: it is called for every object before it is stored, and may change it. What it must not do is count
// on being called once: objects of the first list come by twice.
func slim(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return object, nil // cache.DeletedFinalStateUnknown never comes by here, but what does not fit is not an error
	}
	accessor.SetManagedFields(nil)
	if pod, ok := object.(*corev1.Pod); ok {
		pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName}
		pod.Status = corev1.PodStatus{Phase: pod.Status.Phase}
	}
	return object, nil
}

// filter keeps the cache small, in five ways.
func filter(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	client, err := newClient(config)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a metadata client: %w", err)
	}
	for _, pod := range []*corev1.Pod{onNode("cup", "shelf", "tea"), onNode("glass", "shelf", "water"), onNode("mug", "table", "tea")} {
		if _, err := create(ctx, client, namespace, pod); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	type running interface{ Shutdown() }
	var all []running
	defer func() {
		cancel()
		for _, factory := range all {
			factory.Shutdown()
		}
	}()

	// All of these keep to the lab's namespace and to this chapter's label: the server's work is to leave the rest out.
	selecting := func(labels, fields string) informers.SharedInformerOption {
		return informers.WithTweakListOptions(func(options *metav1.ListOptions) {
			onlyMine(options)
			options.LabelSelector += labels
			options.FieldSelector = fields
		})
	}
	transformed := atomic.Int32{}
	counted := func(object any) (any, error) { transformed.Add(1); return slim(object) }

	fmt.Fprintf(out, "%-34s %4s  %-13s %-5s %s\n", "informer", "pods", "managedFields", "image", "node")
	typed := []struct {
		name    string
		options []informers.SharedInformerOption
	}{
		{"all", nil},
		{"label selector drink=tea", []informers.SharedInformerOption{selecting(",drink=tea", "")}},
		{"field selector spec.nodeName=shelf", []informers.SharedInformerOption{selecting("", "spec.nodeName=shelf")}},
		{"transform", []informers.SharedInformerOption{informers.WithTransform(counted)}},
	}
	wait, enough := soon(ctx)
	defer enough()
	left := newFeed(ctx)
	for i, kind := range typed {
		factory := newFactory(client, namespace, kind.options...)
		all = append(all, factory)
		informer := factory.Core().V1().Pods().Informer()
		if i == 1 {
			if _, err := informer.AddEventHandler(sayEvents("handler behind drink=tea:", left.say)); err != nil {
				return fmt.Errorf("register a handler: %w", err)
			}
		}
		factory.StartWithContext(ctx)
		if err := factory.WaitForCacheSyncWithContext(wait).AsError(); err != nil {
			return fmt.Errorf("wait for the informer %q: %w", kind.name, err)
		}
		describeCache(out, kind.name, informer.GetStore())
	}
	metadataOnly := metadatainformer.NewFilteredSharedInformerFactory(metadataClient, 0, namespace, onlyMine)
	all = append(all, metadataOnly)
	informer := metadataOnly.ForResource(corev1.SchemeGroupVersion.WithResource("pods")).Informer()
	metadataOnly.Start(ctx.Done()) // its interface has no StartWithContext yet
	if !cache.WaitFor(wait, "", informer.HasSyncedChecker()) {
		return fmt.Errorf("wait for the metadata informer: %w", context.Cause(wait))
	}
	describeCache(out, "metadata only", informer.GetStore())
	return filterTraps(ctx, client, namespace, &transformed, left, out)
}

// filterTraps shows what surprises: how often a transform is called, and what a delete may mean.
func filterTraps(ctx context.Context, client kubernetes.Interface, namespace string, transformed *atomic.Int32, left *feed, out io.Writer) error {
	fmt.Fprintf(out, "-- the transform was called for 3 pods %d times\n", transformed.Load())
	fmt.Fprintln(out, "-- cup gets the label drink=coffee")
	if err := left.printSorted(io.Discard, 2, ""); err != nil { // the adds
		return err
	}
	cup, err := client.CoreV1().Pods(namespace).Get(ctx, "cup", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the pod cup: %w", err)
	}
	cup.Labels["drink"] = "coffee"
	if _, err := client.CoreV1().Pods(namespace).Update(ctx, cup, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("change the pod cup: %w", err)
	}
	if err := left.print(out, 1); err != nil {
		return err
	}
	_, err = client.CoreV1().Pods(namespace).Get(ctx, "cup", metav1.GetOptions{})
	fmt.Fprintf(out, "and yet the pod is there: %t\n", err == nil)
	return nil
}

// describeCache says what a store has of a pod.
func describeCache(out io.Writer, name string, store cache.Store) {
	yes := map[bool]string{true: "yes", false: "no"}
	fields, image, node := false, "no", "no"
	for _, object := range store.List() {
		if accessor, err := meta.Accessor(object); err == nil {
			fields = fields || len(accessor.GetManagedFields()) > 0
		}
		if pod, ok := object.(*corev1.Pod); ok { // a metadata informer's are *metav1.PartialObjectMetadata
			image, node = yes[len(pod.Spec.Containers) > 0], yes[pod.Spec.NodeName != ""]
		}
	}
	fmt.Fprintf(out, "%-34s %4d  %-13s %-5s %s\n", name, len(store.ListKeys()), yes[fields], image, node)
}
