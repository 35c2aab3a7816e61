package finalizer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	clienttesting "k8s.io/client-go/testing"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaFirst = "the finalizer comes first. With the line before it, an order that is deleted in between (or a process that dies there) leaves a line behind that nobody will ever erase"
	ideaStop  = "no finalizer, no line: return the error, and all of it is tried again later"
	ideaLine  = "a finalizer that is there needs no request. The line is written each time: a book may lose one, and an order that has its finalizer still needs its line"
	ideaErase = "a finalizer is a promise: before it goes, what it stands for must be gone"
	ideaNone  = "somebody was here before: you, perhaps, before your process died. What you wanted is so. With an error here, the order could never be deleted"
	ideaOrder = "first clean up, then let go. The other way round, the order is gone, and with it what would bring you here to try again"
	ideaOwn   = "each finalizer belongs to somebody who has not cleaned up yet: remove your own, and no other one"
	ideaGone  = "the order is gone, as it should be: not found is good news after a deletion"
	ideaCache = "the order in the cache is everybody's: slices.DeleteFunc and append write into the array that they are given"
	ideaError = "the caller tries again, if it is told: return the error, with %w"
)

const other = "bank.example.com/invoice"

// world is a fake API server with one order, and a book. It writes down what is done, in order.
type world struct {
	log       []string
	lines     []string
	bookError error // of the next Write or Erase
	apiError  error // of the next request
	*Keeper
}

func (w *world) do(what string, err *error) error {
	failed := *err
	*err = nil
	if failed != nil {
		what += ", which failed"
	}
	w.log = append(w.log, what)
	return failed
}

// callers is the key of a value in the context that Reconcile is called with.
type callers struct{}

// see looks at the context of what is going to be done.
func (w *world) see(ctx context.Context) {
	if ctx.Value(callers{}) == nil {
		w.log = append(w.log, "with a context that is not the caller's, who cannot end this (hand ctx on)")
	}
}

// orders are a client's, and see each request's context.
type orders struct {
	coreclient.ConfigMapInterface
	*world
}

func (o orders) Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (*corev1.ConfigMap, error) {
	o.see(ctx)
	return o.ConfigMapInterface.Patch(ctx, name, pt, data, opts, subresources...)
}

func (w *world) Write(ctx context.Context, line string) error {
	w.see(ctx)
	if err := w.do("write the line "+line, &w.bookError); err != nil {
		return err
	}
	if !slices.Contains(w.lines, line) {
		w.lines = append(w.lines, line)
	}
	return nil
}

func (w *world) Erase(ctx context.Context, line string) error {
	w.see(ctx)
	if err := w.do("erase the line "+line, &w.bookError); err != nil {
		return err
	}
	i := slices.Index(w.lines, line)
	if i < 0 {
		return fmt.Errorf("erase %s: %w", line, ErrNoLine)
	}
	w.lines = slices.Delete(w.lines, i, i+1)
	return nil
}

func start(t *testing.T, order *corev1.ConfigMap) *world {
	t.Helper()
	w := &world{}
	client := fake.NewClientset(order)
	client.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		what := action.GetVerb() + " of the order"
		if patch, ok := action.(clienttesting.PatchAction); ok {
			var sent struct {
				Metadata struct{ Finalizers []string }
			}
			if json.Unmarshal(patch.GetPatch(), &sent) == nil {
				what = fmt.Sprintf("set the finalizers %v", sent.Metadata.Finalizers)
			}
		}
		err := w.do(what, &w.apiError)
		return err != nil, nil, err
	})
	w.Keeper = &Keeper{Orders: orders{client.CoreV1().ConfigMaps("kitchen"), w}, Book: w}
	return w
}

func order(finalizers ...string) *corev1.ConfigMap {
	all := append(make([]string, 0, 4), finalizers...) // with room: an append to it would not be seen otherwise
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kitchen", Name: "tea", ResourceVersion: "7", Finalizers: all}}
}

func deleted(finalizers ...string) *corev1.ConfigMap {
	o := order(finalizers...)
	o.DeletionTimestamp = &metav1.Time{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	return o
}

// check reconciles once, and compares what was done.
func (w *world) check(t *testing.T, what string, order *corev1.ConfigMap, wantError error, want, idea string) {
	t.Helper()
	before, room := order.DeepCopy(), slices.Clone(order.Finalizers[:cap(order.Finalizers)])
	w.log = nil
	err := w.Reconcile(context.WithValue(t.Context(), callers{}, true), order)
	done := "nothing"
	if len(w.log) > 0 {
		done = strings.Join(w.log, "; ")
	}
	if done != want {
		labtest.Unexpected(t, fmt.Sprintf("%s: %s (error: %v)", what, done, err), want, idea)
	}
	switch {
	case wantError == nil && err != nil:
		labtest.Unexpected(t, fmt.Sprintf("%s: error: %v", what, err), "no error", idea)
	case !errors.Is(err, wantError):
		labtest.Unexpected(t, fmt.Sprintf("%s: error: %v", what, err), fmt.Sprintf("the error: %v", wantError), ideaError)
	}
	if !slices.Equal(before.Finalizers, order.Finalizers) || !slices.Equal(room, order.Finalizers[:cap(order.Finalizers)]) {
		labtest.Unexpected(t, fmt.Sprintf("%s: the order in the cache has the array of finalizers %q now", what, order.Finalizers[:cap(order.Finalizers)]),
			fmt.Sprintf("as before: %q", room), ideaCache)
	}
}

var (
	errDown     = errors.New("connection refused")
	errConflict = apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, "tea", errors.New("the object has been modified"))
	errNotFound = apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, "tea")
)

