package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"client-go-lab/07-controller/controller"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ownership shows what the controller makes for a Website, and how it keeps it. It runs the whole controller, and counts
// what that sends for the Website shop.
func ownership(ctx context.Context, l *lesson) error {
	sent := requests{about: "shop"}
	return l.while(ctx, sent.through(l.config), func(o *options) {
		o.resync = time.Second // 10 hours by default: here, there are some to look at; less than a second it cannot be
	}, func(ctx context.Context) error {
		for _, part := range []func(context.Context, *lesson, *requests) error{children, idle, drift, foreign, cascade} {
			if err := part(ctx, l, &sent); err != nil {
				return err
			}
		}
		return nil
	})
}

// children shows what is there after a Website was created.
func children(ctx context.Context, l *lesson, sent *requests) error {
	l.say("-- a Website is created")
	if _, err := l.create(ctx, "shop", "shop.example.com", nil); err != nil {
		return err
	}
	if err := l.untilChildren(ctx, "shop"); err != nil {
		return err
	}
	for _, kind := range childKinds {
		object, err := l.child(ctx, kind, "shop")
		if err != nil {
			return err
		}
		owner := metav1.GetControllerOf(object)
		l.say("%-10s %s: owned by the %s %s", kind, object.GetName(), owner.Kind, owner.Name)
	}
	// The status is written last: by then all else was counted.
	if err := l.until(ctx, "shop has a status", func(ctx context.Context) (bool, error) {
		website, err := l.client.Websites(labNamespace).Get(ctx, "shop", metav1.GetOptions{})
		return err == nil && website.Status.ObservedGeneration == website.Generation, err
	}); err != nil {
		return err
	}
	count := sent.taken()
	l.say("accepted: the finalizer %d, the directory's entry and the ConfigMap %d, the Deployment %d, the Service %d",
		count["PATCH websites"], count["PATCH configmaps"], count["PATCH deployments"], count["PATCH services"])
	return nil
}

// idle shows what a resync costs.
func idle(ctx context.Context, l *lesson, sent *requests) error {
	l.say("-- three resyncs, a second each")
	if err := l.untilIdle(ctx, sent); err != nil {
		return err
	}
	l.say("sent: %s", summary(sent.taken()))
	return nil
}

// drift shows what becomes of changes by others.
func drift(ctx context.Context, l *lesson, sent *requests) error {
	l.say("-- others change its children")
	before, err := l.child(ctx, "Deployment", "shop")
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"a label is lost: the ConfigMap's " + controller.LabelWebsite, func() error {
			return l.meddle(ctx, "shop", fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, controller.LabelWebsite))
		}},
		{"a field is changed: the ConfigMap's page", func() error {
			return l.meddle(ctx, "shop", `{"data":{"index.html":"<h1>Hacked</h1>"}}`)
		}},
		{"the Deployment is deleted", func() error {
			return l.kube.AppsV1().Deployments(labNamespace).Delete(ctx, "shop", metav1.DeleteOptions{})
		}},
	} {
		sent.taken()
		if err := c.do(); err != nil {
			return fmt.Errorf("meddle with a child: %w", err)
		}
		if err := l.untilChildren(ctx, "shop"); err != nil {
			return err
		}
		l.say("%s: mended", c.what)
	}
	after, err := l.child(ctx, "Deployment", "shop")
	if err != nil {
		return err
	}
	l.say("the Deployment is another one: %t", before.GetUID() != after.GetUID())
	if err := l.untilIdle(ctx, sent); err != nil {
		return err
	}
	if err := l.meddle(ctx, "shop", `{"metadata":{"annotations":{"team":"blue"}},"data":{"robots.txt":"no"}}`); err != nil {
		return err
	}
	if err := l.untilIdle(ctx, sent); err != nil {
		return err
	}
	configMap, err := l.kube.CoreV1().ConfigMaps(labNamespace).Get(ctx, "shop", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the ConfigMap shop: %w", err)
	}
	l.say("others add to the ConfigMap: the annotation team=%s and the page robots.txt=%s stay", configMap.Annotations["team"], configMap.Data["robots.txt"])
	return nil
}

