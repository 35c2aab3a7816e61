// Package fresh keeps a number of cups: ConfigMaps with a label. It reads from a cache and writes to the API server, and
// so it has to wait until the cache has heard of what it wrote.
package fresh

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	listersv1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

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
	// TODO 1: how far has the store come? "" or "0" is not synced yet; versions are numbers: 9 comes before 10
	return false, fmt.Errorf("step 1 is not written yet")
}

// settle waits until the store has heard of the Keeper's last write. It returns an error when ctx ends before.
func (k *Keeper) settle(ctx context.Context) error {
	if k.last == "" {
		return nil
	}
	// TODO 2: ask freshAs from time to time until it says yes, with wait.PollUntilContextCancel
	return nil
}

// Fill creates cups until there are as many as wanted. It counts those in the cache.
func (k *Keeper) Fill(ctx context.Context, wanted int) error {
	// TODO 3: settle, count, create what is missing; remember each write at once, because the next one may fail
	return fmt.Errorf("step 3 is not written yet")
}

// Paint gives every cup in the cache the label colour. A cup that has it already is not written.
func (k *Keeper) Paint(ctx context.Context, colour string) error {
	// TODO 4: the same with Update; a cup from the cache belongs to everybody: change a copy
	return fmt.Errorf("step 4 is not written yet")
}
