package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kubelabels "k8s.io/apimachinery/pkg/labels"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// The names of two indexes. Any string will do.
const (
	byNode  = "node"
	byImage = "image"
)

// podIndexers says under which values a pod is to be found. A pod may have several, or none.
func podIndexers() informersv1.PodIndexers {
	return informersv1.PodIndexers{
		byNode: func(pod *corev1.Pod) ([]string, error) {
			if pod.Spec.NodeName == "" {
				return nil, nil // in no list
			}
			return []string{pod.Spec.NodeName}, nil
		},
		byImage: func(pod *corev1.Pod) ([]string, error) {
			var images []string
			for _, container := range pod.Spec.Containers {
				images = append(images, container.Image)
			}
			return images, nil
		},
	}
}

// onNode is a pod for a node that does not exist: no kubelet will run it.
func onNode(name, node string, images ...string) *corev1.Pod {
	pod := newPod(name)
	pod.Spec.SchedulingGates, pod.Spec.NodeName = nil, node
	pod.Spec.Containers = nil
	for _, image := range images {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: image, Image: image})
	}
	pod.Labels["drink"] = images[0]
	return pod
}

// indexer looks things up in an informer's store: by key, by selector, and by indexes of its own.
func indexer(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	for _, pod := range []*corev1.Pod{
		onNode("cup", "shelf", "tea"), onNode("glass", "shelf", "water"), onNode("mug", "table", "coffee", "tea"), newPod("new"),
	} {
		if _, err := create(ctx, client, namespace, pod); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	factory := newFactory(client, namespace)
	defer factory.Shutdown()
	defer cancel()
	pods := factory.Core().V1().Pods()
	if err := pods.TypedInformer().AddTypedIndexers(podIndexers()); err != nil { // an index may be added later, too
		return fmt.Errorf("add indexes: %w", err)
	}
	factory.StartWithContext(ctx)
	wait, enough := soon(ctx)
	defer enough()
	if err := factory.WaitForCacheSyncWithContext(wait).AsError(); err != nil {
		return fmt.Errorf("wait for the first list of pods: %w", err)
	}
	store := pods.TypedInformer().GetTypedIndexer()

	fmt.Fprintln(out, "-- keys")
	keys := store.ListKeys() // in no order: it is a map
	slices.Sort(keys)
	fmt.Fprintln(out, strings.Join(keys, " "))
	name := cache.NewObjectName(namespace, "mug") // a key with its parts: use it wherever keys go around
	object, exists, err := store.GetByKey(name.String())
	if err != nil || !exists {
		return fmt.Errorf("get %s from the store: there: %t, %w", name, exists, err)
	}
	parsed, err := cache.ParseObjectName("a/b/c")
	fmt.Fprintf(out, "%s: a %T; \"a/b/c\": %v, %v\n", name, object, parsed, err)

	fmt.Fprintln(out, "-- indexes")
	values := store.ListIndexFuncValues(byNode)
	slices.Sort(values)
	fmt.Fprintf(out, "nodes: %s\n", strings.Join(values, " "))
	for _, look := range [][2]string{{byNode, "shelf"}, {byNode, "table"}, {byNode, "cellar"}, {byImage, "tea"}} {
		found, err := store.ByTypedIndex(look[0], look[1])
		if err != nil {
			return fmt.Errorf("look up %s: %w", look[0], err)
		}
		fmt.Fprintf(out, "%-5s %-6s -> %s\n", look[0], look[1], podNames(found))
	}
	_, err = store.ByTypedIndex("colour", "blue")
	fmt.Fprintf(out, "an index that there is not: %v\n", err)

	fmt.Fprintln(out, "-- listers")
	lister := pods.Lister().Pods(namespace) // over the index "namespace", which every factory adds
	one, err := lister.Get("cup")
	if err != nil {
		return fmt.Errorf("get the pod cup from the cache: %w", err)
	}
	fmt.Fprintf(out, "Get(cup): %s on %s\n", one.Name, one.Spec.NodeName)
	_, err = lister.Get("cap")
	fmt.Fprintf(out, "Get(cap): %v\n", err) // the same error as a client's: apierrors.IsNotFound

	// A selector is not an index: every pod of the namespace is looked at.
	selected, err := lister.List(kubelabels.SelectorFromSet(kubelabels.Set{"drink": "tea"}))
	if err != nil {
		return fmt.Errorf("list the pods in the cache: %w", err)
	}
	fmt.Fprintf(out, "List(drink=tea): %s\n", podNames(selected))
	return nil
}

func podNames(pods []*corev1.Pod) string {
	var names []string
	for _, pod := range pods {
		names = append(names, pod.Name)
	}
	slices.Sort(names) // what comes from a map has no order
	if names == nil {
		return "none"
	}
	return strings.Join(names, " ")
}
