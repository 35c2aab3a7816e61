package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"client-go-lab/07-controller/api/v1alpha1"
	"client-go-lab/07-controller/controller"
)

// loop is the smallest controller that works: for each Website, a ConfigMap with its page.
type loop struct {
	kube     kubernetes.Interface
	websites controller.WebsiteInformer
	lister   controller.WebsiteLister
	queue    workqueue.TypedRateLimitingInterface[cache.ObjectName]
}

func newLoop(kube kubernetes.Interface, client controller.WebsitesGetter) (*loop, error) {
	websites := controller.NewWebsiteInformer(client, 0)
	l := &loop{
		kube: kube, websites: websites, lister: controller.NewWebsiteLister(websites.GetIndexer()),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]()),
	}
	_, err := websites.AddTypedEventHandler(cache.TypedResourceEventHandlerFuncs[*v1alpha1.Website]{
		AddFunc:    func(website *v1alpha1.Website) { l.queue.Add(cache.MetaObjectToName(website)) },
		UpdateFunc: func(_, website *v1alpha1.Website) { l.queue.Add(cache.MetaObjectToName(website)) },
	})
	return l, err
}

// run runs until ctx ends.
func (l *loop) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.queue.ShutDown()
	wg.Go(func() { l.websites.RunWithContext(ctx) })
	if !cache.WaitFor(ctx, "websites", l.websites.HasSyncedChecker()) {
		return
	}
	wg.Go(func() {
		for l.processNextWorkItem(ctx) {
		}
	})
	<-ctx.Done()
}

func (l *loop) processNextWorkItem(ctx context.Context) bool {
	key, shutdown := l.queue.Get()
	if shutdown {
		return false
	}
	defer l.queue.Done(key)
	if err := l.reconcile(ctx, key); err != nil {
		l.queue.AddRateLimited(key)
		return true
	}
	l.queue.Forget(key)
	return true
}

// reconcile makes the ConfigMap of a Website what it should be. When the Website is gone, the garbage collector sees to it.
func (l *loop) reconcile(ctx context.Context, key cache.ObjectName) error {
	website, err := l.lister.Websites(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	page := accore.ConfigMap(website.Name, website.Namespace).
		WithLabels(map[string]string{controller.LabelWebsite: website.Name, controller.LabelOwner: string(website.UID)}).
		WithOwnerReferences(acmeta.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("Website").
			WithName(website.Name).WithUID(website.UID).WithController(true)).
		WithData(map[string]string{"index.html": website.Spec.HTML})
	_, err = l.kube.CoreV1().ConfigMaps(key.Namespace).Apply(ctx, page, metav1.ApplyOptions{FieldManager: controller.FieldManager, Force: true})
	return err
}

// minimal shows what the loop does, and three things that it gets wrong.
func minimal(ctx context.Context, l *lesson) error {
	small, err := newLoop(l.kube, l.client)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { small.run(running) })

	l.say("-- what it does")
	if _, err := l.create(ctx, "shop", "shop.example.com", nil); err != nil {
		return err
	}
	page, err := l.untilPage(ctx, "shop", "<h1>Open</h1>")
	if err != nil {
		return err
	}
	l.say("the Website shop has the ConfigMap shop: index.html is %s", page)
	if err := l.change(ctx, "shop", `{"spec":{"html":"<h1>Sale</h1>"}}`); err != nil {
		return err
	}
	if page, err = l.untilPage(ctx, "shop", "<h1>Sale</h1>"); err != nil {
		return err
	}
	l.say("a new page: index.html is %s", page)

	l.say("-- wrong: what it made may go away")
	configMaps := l.kube.CoreV1().ConfigMaps(labNamespace)
	if err := configMaps.Delete(ctx, "shop", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the ConfigMap shop: %w", err)
	}
	// Another Website shows that the loop goes on. There is one worker: what was queued before it has been done by then.
	if _, err := l.create(ctx, "cafe", "cafe.example.com", nil); err != nil {
		return err
	}
	if _, err := l.untilPage(ctx, "cafe", "<h1>Open</h1>"); err != nil {
		return err
	}
	if _, err := configMaps.Get(ctx, "shop", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return errors.Join(errors.New("the ConfigMap shop is there again: who made it?"), err)
	}
	l.say("the ConfigMap shop is deleted, cafe got its own meanwhile, and shop has none: nobody watches ConfigMaps")

	l.say("-- wrong: what has the name may be somebody's")
	if err := l.configMap(ctx, "bar"); err != nil {
		return err
	}
	if _, err := l.create(ctx, "bar", "bar.example.com", nil); err != nil {
		return err
	}
	if _, err := l.untilPage(ctx, "bar", "<h1>Open</h1>"); err != nil {
		return err
	}
	taken, err := configMaps.Get(ctx, "bar", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the ConfigMap bar: %w", err)
	}
	l.say("the ConfigMap bar was there, with notes of %q: now it has an owner, the %s %s, and goes when that goes",
		taken.Data["notes"], metav1.GetControllerOf(taken).Kind, metav1.GetControllerOf(taken).Name)

	l.say("-- wrong: it says nothing")
	shop, err := l.client.Websites(labNamespace).Get(ctx, "shop", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the Website shop: %w", err)
	}
	l.say("the Website shop: generation %d, observedGeneration %d, %d conditions", shop.Generation, shop.Status.ObservedGeneration, len(shop.Status.Conditions))
	return nil
}

// untilPage waits until a ConfigMap has a page.
func (l *lesson) untilPage(ctx context.Context, name, page string) (string, error) {
	err := l.until(ctx, fmt.Sprintf("the ConfigMap %s has the page %s", name, page), func(ctx context.Context) (bool, error) {
		configMap, err := l.kube.CoreV1().ConfigMaps(labNamespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil && configMap.Data["index.html"] == page, err
	})
	return page, err
}
