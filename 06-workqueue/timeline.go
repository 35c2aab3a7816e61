package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	infcorev1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	listerscorev1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// A kitchen turns orders, which are ConfigMaps, into meals: an informer tells it of changes, a queue holds the keys of what
// has changed, and workers look at each and do what is to be done.
type kitchen struct {
	client kubernetes.Interface
	lister listerscorev1.ConfigMapNamespaceLister
	queue  workqueue.TypedRateLimitingInterface[cache.ObjectName]
	trace  *trace
}

// timeline runs a kitchen with three workers on the cluster.
func timeline(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	k := &kitchen{
		client: client,
		queue:  newOrderQueue(),
		trace:  newTrace(),
	}
	var workers sync.WaitGroup
	// The last defer runs first: the informer ends, then the queue takes nothing more, then the workers finish what is in it.
	defer workers.Wait()
	defer k.queue.ShutDown()
	stop, err := k.listen(ctx, client, namespace)
	if err != nil {
		return err
	}
	defer stop()

	fmt.Fprintln(out, "-- five events, and nobody works yet")
	if err := k.takeOrders(ctx, client, namespace); err != nil {
		return err
	}
	k.trace.print(out)
	fmt.Fprintf(out, "in the queue: %d\n", k.queue.Len())

	fmt.Fprintln(out, "-- three workers")
	for range 3 { // with ctx: on Ctrl-C there is nothing worth finishing here. The step drain does it better
		workers.Go(func() { k.runWorker(ctx) })
	}
	if err := k.trace.until(ctx, "eggs 1, tea 2 and toast 3 times done", func(t *trace) bool {
		return t.count("eggs", "done") == 1 && t.count("tea", "done") == 2 && t.count("toast", "done") == 3
	}); err != nil {
		return err
	}
	k.trace.print(out)

	fmt.Fprintln(out, "-- an order is taken back")
	if err := client.CoreV1().ConfigMaps(namespace).Delete(ctx, "eggs", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the ConfigMap eggs: %w", err)
	}
	if err := k.trace.until(ctx, "eggs done again", func(t *trace) bool { return t.count("eggs", "done") == 2 }); err != nil {
		return err
	}
	k.trace.print(out)
	return nil
}

// newOrderQueue makes the queue that nearly every controller has.
func newOrderQueue() workqueue.TypedRateLimitingInterface[cache.ObjectName] {
	return workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName](),
		workqueue.TypedRateLimitingQueueConfig[cache.ObjectName]{Name: "kitchen"}, // the name of its metrics
	)
}

// listen starts an informer whose handlers do one thing: they put the object's key into the queue. stop ends it and waits.
func (k *kitchen) listen(ctx context.Context, client kubernetes.Interface, namespace string) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.LabelSelector = mine().LabelSelector }))
	stop = func() { cancel(); factory.Shutdown() }
	configMaps := factory.Core().V1().ConfigMaps()
	k.lister = configMaps.Lister().ConfigMaps(namespace)

	registration, err := configMaps.TypedInformer().AddTypedEventHandler(infcorev1.ConfigMapHandlerFuncs{
		AddFunc:    func(added *corev1.ConfigMap) { k.enqueue(cache.MetaObjectToName(added)) },
		UpdateFunc: func(_, updated *corev1.ConfigMap) { k.enqueue(cache.MetaObjectToName(updated)) },
		DeleteFunc: func(deleted infcorev1.DeletedConfigMap) { k.enqueue(deleted.GetObjectName()) }, // tombstones, too
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("add an event handler: %w", err)
	}
	factory.StartWithContext(ctx)
	if !cache.WaitFor(ctx, "the informer's handlers", registration.HasSyncedChecker()) {
		stop()
		return nil, fmt.Errorf("wait for the informer to list the ConfigMaps in %s: %w", namespace, context.Cause(ctx))
	}
	return stop, nil
}

func (k *kitchen) enqueue(key cache.ObjectName) {
	k.trace.note(key.Name, "queued")
	k.queue.Add(key)
}

// takeOrders makes three ConfigMaps, changes one of them twice, and waits until the handlers have heard of all that.
func (k *kitchen) takeOrders(ctx context.Context, client kubernetes.Interface, namespace string) error {
	for _, name := range []string{"eggs", "tea", "toast"} {
		order := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()}}
		if _, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, order, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create the ConfigMap %s: %w", name, err)
		}
	}
	for _, wish := range []string{"soft", "hard"} {
		if err := change(ctx, client, namespace, "eggs", wish); err != nil {
			return err
		}
	}
	return k.trace.until(ctx, "five events", func(t *trace) bool {
		return t.count("eggs", "queued") == 3 && t.count("tea", "queued") == 1 && t.count("toast", "queued") == 1
	})
}

func change(ctx context.Context, client kubernetes.Interface, namespace, name, wish string) error {
	patch := fmt.Appendf(nil, `{"data":{"wish":%q}}`, wish)
	_, err := client.CoreV1().ConfigMaps(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("patch the ConfigMap %s: %w", name, err)
	}
	return nil
}

// runWorker works until the queue is shut down and empty.
func (k *kitchen) runWorker(ctx context.Context) {
	for k.processNext(ctx) {
	}
}

// processNext takes a key, does what is to be done, and gives the key back. It says whether there will be another one.
func (k *kitchen) processNext(ctx context.Context) bool {
	key, shutdown := k.queue.Get() // waits
	if shutdown {
		return false
	}
	defer k.done(key) // always, whatever happens: until then nobody else gets this key

	k.trace.note(key.Name, "processing")
	if err := k.cook(ctx, key); err != nil {
		k.queue.AddRateLimited(key) // again, later; each failure doubles the wait
		k.trace.note(key.Name, fmt.Sprintf("%s: retry %d", err, k.queue.NumRequeues(key)))
		return true
	}
	k.queue.Forget(key) // the next failure is a first one again
	k.trace.note(key.Name, "forgotten")
	return true
}

func (k *kitchen) done(key cache.ObjectName) {
	k.trace.note(key.Name, "done")
	k.queue.Done(key)
}

// cook does the work for one key. It knows only the key: what the object looks like now, it asks the lister.
func (k *kitchen) cook(ctx context.Context, key cache.ObjectName) error {
	order, err := k.lister.Get(key.Name)
	if apierrors.IsNotFound(err) {
		k.trace.note(key.Name, "gone")
		return nil
	}
	if err != nil {
		return err
	}
	if k.trace.count(key.Name, "processing") == 1 { // the first time: wait until all three workers have something to do
		if err := k.trace.until(ctx, "three keys at three workers", func(t *trace) bool {
			return t.count("eggs", "processing") > 0 && t.count("tea", "processing") > 0 && t.count("toast", "processing") > 0
		}); err != nil {
			return err
		}
	}
	switch {
	case key.Name == "toast" && k.queue.NumRequeues(key) < 2:
		return fmt.Errorf("burnt")
	case key.Name == "tea" && order.Data["wish"] == "": // somebody changes the order while we work on it
		if err := change(ctx, k.client, key.Namespace, key.Name, "milk"); err != nil {
			return err
		}
		if err := k.trace.until(ctx, "tea queued again", func(t *trace) bool { return t.count("tea", "queued") == 2 }); err != nil {
			return err
		}
	}
	k.trace.note(key.Name, "made "+cmp.Or(order.Data["wish"], "plain"))
	return nil
}
