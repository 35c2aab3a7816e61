package fresh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	listersv1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	fcache "k8s.io/client-go/tools/cache/testing"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaCompare = "a store is as fresh as a write when its resourceVersion is the same or a later one: CompareResourceVersion says so"
	ideaWait    = "the write is done, and its event is under way; nobody knows how long. Ask the store until it is as fresh as the write"
	ideaTwice   = `a controller that reads its cache too early thinks "there is none, I have to create it", and creates two: settle first`
	ideaEach    = "what was written before the error is written: remember each write when it is done"
	ideaLimit   = "settle has returned an error: nobody knows what the cache has heard of by now. Write nothing, and return the error"
	ideaShared  = "nothing that came from a cache may be changed: DeepCopy first"
)

// at is a store that has come so far.
type at struct {
	cache.Store
	version string
}

func (a at) LastStoreSyncResourceVersion() string { return a.version }

func TestStep1FreshAs(t *testing.T) {
	for _, c := range []struct{ store, written, want, idea string }{
		{"9", "9", "true", ideaCompare},
		{"9", "8", "true", ideaCompare},
		{"9", "10", "false", ideaCompare + "; as text, 10 comes before 9"},
		{"10", "9", "true", ideaCompare + "; as text, 10 comes before 9"},
		{"", "9", "false", `"" is a store that is not synced yet: that is no error, it only knows nothing`},
		{"0", "9", "false", `"0" is no place where a store can be: it is not synced yet`},
		{"9", "", "an error", `"" is no resourceVersion of a write: CompareResourceVersion returns an error, pass it on`},
		{"9", "007", "an error", `"007" is no resourceVersion: CompareResourceVersion returns an error, pass it on`},
	} {
		fresh, err := freshAs(at{version: c.store}, c.written)
		seen := fmt.Sprint(fresh)
		if err != nil && c.want == "an error" {
			seen = c.want
		} else if err != nil {
			seen = fmt.Sprint("error: ", err)
		}
		if seen != c.want {
			labtest.Unexpected(t, fmt.Sprintf("the store is at %q, the write at %q: %s", c.store, c.written, seen), c.want, c.idea)
		}
	}
}

// shop is an API server. Its clock is that of a synctest bubble, which jumps ahead whenever every goroutine waits, and
// its events take a second: a time in which a program can do a lot.
type shop struct {
	source  *fcache.FakeControllerSource // has real resourceVersions
	cups    map[string]*corev1.ConfigMap
	writes  int
	refused int // refuse this write
}

func (s *shop) write(cup *corev1.ConfigMap, change func(runtime.Object)) (*corev1.ConfigMap, error) {
	s.writes++
	if s.writes == s.refused {
		return nil, apierrors.NewInternalError(errors.New("out of order"))
	}
	cup = cup.DeepCopy()
	cup.Namespace = "shop"
	change(cup) // gives it a resourceVersion
	s.cups[cup.Name] = cup
	return cup.DeepCopy(), nil
}

// callers is the key of a value in every context that a Keeper is called with.
type callers struct{}

var errContext = errors.New("the context of this request is not from the caller, who cannot end it: hand ctx on")

func (s *shop) Create(ctx context.Context, cup *corev1.ConfigMap, _ metav1.CreateOptions) (*corev1.ConfigMap, error) {
	if ctx.Value(callers{}) == nil {
		return nil, errContext
	}
	cup = cup.DeepCopy()
	cup.Name = cmp.Or(cup.Name, fmt.Sprint(cup.GenerateName, s.writes))
	return s.write(cup, s.source.Add)
}

func (s *shop) Update(ctx context.Context, cup *corev1.ConfigMap, _ metav1.UpdateOptions) (*corev1.ConfigMap, error) {
	if ctx.Value(callers{}) == nil {
		return nil, errContext
	}
	if have := s.cups[cup.Name]; have == nil || have.ResourceVersion != cup.ResourceVersion {
		return nil, apierrors.NewConflict(corev1.Resource("configmaps"), cup.Name, errors.New("the object has been modified"))
	}
	return s.write(cup, s.source.Modify)
}

