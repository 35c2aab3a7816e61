package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
)

// scene is an informer of two pods, cup and pan, with a proxy before it, and everything that it says. When something has
// gone wrong, the rest of the scene does nothing: err is looked at once, at the end.
type scene struct {
	*feed
	proxy     *proxy
	direct    kubernetes.Interface // past the proxy
	namespace string
	store     cache.Store
	out       io.Writer
	err       error
}

var (
	gone = apierrors.NewResourceExpired("too old resource version")
	busy = apierrors.NewTooManyRequests("later, please", 0)
	down = apierrors.NewServiceUnavailable("later, please")
	old  = apierrors.NewInvalid(schema.GroupKind{Kind: "ListOptions"}, "", nil)
)

// relist shows what the reflector does when its stream of events ends, in each of the ways in which it can.
func relist(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	for _, part := range []struct {
		title  string
		before func(*scene) // the informer starts
		then   func(*scene) // it has started, and said four lines
	}{
		{"start", nil, nil},
		{"start, with a server that knows no watch-list", func(s *scene) { s.proxy.answerNext(withStatus(old)) }, nil},
		{"the server ends the watch", func(s *scene) { s.proxy.end("6") }, func(s *scene) {
			s.waitForBookmark()
			s.show(2)
		}},
		{"the connection breaks", nil, func(s *scene) {
			s.paint("cup", "blue")
			s.show(1)
			s.cut()
			s.paint("cup", "red")
			s.show(3)
		}},
		{"nobody answers; cup is deleted meanwhile", nil, func(s *scene) {
			s.paint("cup", "blue")
			s.show(1)
			s.proxy.refuse()
			s.drop("cup")
			s.show(2)
			s.do(func() error { return s.proxy.accept(s.ctx) })
			s.show(3)
		}},
		{"429, too many requests", nil, func(s *scene) {
			s.paint("cup", "blue")
			s.show(1)
			s.cut(withStatus(busy))
			s.show(4)
		}},
		{"503, unavailable", nil, func(s *scene) {
			s.paint("cup", "blue")
			s.show(1)
			s.cut(withStatus(down))
			s.show(5)
			s.showAny(2)
		}},
		{"410, too old; cup is deleted meanwhile", nil, func(s *scene) {
			s.paint("cup", "blue")
			s.show(1)
			s.proxy.hold() // the events of the deletion are lost with the connection
			s.drop("cup")
			s.cut(withErrorEvent(gone))
			s.proxy.release()
			s.show(7)
		}},
		{"410, and 410 again", nil, func(s *scene) {
			s.paint("cup", "blue")
			s.show(1)
			s.cut(withErrorEvent(gone), withErrorEvent(gone))
			s.show(6)
			s.showAny(2)
		}},
		{"a watch that ends in its first second, without an event", nil, func(s *scene) {
			s.paint("cup", "blue")
			s.show(1)
			s.cut(withNothing)
			s.show(5)
			s.showAny(2)
		}},
	} {
		fmt.Fprintf(out, "-- %s\n", part.title)
		if err := play(ctx, config, namespace, part.before, part.then, out); err != nil {
			return err
		}
	}
	return nil
}

