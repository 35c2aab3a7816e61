// Package index finds pods in the cache by where they run and by what they run, without looking at every pod.
package index

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// The names of the indexes.
const (
	ByNode  = "node"
	ByImage = "image"
)

// Indexers are for cache.NewIndexer, or an informer's AddIndexers. It is complete.
func Indexers() cache.Indexers {
	return cache.Indexers{ByNode: nodeOf, ByImage: imagesOf}
}

// nodeOf is the index function of ByNode: a pod's node. What has no node, or is no pod, is in no list.
func nodeOf(obj any) ([]string, error) {
	// lab:begin 1 no values for what should not be found; an error would make the store panic
	pod, ok := obj.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return nil, nil
	}
	return []string{pod.Spec.NodeName}, nil
	// lab:stub return nil, fmt.Errorf("step 1 is not written yet")
	// lab:end
}

// imagesOf is the index function of ByImage: the images of all containers of a pod, the init containers too, each with
// its tag: "tea" is "tea:latest".
func imagesOf(obj any) ([]string, error) {
	// lab:begin 2 collect withTag of every image; the pod is the cache's, so it must stay as it is
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return nil, nil
	}
	var images []string
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		images = append(images, withTag(container.Image))
	}
	return images, nil
	// lab:stub _ = withTag
	// lab:stub return nil, fmt.Errorf("step 2 is not written yet")
	// lab:end
}

// withTag gives an image that has no tag and no digest the tag "latest". It is complete.
func withTag(image string) string {
	if name := image[strings.LastIndex(image, "/")+1:]; strings.ContainsAny(name, ":@") {
		return image
	}
	return image + ":latest"
}

// OnNode returns the keys of the pods on a node, such as "shop/cup", sorted.
func OnNode(indexer cache.Indexer, node string) ([]string, error) {
	// lab:begin 3 ask the index: ByIndex gives objects, in no order; IndexKeys gives keys, and promises none
	keys, err := indexer.IndexKeys(ByNode, node)
	if err != nil {
		return nil, fmt.Errorf("look for the pods on the node %s: %w", node, err)
	}
	slices.Sort(keys)
	return keys, nil
	// lab:stub return nil, fmt.Errorf("step 3 is not written yet")
	// lab:end
}

// Neighbours returns the keys of the other pods on a pod's node, sorted. A pod that the cache does not have, or that has
// no node yet, has no neighbours.
func Neighbours(indexer cache.Indexer, pod cache.ObjectName) ([]string, error) {
	// lab:begin 4 from the pod's key to the pod, from the pod to its node, from the node to the keys of its pods
	obj, exists, err := indexer.GetByKey(pod.String())
	if err != nil || !exists {
		return nil, err
	}
	nodes, err := nodeOf(obj)
	if err != nil || len(nodes) == 0 {
		return nil, err
	}
	keys, err := OnNode(indexer, nodes[0])
	return slices.DeleteFunc(keys, func(key string) bool { return key == pod.String() }), err
	// lab:stub return nil, fmt.Errorf("step 4 is not written yet")
	// lab:end
}
