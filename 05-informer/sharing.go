package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// detectorVariable turns the mutation detector on, when the program starts.
const detectorVariable = "KUBE_CACHE_MUTATION_DETECTOR"

// sharing shows what handlers of one informer share: the watch, and the very objects.
func sharing(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	direct, err := newClient(config)
	if err != nil {
		return err
	}
	if _, err := makePod(ctx, direct, namespace, "cup"); err != nil {
		return err
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
	factory := newFactory(client, namespace)
	defer factory.Shutdown()
	defer cancel()

	pods := factory.Core().V1().Pods()
	got := [2]chan *corev1.Pod{make(chan *corev1.Pod, 10), make(chan *corev1.Pod, 10)}
	var handlers []cache.DoneChecker
	for i := range got {
		handler, err := pods.TypedInformer().AddTypedEventHandler(informersv1.PodHandlerFuncs{
			AddFunc: func(pod *corev1.Pod) { got[i] <- pod },
		})
		if err != nil {
			return fmt.Errorf("register handler %d: %w", i, err)
		}
		handlers = append(handlers, handler.HasSyncedChecker())
	}
	factory.StartWithContext(ctx)
	wait, enough := soon(ctx)
	defer enough()
	if !cache.WaitFor(wait, "", handlers...) {
		return fmt.Errorf("wait for the handlers: %w", context.Cause(wait))
	}

	fmt.Fprintln(out, "-- one watch, one object")
	first, second := <-got[0], <-got[1]
	listed, err := pods.Lister().Pods(namespace).Get("cup")
	if err != nil {
		return fmt.Errorf("get the pod cup from the cache: %w", err)
	}
	fmt.Fprintf(out, "handlers: %d; requests: %d\n", len(handlers), requests.Load())
	fmt.Fprintf(out, "both handlers got the same pointer: %t; the lister's, too: %t\n", first == second, first == listed)

	// A second factory shares nothing with the first: it has a watch and a copy of everything for itself.
	other := newFactory(client, namespace)
	defer other.Shutdown()
	defer cancel()
	lister := other.Core().V1().Pods().Lister()
	other.StartWithContext(ctx)
	if err := other.WaitForCacheSyncWithContext(wait).AsError(); err != nil {
		return fmt.Errorf("wait for the second factory: %w", err)
	}
	copied, err := lister.Pods(namespace).Get("cup")
	if err != nil {
		return fmt.Errorf("get the pod cup from the second cache: %w", err)
	}
	fmt.Fprintf(out, "with a second factory: requests: %d; the same pointer: %t\n", requests.Load(), copied == first)

	fmt.Fprintln(out, "-- a handler that is late joins: it gets adds for all that is there")
	late := newFeed(ctx)
	if _, err := pods.Informer().AddEventHandler(sayEvents("late handler:", late.say)); err != nil {
		return fmt.Errorf("register a handler late: %w", err)
	}
	if err := late.print(out, 1); err != nil {
		return err
	}
	fmt.Fprintf(out, "requests: still %d\n", requests.Load())
	return mutate(ctx, direct, namespace, first, listed, out)
}

// mutate does what no handler may do, and then what it has to do instead.
func mutate(ctx context.Context, client kubernetes.Interface, namespace string, mine, everybodys *corev1.Pod, out io.Writer) error {
	fmt.Fprintln(out, "-- a handler that changes what it got")
	rightly := mine.DeepCopy() // yours alone
	rightly.Labels["colour"] = "green"
	fmt.Fprintf(out, "a copy is changed; the cache says: colour %q\n", everybodys.Labels["colour"])

	mine.Labels["colour"] = "red" // WRONG: this is the cache's own object
	onServer, err := client.CoreV1().Pods(namespace).Get(ctx, "cup", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the pod cup: %w", err)
	}
	fmt.Fprintf(out, "the object is changed; the cache says: colour %q; the server says: colour %q\n",
		everybodys.Labels["colour"], onServer.Labels["colour"])
	if os.Getenv(detectorVariable) == "" {
		return nil
	}
	fmt.Fprintf(out, "%s is set: it compares once a second, and ends the program\n", detectorVariable)
	select {
	case <-time.After(10 * time.Second):
		return fmt.Errorf("the mutation detector has not seen it")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