// play makes a scene, plays it, and clears the stage.
func play(ctx context.Context, config *rest.Config, namespace string, before, then func(*scene), out io.Writer) error {
	direct, err := newClient(config)
	if err != nil {
		return err
	}
	for _, name := range []string{"cup", "pan"} {
		if _, err := makePod(ctx, direct, namespace, name); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &scene{feed: newFeed(ctx), direct: direct, namespace: namespace, out: out}
	var informer informersv1.PodIndexInformer
	proxy, through, err := startProxy(ctx, config, func(r *http.Request) {
		s.say("  request: %s", describeRequest(r, informer.LastSyncResourceVersion()))
	})
	if err != nil {
		cancel()
		return err
	}
	defer proxy.refuse()
	s.proxy = proxy
	client, err := newClient(through)
	if err != nil {
		cancel()
		return err
	}
	factory := newFactory(client, namespace, informers.WithTweakListOptions(func(options *metav1.ListOptions) {
		options.LabelSelector = mine().LabelSelector + ",kitchen!=no"
	}))
	defer factory.Shutdown()
	defer cancel()
	informer = factory.Core().V1().Pods().TypedInformer()
	s.store = informer.GetStore()
	if _, err := informer.AddTypedEventHandler(s.handler()); err != nil {
		return fmt.Errorf("register a handler: %w", err)
	}
	if before != nil {
		before(s)
	}
	logger := textlogger.NewLogger(textlogger.NewConfig(
		textlogger.Verbosity(4), textlogger.WithHeader(false), textlogger.Output(&reflectorLog{say: s.say})))
	factory.StartWithContext(klog.NewContext(ctx, logger)) // the reflector logs to the logger in its context
	switch {
	case then != nil:
		s.do(func() error { return s.print(io.Discard, 4) }) // as in the first scene
		then(s)
	case before != nil:
		s.show(4)
		s.showAny(3)
	default:
		s.show(2)
		s.showAny(2)
	}
	if s.err != nil {
		return s.err
	}
	return sweep(ctx, direct)
}

func (s *scene) handler() informersv1.PodHandlerFuncs {
	return informersv1.PodHandlerFuncs{
		AddFunc: func(pod *corev1.Pod) { s.say("  handler: add %s", pod.Name) },
		UpdateFunc: func(before, after *corev1.Pod) {
			switch {
			case before.ResourceVersion == after.ResourceVersion:
				s.say("  handler: update %s, to the same resourceVersion", after.Name)
			case after.DeletionTimestamp != nil:
				s.say("  handler: update %s: deletionTimestamp is set", after.Name)
			default:
				s.say("  handler: update %s: colour %q", after.Name, after.Labels["colour"])
			}
		},
		DeleteFunc: func(pod informersv1.DeletedPod) {
			switch {
			case pod.FinalStateUnknown == nil:
				s.say("  handler: delete %s", pod.GetName())
			case pod.OptionalObj == nil: // not even an old state
				s.say("  handler: delete %s, a tombstone", pod.GetName())
			default:
				s.say("  handler: delete %s, a tombstone; when it was last seen: colour %q", pod.GetName(), pod.OptionalObj.Labels["colour"])
			}
		},
	}
}

func (s *scene) do(act func() error) {
	if s.err == nil {
		s.err = act()
	}
}

func (s *scene) paint(name, colour string) {
	s.do(func() error { _, err := paint(s.ctx, s.direct, s.namespace, name, colour); return err })
}

func (s *scene) drop(name string) {
	s.do(func() error { return dropPod(s.ctx, s.direct, s.namespace, name) })
}

// cut breaks the watch off and answers the next ones.
func (s *scene) cut(answers ...func(http.ResponseWriter)) {
	s.proxy.answerNext(answers...)
	s.proxy.cut()
}

// waitForBookmark makes a pod that is not among those that are watched, and waits until the server has said so.
func (s *scene) waitForBookmark() {
	s.do(func() error {
		other := newPod("other")
		other.Labels["kitchen"] = "no"
		other, err := create(s.ctx, s.direct, s.namespace, other)
		if err != nil {
			return err
		}
		if err := waitUntilFresh(s.ctx, s.store, other); err != nil {
			return err
		}
		fmt.Fprintln(s.out, "  bookmark: the store is as fresh as a pod that it does not have; no handler was called")
		return nil
	})
}

func (s *scene) show(n int) { s.do(func() error { return s.print(s.out, n) }) }

// showAny prints lines that come in no order: objects from a map, or from two goroutines.
func (s *scene) showAny(n int) {
	s.do(func() error {
		var lines []string
		for range n {
			line, err := s.next()
			if err != nil {
				return err
			}
			lines = append(lines, line)
		}
		slices.Sort(lines)
		fmt.Fprintln(s.out, strings.Join(lines, "\n"))
		return nil
	})
}

// describeRequest says what a list or watch asks for. last is the resourceVersion that the reflector has come to.
func describeRequest(r *http.Request, last string) string {
	query := r.URL.Query()
	what := "LIST"
	if query.Has("watch") {
		what = "WATCH"
	}
	if query.Get("sendInitialEvents") == "true" {
		what += ", all that is there first,"
	}
	switch from := query.Get("resourceVersion"); from {
	case "":
		return what + " from now"
	case last:
		return what + " from where it was"
	default:
		return what + " from " + from
	}
}

// reflectorLog passes on the lines of a reflector's log that tell what it does next.
type reflectorLog struct {
	say  func(format string, args ...any)
	mu   sync.Mutex
	last string
}

func (l *reflectorLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, message, _ := strings.Cut(string(line), `"`)
	message, _, _ = strings.Cut(message, `"`)
	again := message == l.last // it may back off more than once
	l.last = message
	for _, telling := range []string{
		"Listing and watching", "Watch close", "Watch failed", "Warning: watch ended", "Failed to watch", "Data couldn't be fetched",
	} {
		if strings.HasPrefix(message, telling) && !again {
			l.say("  log:     %s", message)
		}
	}
	return len(line), nil
}
