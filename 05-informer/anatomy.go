package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// byHand is an informer put together from the parts that client-go exports. Each part says what passes through it.
type byHand struct {
	queue   *cache.RealFIFO // what the reflector has heard and the store does not have yet
	store   cache.Indexer   // the cache
	handler cache.ResourceEventHandler
	gate    chan struct{} // the loop takes one token for each turn: lets the step make several changes wait
	say     func(format string, args ...any)
}

func newByHand(handler cache.ResourceEventHandler, say func(string, ...any)) *byHand {
	return &byHand{
		queue: cache.NewRealFIFOWithOptions(cache.RealFIFOOptions{ // these options are an informer's own defaults
			AtomicEvents:          true, // a list is one delta, and not one for each object
			UnlockWhileProcessing: true, // the reflector may add while the loop works
			EmitDeltaTypeBookmark: true,
		}),
		store:   cache.NewIndexer(cache.DeletionHandlingMetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
		handler: handler,
		gate:    make(chan struct{}, 100),
		say:     say,
	}
}

// run is the reflector in one goroutine, and the loop that empties the queue in another. It returns when both have ended.
func (b *byHand) run(ctx context.Context, lw cache.ListerWatcher) {
	// *corev1.Pod{}: the type that the reflector wants to see. Where it puts what it sees only has to look like a store.
	reflector := cache.NewReflectorWithOptions(lw, &corev1.Pod{}, &spy{b.queue, b.say}, cache.ReflectorOptions{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		reflector.RunWithContext(ctx)
	}()
	context.AfterFunc(ctx, b.queue.Close)
	for { // the processLoop of tools/cache/controller.go
		select {
		case <-b.gate:
		case <-ctx.Done():
		}
		if err := b.queue.PopBatch(b.batch, b.single); errors.Is(err, cache.ErrFIFOClosed) {
			break
		}
	}
	<-done
}

// single takes one delta from the queue to the store, and then to the handler: in this order.
func (b *byHand) single(popped any, isInInitialList bool) error {
	delta := popped.(cache.Deltas)[0]
	switch info := delta.Object.(type) {
	case cache.ReplacedAllInfo: // a list. A real informer tells the handler, too, what is no longer in it
		b.say("  queue      popped %s of %d", delta.Type, len(info.Objects))
		if err := b.store.Replace(info.Objects, info.ResourceVersion); err != nil {
			return err
		}
		b.say("  store      replaced: %d object(s)", len(b.store.ListKeys()))
		for _, object := range info.Objects {
			b.handler.OnAdd(object, isInInitialList)
		}
		return nil
	}
	return b.batch([]cache.Delta{delta}, isInInitialList)
}

// batch makes one transaction of deltas for different objects, and tells the handler afterwards.
func (b *byHand) batch(deltas []cache.Delta, isInInitialList bool) error {
	var popped []string
	var transaction []cache.Transaction
	var calls []func()
	for _, delta := range deltas {
		object := delta.Object
		before, known, err := b.store.Get(object)
		if err != nil {
			return err
		}
		kind, call := cache.TransactionTypeAdd, func() { b.handler.OnAdd(object, isInInitialList) }
		switch {
		case delta.Type == cache.Deleted:
			kind, call = cache.TransactionTypeDelete, func() { b.handler.OnDelete(object) }
		case known:
			kind, call = cache.TransactionTypeUpdate, func() { b.handler.OnUpdate(before, object) }
		}
		popped = append(popped, fmt.Sprintf("%s %s", delta.Type, object.(*corev1.Pod).Name))
		transaction = append(transaction, cache.Transaction{Type: kind, Object: object})
		calls = append(calls, call)
	}
	b.say("  queue      popped %s", strings.Join(popped, ", "))
	if err := b.store.(cache.TransactionStore).Transaction(transaction...); err != nil {
		return err
	}
	b.say("  store      one transaction of %d; now %d object(s)", len(transaction), len(b.store.ListKeys()))
	for _, call := range calls {
		call()
	}
	return nil
}

// spy is the queue as the reflector sees it: it says which of its methods has been called.
type spy struct {
	*cache.RealFIFO
	say func(format string, args ...any)
}

func (s *spy) Replace(objects []any, resourceVersion string) error {
	err := s.RealFIFO.Replace(objects, resourceVersion)
	s.say("  reflector  queue.Replace(%d object(s))", len(objects))
	return err
}

func (s *spy) Add(object any) error    { return s.said("Add", object, s.RealFIFO.Add(object)) }
func (s *spy) Update(object any) error { return s.said("Update", object, s.RealFIFO.Update(object)) }
func (s *spy) Delete(object any) error { return s.said("Delete", object, s.RealFIFO.Delete(object)) }

// Bookmark keeps bookmarks out of the queue. When they come is the server's business, and one between two changes would end
// a batch. In an informer the loop takes them to the store, which then knows how far it has come.
func (s *spy) Bookmark(string) error { return nil }

func (s *spy) said(method string, object any, err error) error {
	s.say("  reflector  queue.%s(%s)", method, object.(*corev1.Pod).Name)
	return err
}

// anatomy lets the same changes go through the parts, and through a SharedInformer.
func anatomy(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	client, err := newClient(config)
	if err != nil {
		return err
	}
	if _, err := makePod(ctx, client, namespace, "kettle"); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	parts, shared := newFeed(ctx), newFeed(ctx)

	legible := rest.CopyConfig(config) // typed clients speak protobuf; JSON can be read
	legible.ContentType, legible.AcceptContentTypes = "application/json", "application/json"
	legible.Wrap(func(next http.RoundTripper) http.RoundTripper { return &tap{next, parts.say} })
	tapped, err := newClient(legible)
	if err != nil {
		cancel()
		return err
	}
	hand := newByHand(sayEvents("  handler   ", parts.say), parts.say)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		hand.run(ctx, podsOf(tapped, namespace))
	}()
	factory := newFactory(client, namespace)
	if _, err := factory.Core().V1().Pods().Informer().AddEventHandler(sayEvents("  SharedInformer's handler:", shared.say)); err != nil {
		cancel()
		return err
	}
	factory.StartWithContext(ctx)
	defer func() { cancel(); <-ended; factory.Shutdown() }()

	change := func(name string) func() error {
		return func() error { _, err := paint(ctx, client, namespace, name, "blue"); return err }
	}
	for _, act := range []struct {
		title          string
		do             []func() error
		wires, handled int // lines before the loop gets its turn; events
		turns          int // of the loop: two lines each
	}{
		{"start: kettle is there already", nil, 3, 1, 1},
		{"create cup", []func() error{func() error { _, err := makePod(ctx, client, namespace, "cup"); return err }}, 2, 1, 1},
		{"change cup", []func() error{change("cup")}, 2, 1, 1},
		{"the loop is busy; meanwhile two pods change", []func() error{change("kettle"), func() error {
			_, err := paint(ctx, client, namespace, "cup", "red")
			return err
		}}, 4, 2, 1},
		{"delete cup", []func() error{func() error { return dropPod(ctx, client, namespace, "cup") }}, 4, 2, 2},
	} {
		fmt.Fprintf(out, "-- %s\n", act.title)
		for _, do := range act.do {
			if err := do(); err != nil {
				return err
			}
		}
		if err := parts.printSorted(out, act.wires, "  wire"); err != nil { // the loop waits
			return err
		}
		for range act.turns {
			hand.gate <- struct{}{}
		}
		if err := parts.print(out, 2*act.turns+act.handled); err != nil {
			return err
		}
		if err := shared.print(out, act.handled); err != nil {
			return err
		}
	}
	return nil
}

// podsOf lists and watches this chapter's pods. With the client, the reflector can see whether it may ask for watch-list.
func podsOf(client kubernetes.Interface, namespace string) cache.ListerWatcher {
	pods := client.CoreV1().Pods(namespace)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			onlyMine(&options)
			return pods.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			onlyMine(&options)
			return pods.Watch(ctx, options)
		},
	}, client)
}

