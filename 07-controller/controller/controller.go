// Package controller keeps Websites: for each of them a ConfigMap with the page, a Deployment that shows it, a Service
// before that, and an entry in a directory of sites. Read it in this order: controller.go (from events to a worker),
// reconcile.go (what a worker does), children.go and apply.go (what a Website has, and how it gets it), status.go, client.go.
package controller

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"client-go-lab/07-controller/api/v1alpha1"
)

const (
	// A key that fails waits 5 ms, then twice as long each time, at most a minute.
	retryFirst, retryMost = 5 * time.Millisecond, time.Minute
	// reconcileLimit is how long one reconcile may take: about ten requests to a server that answers slowly.
	reconcileLimit = 30 * time.Second
	// invalidAgain is when to look again at a Website that the server does not take.
	invalidAgain = 10 * time.Minute
	// drainLimit is how long a reconcile may go on after Run was told to stop.
	drainLimit = 10 * time.Second
)

// Kube is what the controller needs of a kubernetes.Interface.
type Kube interface {
	AppsV1() appsclient.AppsV1Interface
	CoreV1() coreclient.CoreV1Interface
}

// Options are what a controller is made with.
type Options struct {
	Kube      Kube                 // writes children
	Websites  WebsitesGetter       // writes Websites
	Informers *Informers           // reads all of them; started by the caller
	Recorder  events.EventRecorder // for users to read
	Directory string               // the namespace of the directory of sites
	Image     string               // the image of the web server

	// Observe is told how each reconcile ended: "done", "conflict" or "error". It may be nil.
	Observe func(result string)
}

// Controller keeps Websites. Make it with New, before its informers start.
type Controller struct {
	kube      Kube
	writer    WebsitesGetter
	recorder  events.EventRecorder
	directory string
	image     string
	observe   func(result string)

	informers        *Informers
	websites         WebsiteLister
	configMapLister  corelisters.ConfigMapLister
	deploymentLister appslisters.DeploymentLister
	serviceLister    corelisters.ServiceLister

	queue    workqueue.TypedRateLimitingInterface[cache.ObjectName]
	handlers []cache.DoneChecker

	// reconcileOne is reconcile; a test may put something else here.
	reconcileOne func(context.Context, cache.ObjectName) error
}

// New makes a controller and registers its handlers.
func New(opts Options) (*Controller, error) {
	c := &Controller{
		kube: opts.Kube, writer: opts.Websites, recorder: opts.Recorder, directory: opts.Directory, image: opts.Image, observe: opts.Observe,
		informers:        opts.Informers,
		websites:         NewWebsiteLister(opts.Informers.websites.GetIndexer()),
		configMapLister:  opts.Informers.configMaps.Lister(),
		deploymentLister: opts.Informers.deployments.Lister(),
		serviceLister:    opts.Informers.services.Lister(),
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			// Not DefaultTypedControllerRateLimiter: its bucket, which all keys share, lets one bad hour of a few delay all others.
			workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](retryFirst, retryMost),
			workqueue.TypedRateLimitingQueueConfig[cache.ObjectName]{Name: "websites"}),
	}
	c.reconcileOne = c.reconcile
	if c.observe == nil {
		c.observe = func(string) {}
	}

	websites, err1 := opts.Informers.websites.AddTypedEventHandler(cache.TypedResourceEventHandlerFuncs[*v1alpha1.Website]{
		AddFunc:    func(website *v1alpha1.Website) { c.enqueue(website) },
		UpdateFunc: func(_, website *v1alpha1.Website) { c.enqueue(website) },
		// There is nothing to do for it but to forget how often it failed.
		DeleteFunc: func(deleted cache.DeletedObject[*v1alpha1.Website]) { c.queue.Add(deleted.GetObjectName()) },
	})
	configMaps, err2 := opts.Informers.configMaps.TypedInformer().AddTypedEventHandler(childHandler[*corev1.ConfigMap](c))
	deployments, err3 := opts.Informers.deployments.TypedInformer().AddTypedEventHandler(childHandler[*appsv1.Deployment](c))
	services, err4 := opts.Informers.services.TypedInformer().AddTypedEventHandler(childHandler[*corev1.Service](c))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, fmt.Errorf("register the handlers: %w", err)
	}
	for _, handler := range []cache.ResourceEventHandlerRegistration{websites, configMaps, deployments, services} {
		c.handlers = append(c.handlers, handler.HasSyncedChecker())
	}
	return c, nil
}

// child is a kind that is kept for a Website.
type child interface {
	comparable
	metav1.Object
}

