package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// clients is what the steps work with. Two things are enough for any kind of object on any server: a client that takes
// the resource with each call, and a mapper that knows the resources.
type clients struct {
	config    *rest.Config
	dynamic   dynamic.Interface
	mapper    meta.RESTMapperWithContext
	namespace string
}

// newClients makes the clients. It sends nothing: the mapper asks the server when it is asked for the first time.
func newClients(config *rest.Config, namespace string) (*clients, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a dynamic client: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	return &clients{config: config, dynamic: client, mapper: newMapper(disco), namespace: namespace}, nil
}

// newMapper makes a mapper of three layers: a cache, which asks the server once; a mapper, which answers from what the
// cache has; and an expander, which knows the short names.
func newMapper(disco discovery.DiscoveryInterfaceWithContext) meta.RESTMapperWithContext {
	cached := memory.NewMemCacheClientWithContext(disco)
	mapper := restmapper.NewDeferredDiscoveryRESTMapperWithContext(cached)
	ignoreWarnings := func(string) {} // "short name "x" could also match lower priority resource y"
	return restmapper.NewShortcutExpanderWithContext(mapper, cached, ignoreWarnings)
}