// foreign shows what happens where the name is taken.
func foreign(ctx context.Context, l *lesson, _ *requests) error {
	l.say("-- a ConfigMap of the name is there already, and is somebody's")
	if err := l.configMap(ctx, "cafe"); err != nil {
		return err
	}
	if _, err := l.create(ctx, "cafe", "cafe.example.com", nil); err != nil {
		return err
	}
	website, err := l.untilReady(ctx, "cafe", controller.ReasonNameTaken)
	if err != nil {
		return err
	}
	l.printConditions(website)
	configMap, err := l.kube.CoreV1().ConfigMaps(labNamespace).Get(ctx, "cafe", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the ConfigMap cafe: %w", err)
	}
	l.say("the ConfigMap cafe is as it was: owners %d, %s", len(configMap.OwnerReferences), slices.Collect(maps.Keys(configMap.Data)))
	if err := l.kube.CoreV1().ConfigMaps(labNamespace).Delete(ctx, "cafe", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the ConfigMap cafe: %w", err)
	}
	if err := l.untilChildren(ctx, "cafe"); err != nil {
		return err
	}
	l.say("it is deleted: cafe has its children")
	return nil
}

// cascade shows who cleans up.
func cascade(ctx context.Context, l *lesson, sent *requests) error {
	l.say("-- the Website is deleted")
	sent.taken()
	if err := l.client.Websites(labNamespace).Delete(ctx, "shop", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the Website shop: %w", err)
	}
	for _, kind := range childKinds {
		if err := l.until(ctx, "the "+kind+" shop is gone", func(ctx context.Context) (bool, error) {
			_, err := l.child(ctx, kind, "shop")
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		}); err != nil {
			return err
		}
	}
	count := sent.taken()
	l.say("its children are gone; the controller's DELETEs: the directory's entry %d, Deployments %d, Services %d",
		count["DELETE configmaps"], count["DELETE deployments"], count["DELETE services"])
	return nil
}

// meddle changes a ConfigMap as somebody else.
func (l *lesson) meddle(ctx context.Context, name, patch string) error {
	_, err := l.kube.CoreV1().ConfigMaps(labNamespace).Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		return fmt.Errorf("patch the ConfigMap %s: %w", name, err)
	}
	return nil
}

var childKinds = []string{"ConfigMap", "Deployment", "Service"}

// child gets a child by its kind.
func (l *lesson) child(ctx context.Context, kind, name string) (metav1.Object, error) {
	switch kind {
	case "ConfigMap":
		return l.kube.CoreV1().ConfigMaps(labNamespace).Get(ctx, name, metav1.GetOptions{})
	case "Deployment":
		return l.kube.AppsV1().Deployments(labNamespace).Get(ctx, name, metav1.GetOptions{})
	}
	return l.kube.CoreV1().Services(labNamespace).Get(ctx, name, metav1.GetOptions{})
}

// untilChildren waits until a Website has its three children, with owner, label and page.
func (l *lesson) untilChildren(ctx context.Context, name string) error {
	return l.until(ctx, name+" has its children", func(ctx context.Context) (bool, error) {
		for _, kind := range childKinds {
			child, err := l.child(ctx, kind, name)
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			if child.GetDeletionTimestamp() != nil || metav1.GetControllerOf(child) == nil || child.GetLabels()[controller.LabelWebsite] != name {
				return false, nil
			}
		}
		configMap, err := l.kube.CoreV1().ConfigMaps(labNamespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && configMap.Data["index.html"] == "<h1>Open</h1>", err
	})
}

// untilIdle waits until the controller has worked on Websites three times, and sent nothing meanwhile.
func (l *lesson) untilIdle(ctx context.Context, sent *requests) error {
	before := -1.0
	return l.until(ctx, "the controller is idle", func(context.Context) (bool, error) {
		done, err := reconciled("done")
		if before < 0 || len(sent.taken()) > 0 {
			before = done
		}
		return done >= before+3, err
	})
}
