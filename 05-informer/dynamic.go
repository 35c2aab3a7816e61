package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// definitionsPath is where the API server keeps CustomResourceDefinitions.
const definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

var (
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	teas        = schema.GroupVersionResource{Group: "chapter05.client-go-lab.example", Version: "v1", Resource: "teas"}
)

// dynamicInformers follows kinds that it knows by name only. One of them is installed while the informer runs.
func dynamicInformers(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a dynamic client: %w", err)
	}
	typed, err := newClient(config)
	if err != nil {
		return err
	}
	if _, err := makePod(ctx, typed, namespace, "cup"); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	feed := newFeed(ctx)
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, namespace, onlyMine)
	defer factory.Shutdown()
	defer cancel()

	synced := map[schema.GroupVersionResource]cache.DoneChecker{}
	missing := sync.OnceFunc(func() { feed.say("teas: the server does not know them; the informer tries again") })
	for _, resource := range []schema.GroupVersionResource{corev1.SchemeGroupVersion.WithResource("pods"), teas} {
		informer := factory.ForResource(resource).Informer()
		handler, err := informer.AddEventHandler(sayObjects(resource.Resource, feed.say))
		if err != nil {
			return fmt.Errorf("register a handler for %s: %w", resource.Resource, err)
		}
		err = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
			if apierrors.IsNotFound(err) {
				missing()
			}
		})
		if err != nil {
			return fmt.Errorf("set the handler for errors: %w", err)
		}
		synced[resource] = handler.HasSyncedChecker()
	}
	factory.Start(ctx.Done()) // the dynamic factory has no StartWithContext yet

	fmt.Fprintln(out, "-- pods are there, teas are not")
	if err := feed.printSorted(out, 2, "pods"); err != nil {
		return err
	}
	fmt.Fprintf(out, "teas: synced: %t\n", cache.IsDone(synced[teas]))

	fmt.Fprintln(out, "-- somebody installs them")
	if _, err := client.Resource(definitions).Create(ctx, teaDefinition(), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("install the kind Tea: %w", err)
	}
	wait, enough := soon(ctx)
	defer enough()
	if !cache.WaitFor(wait, "", synced[teas]) { // at the reflector's next try
		return fmt.Errorf("wait for teas: %w", context.Cause(wait))
	}
	fmt.Fprintln(out, "teas: synced: true")
	green := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": teas.GroupVersion().String(), "kind": "Tea", "spec": map[string]any{"minutes": int64(3)},
	}}
	green.SetName("green")
	green.SetLabels(labels())
	if _, err := client.Resource(teas).Namespace(namespace).Create(ctx, green, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create a Tea: %w", err)
	}
	if err := feed.print(out, 1); err != nil {
		return err
	}
	object, err := factory.ForResource(teas).Lister().ByNamespace(namespace).Get("green") // a runtime.Object
	if err != nil {
		return fmt.Errorf("get the Tea green from the cache: %w", err)
	}
	fmt.Fprintf(out, "the lister has a %T\n", object)

	fmt.Fprintln(out, "-- and takes them away again")
	if err := client.Resource(definitions).Delete(ctx, teaDefinition().GetName(), metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("remove the kind Tea: %w", err)
	}
	return feed.print(out, 1)
}

// sayObjects is a handler for any kind: unstructured objects, whose fields go by name.
func sayObjects(resource string, say func(format string, args ...any)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			u := object.(*unstructured.Unstructured)
			minutes, found, err := unstructured.NestedInt64(u.Object, "spec", "minutes")
			if err != nil || !found {
				say("%s: add %s", resource, u.GetName())
				return
			}
			say("%s: add %s, %d minutes", resource, u.GetName(), minutes)
		},
		DeleteFunc: func(object any) {
			if name, err := cache.DeletionHandlingObjectToName(object); err == nil {
				say("%s: delete %s", resource, name.Name)
			}
		},
	}
}

// teaDefinition is a CustomResourceDefinition, as its YAML would say it.
func teaDefinition() *unstructured.Unstructured {
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": definitions.GroupVersion().String(), "kind": "CustomResourceDefinition",
		"spec": map[string]any{
			"group": teas.Group, "scope": "Namespaced",
			"names": map[string]any{"plural": teas.Resource, "singular": "tea", "kind": "Tea", "listKind": "TeaList"},
			"versions": []any{map[string]any{
				"name": teas.Version, "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{
					"spec": map[string]any{"type": "object", "properties": map[string]any{"minutes": map[string]any{"type": "integer"}}},
				}}},
			}},
		},
	}}
	definition.SetName(teas.Resource + "." + teas.Group)
	definition.SetLabels(labels())
	return definition
}
