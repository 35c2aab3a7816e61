package main

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"client-go-lab/07-controller/controller"
)

// finalizer shows what a finalizer is for, and what it costs: something has to take it off.
func finalizer(ctx context.Context, l *lesson) error {
	websites := l.client.Websites(labNamespace)
	if err := l.while(ctx, l.config, nil, func(ctx context.Context) error {
		l.say("-- the directory of sites: one entry for each host, and no owner reference can point there")
		if _, err := l.create(ctx, "shop", "shop.example.com", nil); err != nil {
			return err
		}
		if err := l.showEntry(ctx, "shop.example.com", "shop"); err != nil {
			return err
		}
		website, err := websites.Get(ctx, "shop", metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("get the Website shop: %w", err)
		}
		l.say("the Website's finalizers: %v", website.Finalizers)

		l.say("-- a second Website wants the same host, and waits")
		if _, err := l.create(ctx, "rival", "shop.example.com", nil); err != nil {
			return err
		}
		if website, err = l.untilReady(ctx, "rival", controller.ReasonHostTaken); err != nil {
			return err
		}
		l.printConditions(website)

		l.say("-- the first one is deleted")
		if err := websites.Delete(ctx, "shop", metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("delete the Website shop: %w", err)
		}
		if err := l.untilWebsiteGone(ctx, "shop"); err != nil {
			return err
		}
		l.say("shop is gone")
		return l.showEntry(ctx, "shop.example.com", "rival")
	}); err != nil {
		return err
	}

	l.say("-- no controller runs, and the second one is deleted")
	if err := websites.Delete(ctx, "rival", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the Website rival: %w", err)
	}
	website, err := websites.Get(ctx, "rival", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the Website rival: %w", err)
	}
	l.say("rival is still there; deletionTimestamp set: %t; finalizers: %v", website.DeletionTimestamp != nil, website.Finalizers)
	if err := l.change(ctx, "rival", `{"metadata":{"finalizers":["lab.example.com/late"]}}`); !apierrors.IsInvalid(err) {
		return fmt.Errorf("a finalizer was added to an object that is being deleted: %w", err)
	}
	l.say("no finalizer can be added any more: 422 Invalid")
	if err := l.showEntry(ctx, "shop.example.com", "rival"); err != nil {
		return err
	}

	l.say("-- a controller starts")
	return l.while(ctx, l.config, nil, func(ctx context.Context) error {
		if err := l.untilWebsiteGone(ctx, "rival"); err != nil {
			return err
		}
		_, err := l.kube.CoreV1().ConfigMaps(labNamespace).Get(ctx, "shop.example.com", metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("the entry outlived its Website: %w", err)
		}
		l.say("rival is gone, and the entry shop.example.com went before it")
		return nil
	})
}

// showEntry waits until the directory's entry for a host is a Website's, and prints it.
func (l *lesson) showEntry(ctx context.Context, host, website string) error {
	return l.until(ctx, fmt.Sprintf("the host %s is %s's", host, website), func(ctx context.Context) (bool, error) {
		entry, err := l.kube.CoreV1().ConfigMaps(labNamespace).Get(ctx, host, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil || entry.Data["name"] != website {
			return false, err
		}
		l.say("the entry %s: namespace %s, name %s, owner references %d",
			host, entry.Data["namespace"], entry.Data["name"], len(entry.OwnerReferences))
		return true, nil
	})
}

func (l *lesson) untilWebsiteGone(ctx context.Context, name string) error {
	return l.until(ctx, "the Website "+name+" is gone", func(ctx context.Context) (bool, error) {
		_, err := l.client.Websites(labNamespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}
