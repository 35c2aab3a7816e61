package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"
	"weak"

	corev1 "k8s.io/api/core/v1"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
)

// changes is how often the step changes one pod.
const changes = 100

// slow gives one informer a handler that is quick, and one that takes its time.
func slow(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	if _, err := makePod(ctx, client, namespace, "cup"); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	factory := newFactory(client, namespace)
	pods := factory.Core().V1().Pods()

	quick := make(chan weak.Pointer[corev1.Pod], 1000) // does not keep what it points to
	slowCalls, turns := atomic.Int32{}, make(chan struct{})
	open := make(chan struct{}) // closed: as many turns as it likes
	for _, handler := range []informersv1.PodHandlerFuncs{
		{UpdateFunc: func(_, pod *corev1.Pod) { quick <- weak.Make(pod) }},
		{UpdateFunc: func(_, pod *corev1.Pod) {
			select {
			case <-turns:
			case <-open:
			}
			slowCalls.Add(1)
		}},
	} {
		if _, err := pods.TypedInformer().AddTypedEventHandler(handler); err != nil {
			cancel()
			return fmt.Errorf("register a handler: %w", err)
		}
	}
	defer factory.Shutdown() // waits for the slow handler, too
	stop := context.AfterFunc(ctx, func() { close(open) })
	defer cancel()
	factory.StartWithContext(ctx)
	wait, enough := soon(ctx)
	defer enough()
	if err := factory.WaitForCacheSyncWithContext(wait).AsError(); err != nil {
		return fmt.Errorf("wait for the first list of pods: %w", err)
	}

	change := func() (versions []weak.Pointer[corev1.Pod], err error) {
		for i := range changes {
			if _, err := paint(ctx, client, namespace, "cup", fmt.Sprint(i)); err != nil {
				return nil, err
			}
		}
		for range changes {
			select {
			case version := <-quick:
				versions = append(versions, version)
			case <-time.After(30 * time.Second):
				return nil, fmt.Errorf("waited 30 s for the quick handler, which has had %d of %d calls", len(versions), changes)
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		return versions, nil
	}

	fmt.Fprintf(out, "-- %d changes of one pod\n", changes)
	versions, err := change()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "quick handler: %d calls; slow handler: %d, and it is in its first\n", len(versions), slowCalls.Load())
	fmt.Fprintf(out, "pods in the store: %d; versions of it in memory: %d\n", len(pods.Informer().GetStore().ListKeys()), alive(versions))

	fmt.Fprintln(out, "-- the slow handler gets on")
	for range changes {
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := poll(ctx, "the slow handler", func(context.Context) (bool, error) { return slowCalls.Load() == changes, nil }); err != nil {
		return err
	}
	fmt.Fprintf(out, "slow handler: %d calls: none was left out, none was merged with another\n", slowCalls.Load())
	fmt.Fprintf(out, "versions in memory: a few: %t\n", alive(versions) <= 3)

	fmt.Fprintf(out, "-- %d more changes, and stop\n", changes)
	if _, err := change(); err != nil {
		return err
	}
	stop() // the handler stays slow
	cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		factory.Shutdown()
	}()
	for range time.Tick(10 * time.Millisecond) {
		if !pods.Informer().IsStopped() {
			continue
		}
		select {
		case turns <- struct{}{}:
			continue
		case <-ended:
		}
		break
	}
	missed := 2*changes - slowCalls.Load()
	fmt.Fprintf(out, "calls of the slow handler that were never made: most: %t\n", missed > changes*9/10)
	return nil
}

// alive counts the versions that somebody still holds on to.
func alive(versions []weak.Pointer[corev1.Pod]) (n int) {
	runtime.GC()
	runtime.GC() // what the first one found and could not free yet
	for _, version := range versions {
		if version.Value() != nil {
			n++
		}
	}
	return n
}