// late brings everything a second later.
func late(w watch.Interface) watch.Interface {
	out := make(chan watch.Event)
	p := watch.NewProxyWatcher(out)
	go func() {
		defer w.Stop()
		for {
			select {
			case event, ok := <-w.ResultChan():
				if !ok {
					close(out)
					return
				}
				time.Sleep(time.Second) // the bubble's clock
				select {
				case out <- event:
				case <-p.StopChan():
					return
				}
			case <-p.StopChan():
				return
			}
		}
	}()
	return p
}

// patient ends a test that asks the store for ever, or without a pause.
type patient struct {
	cache.Store
	t     *testing.T
	began time.Time
	asked map[time.Time]int // by the bubble's clock
}

func (p patient) LastStoreSyncResourceVersion() string {
	if time.Since(p.began) > 10*time.Minute {
		labtest.Unexpected(p.t, "the context has ended, and the store is still asked", "an end", "hand ctx on: who waits with a context of its own cannot be told to stop")
	}
	if p.asked[time.Now()]++; p.asked[time.Now()] > 1000 {
		labtest.Unexpected(p.t, "the store was asked 1,000 times at the same moment", "a pause in between", "wait.PollUntilContextCancel waits between its questions")
	}
	return p.Store.LastStoreSyncResourceVersion()
}

// inShop calls f with a shop that has some things, and a Keeper whose cache has all of them.
func inShop(t *testing.T, f func(t *testing.T, ctx context.Context, s *shop, k *Keeper)) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{source: fcache.NewFakeControllerSource(), cups: map[string]*corev1.ConfigMap{}}
		defer s.source.Shutdown()
		for i := range 6 { // no cups, so that versions have two digits soon
			s.source.Add(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("pan-", i)}})
		}
		source := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
			ListWithContextFunc: func(_ context.Context, options metav1.ListOptions) (runtime.Object, error) {
				return s.source.List(options)
			},
			WatchFuncWithContext: func(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
				w, err := s.source.Watch(options)
				if err != nil {
					return nil, err
				}
				return late(w), nil
			},
		}, fake.NewClientset()) // it knows no watch-list, and neither does the source
		informer := cache.NewSharedIndexInformerWithOptions(source, &corev1.ConfigMap{},
			cache.SharedIndexInformerOptions{Indexers: cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); informer.RunWithContext(ctx) }()
		defer func() { cancel(); <-ended; time.Sleep(time.Minute); synctest.Wait() }()
		if !cache.WaitFor(ctx, "", informer.HasSyncedChecker()) {
			t.Fatal(context.Cause(ctx))
		}
		synctest.Wait()
		f(t, context.WithValue(ctx, callers{}, true), s, &Keeper{
			API:   s,
			Cups:  listersv1.NewConfigMapLister(informer.GetIndexer()).ConfigMaps("shop"),
			Store: patient{Store: informer.GetStore(), t: t, began: time.Now(), asked: map[time.Time]int{}},
		})
	})
}

func TestStep2Settle(t *testing.T) {
	inShop(t, func(t *testing.T, ctx context.Context, s *shop, k *Keeper) {
		for _, colour := range []string{"blue", "red", "green"} {
			cup := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "cup", Labels: map[string]string{"colour": colour}}}
			write := s.source.Modify
			if s.cups["cup"] == nil {
				write = s.source.Add
			}
			written, err := s.write(cup, write)
			if err != nil {
				t.Fatal(err)
			}
			k.last = written.ResourceVersion
			err = k.settle(ctx)
			seen := "nothing"
			if cup, err := k.Cups.Get("cup"); err == nil {
				seen = cup.Labels["colour"]
			}
			if err != nil || seen != colour {
				labtest.Unexpected(t, fmt.Sprintf("settle has returned, and the cache has: %s; error: %v", seen, err), "what was written: "+colour, ideaWait)
			}
		}
		k.last = ""
		if err := k.settle(ctx); err != nil {
			labtest.Unexpected(t, fmt.Sprintf("error: %v", err), "no error", "who has written nothing need not wait")
		}
	})
}

