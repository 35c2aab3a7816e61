package main

import (
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// verbs takes one ConfigMap through its life. The client reports each request on out (see wire.go).
func verbs(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	for _, act := range []func(context.Context, rest.Interface, string, io.Writer) error{
		create, get, update, updateStale, patch, apply, remove,
	} {
		if err := act(ctx, client, namespace, out); err != nil {
			return err
		}
	}
	return nil
}

// create: POST to the collection. The name is in the body, not in the URL.
func create(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	configMap := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "paint", Labels: labels()},
		Data:       map[string]string{"colour": "red"},
	}
	created := &corev1.ConfigMap{}
	err := client.Post().Namespace(namespace).Resource("configmaps").Body(configMap).Do(ctx).Into(created)
	if err != nil {
		return fmt.Errorf("create the ConfigMap paint: %w", err)
	}
	fmt.Fprintf(out, "    created: %v, and the server gave it a uid: %t\n", created.Data, created.UID != "")
	return nil
}

// get: GET one object by its name.
func get(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	configMap, err := getPaint(ctx, client, namespace)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "    got: %v\n", configMap.Data)
	return nil
}

func getPaint(ctx context.Context, client rest.Interface, namespace string) (*corev1.ConfigMap, error) {
	configMap := &corev1.ConfigMap{}
	err := client.Get().Namespace(namespace).Resource("configmaps").Name("paint").Do(ctx).Into(configMap)
	if err != nil {
		return nil, fmt.Errorf("get the ConfigMap paint: %w", err)
	}
	return configMap, nil
}

// putPaint: PUT the whole object to its own URL. What is not in it is gone afterwards.
func putPaint(ctx context.Context, client rest.Interface, namespace string, configMap *corev1.ConfigMap) error {
	return client.Put().Namespace(namespace).Resource("configmaps").Name("paint").Body(configMap).Do(ctx).Into(configMap)
}

// update: read, change, write back. The resourceVersion that came with the read goes back with the write.
func update(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	configMap, err := getPaint(ctx, client, namespace)
	if err != nil {
		return err
	}
	configMap.Data = map[string]string{"colour": "green"}
	if err := putPaint(ctx, client, namespace, configMap); err != nil {
		return fmt.Errorf("update the ConfigMap paint: %w", err)
	}
	fmt.Fprintf(out, "    updated: %v\n", configMap.Data)
	return nil
}

// updateStale: two readers, two writers. The second write brings an old resourceVersion and is refused.
func updateStale(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	first, err := getPaint(ctx, client, namespace)
	if err != nil {
		return err
	}
	second := first.DeepCopy()
	first.Data["colour"] = "blue"
	if err := putPaint(ctx, client, namespace, first); err != nil {
		return fmt.Errorf("update the ConfigMap paint: %w", err)
	}
	second.Data["colour"] = "yellow"
	err = putPaint(ctx, client, namespace, second)
	if !apierrors.IsConflict(err) {
		return unexpected("update the ConfigMap paint with an old resourceVersion", "409 Conflict", err)
	}
	fmt.Fprintln(out, "    refused: the object has changed since it was read; read it again, then write")
	return nil
}

// patch: PATCH sends only the difference. The server merges it into what is there now, so there is nothing to conflict.
// The body is bytes, because a typed ConfigMap cannot say "and remove this key": null does.
func patch(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	difference := []byte(`{"data":{"colour":null,"size":"large"}}`)
	patched := &corev1.ConfigMap{}
	err := client.Patch(types.MergePatchType).Namespace(namespace).Resource("configmaps").Name("paint").
		Body(difference).Do(ctx).Into(patched)
	if err != nil {
		return fmt.Errorf("patch the ConfigMap paint: %w", err)
	}
	fmt.Fprintf(out, "    patched: %v\n", patched.Data)
	return nil
}

// apply: server-side apply is a PATCH, too. It says what the object should look like as far as this field manager
// cares, creates the object if there is none, and takes away what the manager set last time and no longer names.
func apply(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	wanted := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: paint}\ndata: {finish: matt}\n")
	applied := &corev1.ConfigMap{}
	err := client.Patch(types.ApplyYAMLPatchType).Namespace(namespace).Resource("configmaps").Name("paint").
		Param("fieldManager", "chapter-01").Body(wanted).Do(ctx).Into(applied)
	if err != nil {
		return fmt.Errorf("apply the ConfigMap paint: %w", err)
	}
	fmt.Fprintf(out, "    applied: %v\n", applied.Data)
	return nil
}

// remove: DELETE the object's URL. Asking again brings a 404.
func remove(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	err := client.Delete().Namespace(namespace).Resource("configmaps").Name("paint").Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("delete the ConfigMap paint: %w", err)
	}
	if _, err := getPaint(ctx, client, namespace); !apierrors.IsNotFound(err) {
		return unexpected("get what was deleted", "404 NotFound", err)
	}
	fmt.Fprintln(out, "    gone")
	return nil
}