const (
	write = "write the line kitchen/tea"
	erase = "erase the line kitchen/tea"
)

func TestStep1Keep(t *testing.T) {
	w := start(t, order(other))
	w.check(t, "a new order", order(other), nil, "set the finalizers ["+other+" "+Finalizer+"]; "+write, ideaFirst)
	w.check(t, "an order that has its finalizer", order(other, Finalizer), nil, write, ideaLine)
	w.apiError = errConflict
	w.check(t, "the finalizer could not be added", order(), errConflict, "set the finalizers ["+Finalizer+"], which failed", ideaStop)
	w.bookError = errDown
	w.check(t, "the line could not be written", order(Finalizer), errDown, write+", which failed", ideaError)
}

func TestStep2CleanUp(t *testing.T) {
	w := start(t, deleted(Finalizer))
	w.lines = []string{"kitchen/tea", "kitchen/cake"}
	w.log = nil
	// Only what cleanUp does: letting go is step 3.
	if err := w.cleanUp(t.Context(), deleted(Finalizer)); err != nil || !slices.Equal(w.lines, []string{"kitchen/cake"}) {
		labtest.Unexpected(t, fmt.Sprintf("cleanUp of kitchen/tea: the book has %q, error: %v", w.lines, err), `the book has ["kitchen/cake"], no error`, ideaErase)
	}
	if err := w.cleanUp(t.Context(), deleted(Finalizer)); err != nil {
		labtest.Unexpected(t, fmt.Sprintf("cleanUp a second time: error: %v", err), "no error", ideaNone+" (is it errors.Is that you ask? The book wraps its error)")
	}
	w.bookError = errDown
	w.check(t, "a deleted order, and the book does not answer", deleted(Finalizer), errDown, erase+", which failed", ideaOrder)
}

func TestStep3Release(t *testing.T) {
	w := start(t, deleted(other, Finalizer, "z.example.com/z"))
	w.lines = []string{"kitchen/tea"}
	w.check(t, "a deleted order with three finalizers", deleted(other, Finalizer, "z.example.com/z"), nil, erase+"; set the finalizers ["+other+" z.example.com/z]", ideaOwn)
	w.check(t, "the same order, from a cache that is late", deleted(other, Finalizer), nil, erase+"; set the finalizers ["+other+"]", ideaNone)
	w.check(t, "a deleted order that only others keep", deleted(other), nil, "nothing", ideaOwn)
	w.apiError = errNotFound
	w.check(t, "a deleted order that is gone meanwhile", deleted(Finalizer), nil, erase+"; set the finalizers [], which failed", ideaGone)
	w.apiError = errConflict
	w.check(t, "a deleted order that somebody has just changed", deleted(Finalizer), errConflict, erase+"; set the finalizers [], which failed", ideaError)
}

// The fake deletes an object at once, whatever finalizers it has. A real API server waits for the last one.
func TestStep3RealServer(t *testing.T) {
	config := labtest.Cluster(t)
	core, err := coreclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespace := labtest.Namespace(t, core.RESTClient())
	orders := core.ConfigMaps(namespace)
	letGo := func(ctx context.Context) error {
		_, err := orders.Patch(ctx, "tea", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		return err
	}
	t.Cleanup(func() { // or the namespace would stay for ever
		if err := letGo(context.WithoutCancel(t.Context())); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	w := &world{}
	w.Keeper = &Keeper{Orders: orders, Book: w}
	get := func() *corev1.ConfigMap {
		t.Helper()
		o, err := orders.Get(t.Context(), "tea", metav1.GetOptions{})
		if err != nil {
			labtest.Unexpected(t, fmt.Sprintf("get the order: %v", err), "it is there", ideaOwn)
		}
		return o
	}
	reconcile := func(o *corev1.ConfigMap) {
		t.Helper()
		if err := w.Reconcile(t.Context(), o); err != nil {
			labtest.Unexpected(t, fmt.Sprintf("Reconcile: error: %v", err), "no error", ideaError)
		}
	}

	tea := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "tea", Finalizers: []string{other}}}
	if _, err := orders.Create(t.Context(), tea, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	reconcile(get())
	if o := get(); !slices.Equal(o.Finalizers, []string{other, Finalizer}) || len(w.lines) != 1 {
		labtest.Unexpected(t, fmt.Sprintf("a new order: finalizers %v, lines %v", o.Finalizers, w.lines), fmt.Sprintf("finalizers %v, one line", []string{other, Finalizer}), ideaFirst)
	}
	if err := orders.Delete(t.Context(), "tea", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	late := get()
	reconcile(late)
	if o := get(); !slices.Equal(o.Finalizers, []string{other}) || len(w.lines) != 0 {
		labtest.Unexpected(t, fmt.Sprintf("a deleted order: finalizers %v, lines %v", o.Finalizers, w.lines), fmt.Sprintf("finalizers %v, no line", []string{other}), ideaOwn)
	}
	if err := w.Reconcile(t.Context(), late); !apierrors.IsConflict(err) {
		labtest.Unexpected(t, fmt.Sprintf("again, with the order as it was before: error: %v", err), "a conflict: the resourceVersion is an old one", ideaError)
	}
	reconcile(get())
	if err := letGo(t.Context()); err != nil { // the bank has cleaned up, too: that was the last one
		t.Fatal(err)
	}
	if _, err := orders.Get(t.Context(), "tea", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("the order is still there: %v", err)
	}
	reconcile(late)
}
