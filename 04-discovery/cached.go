package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/disk"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

const teapots = teapotGroup + "/v1" // the group-version of a custom resource that comes and goes

// cached keeps answers, in memory and on disk, and counts the requests that are left.
func cached(ctx context.Context, config *rest.Config, _, dir string, out io.Writer) error {
	wire := tap(config)
	live, err := newDiscoveryClient(config)
	if err != nil {
		return err
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a dynamic client: %w", err)
	}
	fmt.Fprintln(out, "-- in memory")
	inMemory := memory.NewMemCacheClientWithContext(live)
	if err := askTwice(ctx, inMemory, wire, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- a custom resource that came later")
	if err := makeTeapots(ctx, objects, live); err != nil {
		return err
	}
	wire.take()
	if err := staleMemory(ctx, inMemory, wire, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- a custom resource that has gone")
	if err := dropTeapots(ctx, objects, live); err != nil {
		return err
	}
	wire.take()
	if err := staleObjects(ctx, inMemory, objects, wire, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- on disk")
	return onDisk(ctx, config, dir, wire, out)
}

// count says how many requests were sent since the last time.
func count(wire *wire) string { return fmt.Sprintf("requests: %d", len(wire.take())) }

// askTwice asks for everything, twice, then for one group-version, then for the server's version.
func askTwice(ctx context.Context, client discovery.DiscoveryInterfaceWithContext, wire *wire, out io.Writer) error {
	for _, when := range []string{"first", "again"} {
		if _, err := client.ServerPreferredResourcesWithContext(ctx); err != nil {
			return fmt.Errorf("ask for the preferred resources: %w", err)
		}
		fmt.Fprintf(out, "everything, %s: %s\n", when, count(wire))
	}
	if _, err := client.ServerResourcesForGroupVersionWithContext(ctx, "apps/v1"); err != nil {
		return fmt.Errorf("ask what apps/v1 has: %w", err)
	}
	fmt.Fprintf(out, "apps/v1: %s\n", count(wire))
	if _, err := client.ServerVersionWithContext(ctx); err != nil {
		return fmt.Errorf("ask for the version: %w", err)
	}
	fmt.Fprintf(out, "the server's version: %s (never cached)\n", count(wire))
	return nil
}

// staleMemory asks a filled cache for what came later. A miss is an answer: there is no look-up behind it.
func staleMemory(ctx context.Context, client discovery.CachedDiscoveryInterfaceWithContext, wire *wire, out io.Writer) error {
	_, err := client.ServerResourcesForGroupVersionWithContext(ctx, teapots)
	if !errors.Is(err, memory.ErrCacheNotFound) {
		return unexpected("ask a stale cache", "memory.ErrCacheNotFound", err)
	}
	fmt.Fprintf(out, "%s: %v; apierrors.IsNotFound: %t; Fresh: %t; %s\n",
		teapots, err, apierrors.IsNotFound(err), client.FreshWithContext(ctx), count(wire))

	// The same cache below a RESTMapper, as in most controllers. It would reset a cache that is not fresh.
	mapper := restmapper.NewDeferredDiscoveryRESTMapperWithContext(client)
	kind := schema.GroupKind{Group: teapotGroup, Kind: "Teapot"}
	_, err = mapper.RESTMappingWithContext(ctx, kind)
	if !meta.IsNoMatchError(err) {
		return unexpected("map a kind with a stale cache", "a NoKindMatchError", err)
	}
	fmt.Fprintf(out, "RESTMapper: %v; %s\n", err, count(wire))

	mapper.ResetWithContext(ctx) // it calls the cache's InvalidateWithContext
	mapping, err := mapper.RESTMappingWithContext(ctx, kind)
	if err != nil {
		return fmt.Errorf("map a kind after a reset: %w", err)
	}
	fmt.Fprintf(out, "after a reset: %s; %s\n", mapping.Resource.GroupResource(), count(wire))
	return nil
}

// staleObjects asks the cache for what has gone: it says "here it is", and only the request itself finds out.
func staleObjects(ctx context.Context, client discovery.CachedDiscoveryInterfaceWithContext, objects dynamic.Interface, wire *wire, out io.Writer) error {
	list, err := client.ServerResourcesForGroupVersionWithContext(ctx, teapots)
	if err != nil {
		return fmt.Errorf("ask the cache what %s has: %w", teapots, err)
	}
	fmt.Fprintf(out, "%s: %s; %s\n", teapots, list.APIResources[0].Name, count(wire))
	_, err = objects.Resource(teapotResource).List(ctx, metav1.ListOptions{})
	if !apierrors.IsNotFound(err) {
		return unexpected("list teapots", "404 Not Found", err)
	}
	fmt.Fprintf(out, "list: %v; %s\n", err, count(wire))
	return nil
}

// onDisk makes clients one after the other, as a program does that is started again and again: kubectl.
func onDisk(ctx context.Context, config *rest.Config, dir string, wire *wire, out io.Writer) error {
	start := func() (*disk.CachedDiscoveryClient, error) {
		// The first directory holds what was understood, until its time is up. The second holds answers as they came,
		// with their ETags: the server is asked each time, but says "not modified" instead of sending it all again.
		client, err := disk.NewCachedDiscoveryClientForConfig(config, filepath.Join(dir, "discovery"), filepath.Join(dir, "http"), 6*time.Hour)
		if err != nil {
			return nil, fmt.Errorf("make a discovery client with a cache on disk: %w", err)
		}
		return client, nil
	}
	first, err := start()
	if err != nil {
		return err
	}
	if _, err := first.ServerPreferredResourcesWithContext(ctx); err != nil {
		return fmt.Errorf("ask for the preferred resources: %w", err)
	}
	seen := wire.take()
	files, err := countFiles(filepath.Join(dir, "discovery"))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "first start: requests: %d; files: %d, one for each group-version and one for the groups\n", len(seen), files)

	second, err := start()
	if err != nil {
		return err
	}
	if _, err := second.ServerPreferredResourcesWithContext(ctx); err != nil {
		return fmt.Errorf("ask for the preferred resources: %w", err)
	}
	fmt.Fprintf(out, "second start: %s; Fresh: %t\n", count(wire), second.FreshWithContext(ctx))

	second.InvalidateWithContext(ctx)
	if _, err := second.ServerPreferredResourcesWithContext(ctx); err != nil {
		return fmt.Errorf("ask for the preferred resources: %w", err)
	}
	fmt.Fprintln(out, "after Invalidate:")
	printWire(wire.take(), out)
	fmt.Fprintf(out, "Fresh: %t\n", second.FreshWithContext(ctx))
	return nil
}

func countFiles(dir string) (n int, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			n++
		}
		return err
	})
	return n, err
}