func TestStep2Limit(t *testing.T) {
	inShop(t, func(t *testing.T, ctx context.Context, _ *shop, k *Keeper) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		k.last = "1000000"
		if err := k.settle(ctx); err == nil {
			labtest.Unexpected(t, "the event never came, and settle returned no error", "an error when the context ends", "a watch may be broken for minutes: wait with a limit, and say what you have waited for")
		}
		k.last = "no version"
		began := time.Now()
		if err := k.settle(t.Context()); err == nil || time.Since(began) > time.Second {
			labtest.Unexpected(t, fmt.Sprintf("error: %v, after %v", err, time.Since(began)), "the error of freshAs, at once", "what is no resourceVersion will not become one")
		}
	})
}

func fill(t *testing.T, ctx context.Context, k *Keeper, wanted int, count func() int, idea string) {
	t.Helper()
	err := k.Fill(ctx, wanted)
	if n := count(); err != nil || n != wanted {
		labtest.Unexpected(t, fmt.Sprintf("after Fill(%d) the server has %d cups; error: %v", wanted, n, err), fmt.Sprintf("%d cups", wanted), idea)
	}
}

func TestStep3Fill(t *testing.T) {
	inShop(t, func(t *testing.T, ctx context.Context, s *shop, k *Keeper) {
		count := func() int { return len(s.cups) }
		for _, wanted := range []int{3, 3, 5, 5} {
			fill(t, ctx, k, wanted, count, ideaTwice)
		}
		if err := k.Fill(ctx, 1); err != nil || len(s.cups) != 5 {
			labtest.Unexpected(t, fmt.Sprintf("after Fill(1) the server has %d cups; error: %v", len(s.cups), err), "5 cups: Fill takes none away", "it creates what is missing, and here nothing is")
		}
	})
}

func TestStep3HalfWay(t *testing.T) {
	inShop(t, func(t *testing.T, ctx context.Context, s *shop, k *Keeper) {
		s.refused = 2
		if err := k.Fill(ctx, 3); !apierrors.IsInternalError(err) || s.writes != 2 {
			labtest.Unexpected(t, fmt.Sprintf("the second write was refused; Fill has made %d writes, error: %v", s.writes, err), "2 writes, and the error, wrapped with %w", "an error of a write is the caller's, who tries again")
		}
		fill(t, ctx, k, 3, func() int { return len(s.cups) }, ideaEach)
	})
}