// childHandler turns a change of a child into the key of its Website.
func childHandler[T child](c *Controller) cache.TypedResourceEventHandler[T] {
	return cache.TypedResourceEventHandlerFuncs[T]{
		AddFunc: func(child T) { c.enqueueOwner(child) },
		UpdateFunc: func(old, child T) {
			// A relist tells of everything, also of what has not changed.
			if old.GetResourceVersion() != child.GetResourceVersion() {
				c.enqueueOwner(child)
			}
		},
		DeleteFunc: func(deleted cache.DeletedObject[T]) {
			// After a relist, what was deleted meanwhile comes with its name, and perhaps nothing else.
			var none T
			if child := deleted.OptionalObj; child != none {
				c.enqueueOwner(child)
			} else {
				c.enqueueWanting(deleted.GetObjectName())
			}
		},
	}
}

func (c *Controller) enqueue(object metav1.Object) {
	c.queue.Add(cache.MetaObjectToName(object))
}

// enqueueOwner queues the Websites that an object matters to: its owner, and whoever wants its name.
func (c *Controller) enqueueOwner(object metav1.Object) {
	if owner := metav1.GetControllerOf(object); owner != nil && isWebsite(owner) {
		c.queue.Add(cache.NewObjectName(object.GetNamespace(), owner.Name))
	}
	c.enqueueWanting(cache.MetaObjectToName(object))
}

// enqueueWanting queues the Websites that want an object's name, as a host or as their own: they have it, or wait for it.
func (c *Controller) enqueueWanting(object cache.ObjectName) {
	if object.Namespace == c.directory {
		wanting, err := c.informers.websites.GetTypedIndexer().ByTypedIndex(indexHost, object.Name)
		if err != nil {
			utilruntime.HandleErrorWithContext(context.Background(), err, "No index by host")
		}
		for _, website := range wanting {
			c.enqueue(website)
		}
	}
	if website, err := c.websites.Websites(object.Namespace).Get(object.Name); err == nil {
		c.enqueue(website)
	}
}

// WaitForSync waits until HasSynced. Its error says that ctx has ended before.
func (c *Controller) WaitForSync(ctx context.Context) error {
	if !cache.WaitFor(ctx, "websites and their children", c.handlers...) {
		return fmt.Errorf("wait for the caches: %w", context.Cause(ctx))
	}
	return nil
}

// HasSynced says whether all caches are filled and all handlers have seen what was there at the start.
func (c *Controller) HasSynced() bool {
	for _, handler := range c.handlers {
		select {
		case <-handler.Done():
		default:
			return false
		}
	}
	return true
}

// Run works on Websites until ctx ends. Then it takes no new key, lets each worker finish the key that it has, and returns.
// Keys that still wait are dropped: whoever starts next finds them by listing. A controller runs once.
func (c *Controller) Run(ctx context.Context, workers int) error {
	logger := klog.FromContext(ctx)
	// Also when nothing was started: a queue that is not shut down keeps a goroutine.
	defer c.queue.ShutDown()

	// Before the first reconcile: with half a cache, what is there looks as if it were not.
	if err := c.WaitForSync(ctx); err != nil {
		return err
	}
	logger.Info("Starting workers", "count", workers)

	// A reconcile that is under way may finish: its context outlives ctx, for a while.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stopped := context.AfterFunc(ctx, func() {
		c.queue.ShutDown() // wakes the workers that wait for a key
		time.AfterFunc(drainLimit, cancel)
	})
	defer stopped()

	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { c.runWorker(ctx, work) })
	}
	wg.Wait()
	logger.Info("Workers are done")
	return nil
}

// runWorker processes keys, one at a time, until ctx ends.
func (c *Controller) runWorker(ctx, work context.Context) {
	// After ShutDown, Get still hands out what waits in the queue. That may be much: look at ctx, too.
	for ctx.Err() == nil && c.processNextWorkItem(work) {
	}
}

// processNextWorkItem takes a key, reconciles it, and decides what becomes of it. It returns false when the queue is shut down.
func (c *Controller) processNextWorkItem(ctx context.Context) bool {
	key, shutdown := c.queue.Get()
	if shutdown {
		return false
	}
	defer c.queue.Done(key) // whatever happens: until then no other worker gets this key

	logger := klog.LoggerWithValues(klog.FromContext(ctx), "website", key)
	ctx, cancel := context.WithTimeout(klog.NewContext(ctx, logger), reconcileLimit)
	defer cancel()

	err := c.withoutPanic(ctx, key)
	switch {
	case err == nil:
		c.observe("done")
		c.queue.Forget(key)
	case apierrors.IsConflict(err):
		// Nothing is wrong: the cache was late. By the next try it will have caught up.
		c.observe("conflict")
		logger.V(2).Info("Trying again: something changed meanwhile", "reason", err)
		c.queue.AddRateLimited(key)
	default:
		c.observe("error")
		utilruntime.HandleErrorWithContext(ctx, err, "Cannot reconcile; trying again", "failures", c.queue.NumRequeues(key)+1)
		c.queue.AddRateLimited(key)
	}
	return true
}

// withoutPanic makes an error of a panic: one Website that trips over a bug must not take all others down.
func (c *Controller) withoutPanic(ctx context.Context, key cache.ObjectName) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return c.reconcileOne(ctx, key)
}
