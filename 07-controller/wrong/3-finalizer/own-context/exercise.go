// Package finalizer is a sample of a typical mistake: the request to the book has a context that the caller cannot end.
package finalizer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
)

// want: hand ctx on

// Finalizer keeps a deleted order until its line is out of the book. Others have finalizers of their own on it.
const Finalizer = "tea.example.com/book"

// Book is what is outside of the cluster.
type Book interface {
	Write(ctx context.Context, line string) error // a line that is there already stays: no error
	Erase(ctx context.Context, line string) error // ErrNoLine if it is not there
}

// ErrNoLine is what a Book says of a line that is not there.
var ErrNoLine = errors.New("no such line")

// Keeper keeps the orders of one namespace.
type Keeper struct {
	Orders coreclient.ConfigMapInterface
	Book   Book
}

// Reconcile is called with an order from the cache, as often as you like. An error means: again, later. It is complete.
func (k *Keeper) Reconcile(ctx context.Context, order *corev1.ConfigMap) error {
	if order.DeletionTimestamp.IsZero() {
		return k.keep(ctx, order)
	}
	if !slices.Contains(order.Finalizers, Finalizer) {
		return nil // we are done with it; others are not
	}
	if err := k.cleanUp(ctx, order); err != nil {
		return err
	}
	return k.release(ctx, order)
}

// keep sees to it that an order has its finalizer, and its line in the book.
func (k *Keeper) keep(ctx context.Context, order *corev1.ConfigMap) error {
	if !slices.Contains(order.Finalizers, Finalizer) {
		if err := k.setFinalizers(ctx, order, append(slices.Clone(order.Finalizers), Finalizer)); err != nil {
			return fmt.Errorf("add the finalizer: %w", err)
		}
	}
	return k.Book.Write(ctx, line(order))
}

// cleanUp takes the line of an order out of the book. It may have been done before.
func (k *Keeper) cleanUp(ctx context.Context, order *corev1.ConfigMap) error {
	if err := k.Book.Erase(context.Background(), line(order)); err != nil && !errors.Is(err, ErrNoLine) {
		return fmt.Errorf("erase the line: %w", err)
	}
	return nil
}

// release takes our finalizer off an order: when it was the last one, the order is gone.
func (k *Keeper) release(ctx context.Context, order *corev1.ConfigMap) error {
	rest := slices.DeleteFunc(slices.Clone(order.Finalizers), func(f string) bool { return f == Finalizer })
	if err := k.setFinalizers(ctx, order, rest); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove the finalizer: %w", err)
	}
	return nil
}

// line is what the book has for an order.
func line(order *corev1.ConfigMap) string { return order.Namespace + "/" + order.Name }

// setFinalizers writes the whole list. The resourceVersion makes it a conflict if the order has changed since it was read: so
// it never takes away what somebody has just added.
func (k *Keeper) setFinalizers(ctx context.Context, order *corev1.ConfigMap, finalizers []string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"finalizers": finalizers, "resourceVersion": order.ResourceVersion,
	}})
	if err != nil {
		return err
	}
	_, err = k.Orders.Patch(ctx, order.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}
