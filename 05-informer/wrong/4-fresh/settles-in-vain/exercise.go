// Package fresh is a sample of a typical mistake: it waits for the cache, and writes even if that was in vain.
package fresh

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/wait"
	listersv1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// want: settle has returned an error

// Writer is what a Keeper writes with; client.CoreV1().ConfigMaps(namespace) is one.
type Writer interface {
	Create(context.Context, *corev1.ConfigMap, metav1.CreateOptions) (*corev1.ConfigMap, error)
	Update(context.Context, *corev1.ConfigMap, metav1.UpdateOptions) (*corev1.ConfigMap, error)
}

// Keeper keeps the cups of one namespace.
type Keeper struct {
	API   Writer
	Cups  listersv1.ConfigMapNamespaceLister // reads what is in Store
	Store cache.Store
	last  string // the resourceVersion of the Keeper's last write; "" if there was none
}

// isCup chooses the cups among the ConfigMaps.
var isCup = labels.SelectorFromSet(labels.Set{"kind": "cup"})

// newCup is a cup for which the API server chooses the name.
func newCup() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "cup-", Labels: map[string]string{"kind": "cup"}}}
}

// freshAs says whether a store has heard of everything up to a resourceVersion that a write has returned.
func freshAs(store cache.Store, written string) (bool, error) {
	have := store.LastStoreSyncResourceVersion()
	if have == "" || have == "0" {
		return false, nil
	}
	order, err := resourceversion.CompareResourceVersion(have, written)
	if err != nil {
		return false, fmt.Errorf("compare the store's resourceVersion %q with %q: %w", have, written, err)
	}
	return order >= 0, nil
}

// settle waits until the store has heard of the Keeper's last write. It returns an error when ctx ends before.
func (k *Keeper) settle(ctx context.Context) error {
	if k.last == "" {
		return nil
	}
	err := wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(context.Context) (bool, error) {
		return freshAs(k.Store, k.last)
	})
	if err != nil {
		return fmt.Errorf("wait for the cache to hear of resourceVersion %s: %w", k.last, err)
	}
	return nil
}

// Fill creates cups until there are as many as wanted. It counts those in the cache.
func (k *Keeper) Fill(ctx context.Context, wanted int) error {
	_ = k.settle(ctx)
	cups, err := k.Cups.List(isCup)
	if err != nil {
		return fmt.Errorf("list the cups in the cache: %w", err)
	}
	for range wanted - len(cups) {
		written, err := k.API.Create(ctx, newCup(), metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("create a cup: %w", err)
		}
		k.last = written.ResourceVersion
	}
	return nil
}

// Paint gives every cup in the cache the label colour. A cup that has it already is not written.
func (k *Keeper) Paint(ctx context.Context, colour string) error {
	_ = k.settle(ctx)
	cups, err := k.Cups.List(isCup)
	if err != nil {
		return fmt.Errorf("list the cups in the cache: %w", err)
	}
	for _, cup := range cups {
		if cup.Labels["colour"] == colour {
			continue
		}
		cup = cup.DeepCopy()
		cup.Labels["colour"] = colour
		written, err := k.API.Update(ctx, cup, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("paint %s: %w", cup.Name, err)
		}
		k.last = written.ResourceVersion
	}
	return nil
}
