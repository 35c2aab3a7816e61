package cluster

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

//go:embed bootstrap.yaml
var bootstrapYAML []byte

//go:embed seed.yaml
var seedYAML []byte

const poll = 25 * time.Millisecond

// bootstrap grants the cluster's own parts what they need beyond upstream's roles.
func bootstrap(ctx context.Context, config *rest.Config) error {
	return apply(ctx, config, bootstrapYAML)
}

// awaitNodes waits until there are nodes and all are Ready.
func awaitNodes(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = until(ctx, func(ctx context.Context) (bool, error) {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil || len(nodes.Items) == 0 {
			return false, err
		}
		return !slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool { return !ready(n) }), nil
	})
	if err != nil {
		return fmt.Errorf("wait for the nodes to be Ready: %w", err)
	}
	return nil
}

func ready(node corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// seed applies the sample workloads and waits until their pods run.
func seed(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	// Admission refuses a pod in a namespace whose default service account the controllers have not made yet.
	for _, ns := range []string{"default", "kube-system"} {
		err := until(ctx, func(ctx context.Context) (bool, error) {
			_, err := client.CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{})
			return err == nil, ignoreNotFound(err)
		})
		if err != nil {
			return fmt.Errorf("wait for the default service account of %s: %w", ns, err)
		}
	}
	if err := apply(ctx, config, seedYAML); err != nil {
		return err
	}
	objects, err := decode(seedYAML)
	if err != nil {
		return err
	}
	for _, object := range objects {
		selector := labelsOf(object)
		err := until(ctx, func(ctx context.Context) (bool, error) {
			pods, err := client.CoreV1().Pods(object.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: selector})
			if err != nil {
				return false, err
			}
			for _, pod := range pods.Items {
				if pod.Status.Phase == corev1.PodRunning {
					return true, nil
				}
			}
			return false, nil
		})
		if err != nil {
			return fmt.Errorf("wait for a pod of %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
		}
	}
	return nil
}

// labelsOf is the selector of the pods that an object of seed.yaml stands for.
func labelsOf(object *unstructured.Unstructured) string {
	labels := object.GetLabels()
	if template, found, _ := unstructured.NestedStringMap(object.Object, "spec", "template", "metadata", "labels"); found {
		labels = template
	}
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})
}

func until(ctx context.Context, done wait.ConditionWithContextFunc) error {
	return wait.PollUntilContextCancel(ctx, poll, true, done)
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func decode(manifest []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode manifest: %w", err)
		}
		objects = append(objects, object)
	}
}

// apply applies a manifest on the server's side. Every kind in it follows the rule for plurals, so no discovery is
// asked.
func apply(ctx context.Context, config *rest.Config, manifest []byte) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	objects, err := decode(manifest)
	if err != nil {
		return err
	}
	for _, object := range objects {
		resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
		_, err := client.Resource(resource).Namespace(object.GetNamespace()).Apply(ctx, object.GetName(), object,
			metav1.ApplyOptions{FieldManager: "lab", Force: true})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}
