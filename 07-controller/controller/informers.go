package controller

import (
	"context"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	appsinformers "k8s.io/client-go/informers/apps/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"client-go-lab/07-controller/api/v1alpha1"
)

// indexHost finds Websites by the host that they want.
const indexHost = "host"

// Informers are the controller's eyes: Websites and their children, in all namespaces.
type Informers struct {
	websites    WebsiteInformer
	configMaps  coreinformers.TypedConfigMapInformer
	deployments appsinformers.TypedDeploymentInformer
	services    coreinformers.TypedServiceInformer

	factory informers.SharedInformerFactory
	done    chan struct{}
}

// NewInformers makes the informers. Every resync, each Website is looked at again, without a request; 0 is never.
//
// They watch all ConfigMaps, Deployments and Services, not just those with our label: an object that is in the way has no
// such label, and a child that loses it must not look as if it were gone. What is not ours is cut down to its metadata.
func NewInformers(kube kubernetes.Interface, websites WebsitesGetter, resync time.Duration) (*Informers, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(kube, 0, informers.WithTransform(slim))
	i := &Informers{
		websites:    NewWebsiteInformer(websites, resync),
		configMaps:  coreinformers.ToTypedConfigMapInformer(factory.Core().V1().ConfigMaps()),
		deployments: appsinformers.ToTypedDeploymentInformer(factory.Apps().V1().Deployments()),
		services:    coreinformers.ToTypedServiceInformer(factory.Core().V1().Services()),
		factory:     factory,
		done:        make(chan struct{}),
	}
	return i, i.websites.AddTypedIndexers(cache.TypedIndexers[*v1alpha1.Website]{
		indexHost: func(website *v1alpha1.Website) ([]string, error) { return []string{website.Spec.Host}, nil },
	})
}

// Start starts the informers. They run until ctx ends; Wait waits for that.
func (i *Informers) Start(ctx context.Context) {
	i.factory.StartWithContext(ctx)
	go func() {
		defer close(i.done)
		i.websites.RunWithContext(ctx)
	}()
}

// Wait waits until the informers have ended, after the context that they were started with.
func (i *Informers) Wait() {
	i.factory.Shutdown()
	<-i.done
}

// WebsiteInformer is a shared informer with handlers and indexes that are typed.
type WebsiteInformer = cache.TypedSharedIndexInformer[*v1alpha1.Website]

// NewWebsiteInformer makes an informer for the Websites of all namespaces.
func NewWebsiteInformer(client WebsitesGetter, resync time.Duration) WebsiteInformer {
	websites := client.Websites(metav1.NamespaceAll)
	lw := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			return websites.List(ctx, opts)
		},
		WatchFuncWithContext: websites.Watch,
	}, client)
	return cache.NewTypedSharedIndexInformer[*v1alpha1.Website](cache.NewSharedIndexInformerWithOptions(lw, &v1alpha1.Website{},
		cache.SharedIndexInformerOptions{ResyncPeriod: resync, Indexers: cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}}))
}

// slim takes from an object what the controller never reads, before it gets into the cache. It may see an object twice.
func slim(object any) (any, error) {
	meta, ok := object.(metav1.Object)
	if !ok {
		return object, nil // nothing that has metadata
	}
	// Of the managed fields only our own, by which we know what we applied.
	meta.SetManagedFields(slices.DeleteFunc(meta.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager != FieldManager
	}))
	owner := metav1.GetControllerOf(meta)
	if owner != nil && isWebsite(owner) || meta.GetLabels()[LabelOwner] != "" {
		return object, nil
	}
	rest := metav1.ObjectMeta{
		Namespace: meta.GetNamespace(), Name: meta.GetName(), UID: meta.GetUID(),
		ResourceVersion: meta.GetResourceVersion(), OwnerReferences: meta.GetOwnerReferences(),
	}
	switch object.(type) {
	case *corev1.ConfigMap:
		return &corev1.ConfigMap{ObjectMeta: rest}, nil
	case *appsv1.Deployment:
		return &appsv1.Deployment{ObjectMeta: rest}, nil
	case *corev1.Service:
		return &corev1.Service{ObjectMeta: rest}, nil
	}
	return object, nil
}

// isWebsite says whether an owner reference points to a Website, of whatever version.
func isWebsite(owner *metav1.OwnerReference) bool {
	group, _, _ := strings.Cut(owner.APIVersion, "/")
	return owner.Kind == "Website" && group == v1alpha1.GroupVersion.Group
}