// makeTeapots adds a custom resource to the server and waits until it is served.
func makeTeapots(ctx context.Context, objects dynamic.Interface, live *discovery.DiscoveryClient) error {
	crd := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "teapots."+teapotGroup, map[string]any{
		"group": teapotGroup,
		"scope": "Namespaced",
		"names": map[string]any{"plural": "teapots", "singular": "teapot", "kind": "Teapot", "listKind": "TeapotList"},
		"versions": []any{map[string]any{
			"name": "v1", "served": true, "storage": true,
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
		}},
	})
	if _, err := objects.Resource(crdResource).Create(ctx, crd, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the CustomResourceDefinition %s: %w", crd.GetName(), err)
	}
	err := waitFor(ctx, "teapots to be served", func(ctx context.Context) (bool, error) {
		served, described, err := hasGroup(ctx, live, teapotGroup)
		return served && described, err
	})
	if err != nil {
		return err
	}
	// The first request makes the server's storage for teapots; until it is filled, it answers 429, and the client tries
	// again. If nobody asked, the first request would be that of the server itself, when it deletes the teapots of a
	// CustomResourceDefinition that is being deleted, and that deletion may then hang until the next resync: five minutes.
	if _, err := objects.Resource(teapotResource).List(ctx, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("list teapots: %w", err)
	}
	return nil
}

// dropTeapots removes the custom resource and waits until it is no longer served.
func dropTeapots(ctx context.Context, objects dynamic.Interface, live *discovery.DiscoveryClient) error {
	if err := objects.Resource(crdResource).Delete(ctx, "teapots."+teapotGroup, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the CustomResourceDefinition: %w", err)
	}
	return waitFor(ctx, "teapots to be gone", func(ctx context.Context) (bool, error) {
		served, _, err := hasGroup(ctx, live, teapotGroup)
		return !served, err
	})
}