// newFactory makes informers for this chapter's objects in a namespace.
func newFactory(client kubernetes.Interface, namespace string, more ...informers.SharedInformerOption) informers.SharedInformerFactory {
	options := append([]informers.SharedInformerOption{
		informers.WithNamespace(namespace), informers.WithTweakListOptions(onlyMine),
	}, more...)
	return informers.NewSharedInformerFactoryWithOptions(client, 0, options...)
}

// sayEvents is an untyped handler: what all handlers were before v0.37. Whatever it gets is an any.
func sayEvents(who string, say func(format string, args ...any)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { say("%s add %s", who, object.(*corev1.Pod).Name) },
		UpdateFunc: func(_, object any) { say("%s update %s", who, object.(*corev1.Pod).Name) },
		DeleteFunc: func(object any) { // a *corev1.Pod, or a cache.DeletedFinalStateUnknown: see "relist"
			name, err := cache.DeletionHandlingObjectToName(object)
			if err != nil {
				name.Name = err.Error()
			}
			say("%s delete %s", who, name.Name)
		},
	}
}

// tap shows the beginning of every line that a watch brings. A line is an event.
type tap struct {
	next http.RoundTripper
	say  func(format string, args ...any)
}

func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	if err == nil && r.URL.Query().Has("watch") {
		response.Body = &tappedBody{ReadCloser: response.Body, say: t.say}
	}
	return response, err
}

type tappedBody struct {
	io.ReadCloser
	line bytes.Buffer
	say  func(format string, args ...any)
}

func (b *tappedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	for _, c := range p[:n] {
		if c != '\n' {
			b.line.WriteByte(c)
			continue
		}
		if said := summary(b.line.String()); said != "" {
			b.say("  wire       %s", said)
		}
		b.line.Reset()
	}
	return n, err
}

// summary cuts an event's JSON down to what fits in a line; to nothing, if it is a bookmark that the server sent by its clock.
func summary(line string) string {
	var event struct {
		Type   watch.EventType
		Object metav1.PartialObjectMetadata
	}
	if err := json.Unmarshal([]byte(line), &event); err != nil {
		return err.Error()
	}
	rest := fmt.Sprintf(`"name":%q`, event.Object.Name)
	initial := event.Object.Annotations[metav1.InitialEventsAnnotationKey] == "true"
	if event.Type == watch.Bookmark && !initial {
		return ""
	}
	if initial {
		rest = fmt.Sprintf(`"annotations":{%q:"true"}`, metav1.InitialEventsAnnotationKey)
	}
	return fmt.Sprintf(`{"type":%q,"object":{"kind":%q, ... %s ...}}`, event.Type, event.Object.Kind, rest)
}
