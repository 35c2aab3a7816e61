package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// updates sorts a handler's updates by where they come from. All three are the same call, OnUpdate(before, after).
type updates struct {
	change, resync, relist chan string
}

func newUpdates() *updates {
	return &updates{make(chan string, 1000), make(chan string, 1000), make(chan string, 1000)}
}

func (u *updates) handler() informersv1.PodHandlerFuncs {
	return informersv1.PodHandlerFuncs{UpdateFunc: func(before, after *corev1.Pod) {
		switch {
		case before == after: // not only equal: the very object
			u.resync <- after.Name
		case before.ResourceVersion == after.ResourceVersion: // what most handlers look for, and leave it at that
			u.relist <- after.Name
		default:
			u.change <- after.Name
		}
	}}
}

// resync counts what a resync does, and what a relist does.
func resync(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	direct, err := newClient(config)
	if err != nil {
		return err
	}
	for _, name := range []string{"cup", "pan"} {
		if _, err := makePod(ctx, direct, namespace, name); err != nil {
			return err
		}
	}
	var requests atomic.Int32
	proxy, through, err := startProxy(ctx, config, func(*http.Request) { requests.Add(1) })
	if err != nil {
		return err
	}
	defer proxy.refuse()
	client, err := newClient(through)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	every := time.Second // as often as it goes
	resyncing := informers.NewSharedInformerFactoryWithOptions(client, every,
		informers.WithNamespace(namespace), informers.WithTweakListOptions(onlyMine))
	quiet := newFactory(client, namespace) // 0: never
	defer quiet.Shutdown()
	defer resyncing.Shutdown()
	defer cancel()

	never := time.Duration(0)
	asked, unasked, other := newUpdates(), newUpdates(), newUpdates()
	var synced []cache.DoneChecker
	for _, h := range []struct {
		factory informers.SharedInformerFactory
		updates *updates
		options []cache.HandlerOptions
	}{
		{resyncing, asked, nil}, // the factory's period
		{resyncing, unasked, []cache.HandlerOptions{{ResyncPeriod: &never}}},
		{quiet, other, nil},
	} {
		handler, err := h.factory.Core().V1().Pods().TypedInformer().AddTypedEventHandler(h.updates.handler(), h.options...)
		if err != nil {
			return fmt.Errorf("register a handler: %w", err)
		}
		synced = append(synced, handler.HasSyncedChecker())
	}
	resyncing.StartWithContext(ctx)
	quiet.StartWithContext(ctx)
	wait, enough := soon(ctx)
	defer enough()
	if !cache.WaitFor(wait, "", synced...) {
		return fmt.Errorf("wait for the handlers: %w", context.Cause(wait))
	}
	before := requests.Load()

	fmt.Fprintf(out, "two pods, two informers; waiting for a resync, which comes every %s\n", every)
	if err := take(ctx, asked.resync, 2); err != nil {
		return err
	}
	row := func(what string, resyncs, relists any) { fmt.Fprintf(out, "%-42s %6v %6v\n", what, resyncs, relists) }
	resyncRequests := requests.Load() - before

	fmt.Fprintln(out, "waiting for a relist, because the next watches are told 410")
	before = requests.Load()
	proxy.answerNext(withErrorEvent(gone), withErrorEvent(gone))
	proxy.cut()
	if err := errors.Join(take(ctx, asked.relist, 2), take(ctx, other.relist, 2)); err != nil {
		return err
	}
	relistRequests := requests.Load() - before

	// Handlers hear of everything in order: what has not come before this change will not come any more.
	if _, err := paint(ctx, direct, namespace, "cup", "blue"); err != nil {
		return err
	}
	if err := errors.Join(take(ctx, asked.change, 1), take(ctx, unasked.change, 1), take(ctx, other.change, 1)); err != nil {
		return err
	}
	row("", "resync", "relist")
	row("requests", resyncRequests, relistRequests)
	row("calls: handler with resync", 2, 2+len(asked.relist)) // 2: the resync that was waited for; there have been more
	row("calls: handler without, the other has it", len(unasked.resync), len(unasked.relist))
	row("calls: handler without, nobody has it", len(other.resync), 2+len(other.relist))
	return nil
}

// take waits for n updates.
func take(ctx context.Context, updates <-chan string, n int) error {
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for range n {
		select {
		case <-updates:
		case <-limit.C:
			return fmt.Errorf("waited 30 s for %d updates", n)
		case <-ctx.Done():
			return fmt.Errorf("wait for an update: %w", context.Cause(ctx))
		}
	}
	return nil
}