// whileLate calls something that writes while the cache is late, and stays so until ctx ends.
func whileLate(t *testing.T, what string, write func(context.Context, *Keeper) error) {
	t.Helper()
	inShop(t, func(t *testing.T, ctx context.Context, s *shop, k *Keeper) {
		if _, err := s.Create(ctx, newCup(), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the bubble's clock: its event is there
		s.writes, k.last = 0, "1000000"
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := write(limited, k); err == nil || s.writes > 0 {
			labtest.Unexpected(t, fmt.Sprintf("ctx has ended before the cache was fresh; %s has made %d writes, error: %v", what, s.writes, err), "no write, and an error", ideaLimit)
		}
		k.last = ""
		if err := write(ctx, k); err != nil || s.writes == 0 {
			labtest.Unexpected(t, fmt.Sprintf("the cache is fresh again; %s has made %d writes, error: %v", what, s.writes, err), "what is missing is written, and no error", ideaWait)
		}
	})
}

func TestStep3Limit(t *testing.T) {
	whileLate(t, "Fill(3)", func(ctx context.Context, k *Keeper) error { return k.Fill(ctx, 3) })
}

func TestStep4Limit(t *testing.T) {
	whileLate(t, "Paint(blue)", func(ctx context.Context, k *Keeper) error { return k.Paint(ctx, "blue") })
}

func TestStep4Paint(t *testing.T) {
	inShop(t, func(t *testing.T, ctx context.Context, s *shop, k *Keeper) {
		for range 3 {
			if _, err := s.Create(ctx, newCup(), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // the bubble's clock: all events are there
		synctest.Wait()
		shared, err := k.Cups.List(isCup)
		if err != nil {
			t.Fatal(err)
		}
		var before []*corev1.ConfigMap
		for _, cup := range shared {
			before = append(before, cup.DeepCopy())
		}
		colours := func(colour string, writes int) {
			t.Helper()
			s.writes = 0
			err := k.Paint(ctx, colour)
			if !reflect.DeepEqual(shared, before) {
				labtest.Unexpected(t, "Paint has changed objects of the cache: everybody sees colours that the server has not got yet", "that it changes copies", ideaShared)
			}
			var have []string
			for _, cup := range s.cups {
				have = append(have, cmp.Or(cup.Labels["colour"], "no colour"))
			}
			slices.Sort(have)
			seen := fmt.Sprintf("%s, after %d writes; error: %v", strings.Join(have, " "), s.writes, err)
			want := fmt.Sprintf("%s, after %d writes; error: <nil>", strings.Join(slices.Repeat([]string{colour}, 3), " "), writes)
			idea := "read your own writes: an Update of an object from a cache that is late is a conflict, or is made twice"
			if seen != want {
				labtest.Unexpected(t, fmt.Sprintf("Paint(%s): %s", colour, seen), want, idea)
			}
		}
		colours("blue", 3)
		colours("blue", 0)
		colours("red", 3)
	})
}

// A write in the middle is refused. Who then tries again has to wait for what was written before.
func TestStep4HalfWay(t *testing.T) {
	inShop(t, func(t *testing.T, ctx context.Context, s *shop, k *Keeper) {
		for range 3 {
			if _, err := s.Create(ctx, newCup(), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // the bubble's clock: all events are there
		synctest.Wait()
		for _, try := range []struct {
			refused, writes int
			fails           bool
			want            string
		}{
			{2, 2, true, "2 writes, and the error"},
			{0, 2, false, "2 writes, of the cups that are not blue yet, and no error"},
		} {
			s.writes, s.refused = 0, try.refused
			if err := k.Paint(ctx, "blue"); (err != nil) != try.fails || s.writes != try.writes {
				labtest.Unexpected(t, fmt.Sprintf("Paint(blue), with write %d refused (0: none): %d writes; error: %v", try.refused, s.writes, err), try.want, ideaEach)
			}
		}
	})
}

// The same on a real API server.
func TestStep4RealServer(t *testing.T) {
	config := rest.CopyConfig(labtest.Cluster(t))
	core := labtest.CoreClient(t, config)
	namespace := labtest.Namespace(t, core)
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	defer factory.Shutdown()
	defer cancel()
	configMaps := factory.Core().V1().ConfigMaps()
	k := &Keeper{API: client.CoreV1().ConfigMaps(namespace), Cups: configMaps.Lister().ConfigMaps(namespace), Store: configMaps.Informer().GetStore()}
	factory.StartWithContext(ctx)
	if err := factory.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		t.Fatal(err)
	}
	cups := func() []corev1.ConfigMap {
		list, err := client.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{LabelSelector: isCup.String()})
		if err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	for _, wanted := range []int{2, 2, 4} {
		fill(t, ctx, k, wanted, func() int { return len(cups()) }, ideaTwice)
	}
	for _, colour := range []string{"blue", "red"} {
		if err := k.Paint(ctx, colour); err != nil {
			labtest.Unexpected(t, fmt.Sprintf("Paint(%s): error: %v", colour, err), "no error", "an Update of an object from a cache that is late is a conflict: settle first")
		}
	}
	for _, cup := range cups() {
		if cup.Labels["colour"] != "red" {
			labtest.Unexpected(t, fmt.Sprintf("%s has the colour %q", cup.Name, cup.Labels["colour"]), "red", ideaWait)
		}
	}
}
