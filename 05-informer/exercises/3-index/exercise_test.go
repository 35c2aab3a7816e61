package index

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaNoValue = "an index function that returns no values leaves the object out of the index: it is in no list"
	ideaValues  = "an index function returns every value under which the object should be found, and no other"
	ideaError   = "an index function that returns an error, or panics, ends the process: the store panics. Return no values instead"
	ideaChanged = "nothing that came from a cache may be changed: an index function sees the very object that everybody has"
	ideaScan    = "an index is there so that nobody has to look at every pod"
	ideaStrings = `three kinds of strings meet here: the name of an index ("node"), an indexed value ("shelf"), and an object's key ("shop/cup")`
)

func pod(namespace, name, node string, images ...string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.PodSpec{NodeName: node}}
	for i, image := range images {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: fmt.Sprint("c", i), Image: image})
	}
	return p
}

// values says what an index function gives, in one line.
func values(f cache.IndexFunc, obj any) (said string) {
	defer func() {
		if r := recover(); r != nil {
			said = fmt.Sprint("panic: ", r)
		}
	}()
	got, err := f(obj)
	if err != nil {
		return fmt.Sprint("error: ", err)
	}
	slices.Sort(got)
	if slices.Contains(got, "") {
		return fmt.Sprintf("the value %q", "")
	}
	return cmp.Or(strings.Join(slices.Compact(got), " "), "no values")
}

// checkValues also looks whether the object has been changed.
func checkValues(t *testing.T, name string, f cache.IndexFunc, what string, obj any, want string) {
	t.Helper()
	p, isPod := obj.(*corev1.Pod)
	before := p.DeepCopy() // nil of nil
	got := values(f, obj)
	if isPod && !reflect.DeepEqual(p, before) {
		labtest.Unexpected(t, fmt.Sprintf("%s has changed %s", name, what), "that it only reads it", ideaChanged)
	}
	idea := ideaValues
	if want == "no values" {
		idea = ideaNoValue
	}
	if strings.HasPrefix(got, "panic: ") || strings.HasPrefix(got, "error: ") {
		idea = ideaError
	}
	if got != want {
		labtest.Unexpected(t, fmt.Sprintf("%s(%s): %s", name, what, got), want, idea)
	}
}

func TestStep1NodeOf(t *testing.T) {
	checkValues(t, "nodeOf", nodeOf, "a pod on the node shelf", pod("shop", "cup", "shelf"), "shelf")
	checkValues(t, "nodeOf", nodeOf, "a pod without a node", pod("shop", "new", ""), "no values")
	checkValues(t, "nodeOf", nodeOf, "a Node", &corev1.Node{}, "no values")
	checkValues(t, "nodeOf", nodeOf, "nil", nil, "no values")
}

func TestStep2ImagesOf(t *testing.T) {
	both := pod("shop", "cup", "shelf", "tea", "example.com:5000/sugar")
	both.Spec.InitContainers = []corev1.Container{{Name: "rinse", Image: "water:hot"}}
	checkValues(t, "imagesOf", imagesOf, "a pod with the images tea and example.com:5000/sugar, and an init container with water:hot", both,
		"example.com:5000/sugar:latest tea:latest water:hot")
	checkValues(t, "imagesOf", imagesOf, "a pod with the image tea twice", pod("shop", "mug", "shelf", "tea", "tea"), "tea:latest")
	checkValues(t, "imagesOf", imagesOf, "a pod that has no container", pod("shop", "new", ""), "no values")
	checkValues(t, "imagesOf", imagesOf, "a Node", &corev1.Node{}, "no values")
	checkValues(t, "imagesOf", imagesOf, "nil", nil, "no values")
	// append(pod.Spec.InitContainers, ...) may write behind the slice's end, into an array that the cache has, too.
	spare := make([]corev1.Container, 1, 2)
	spare[0].Image = "water"
	both.Spec.InitContainers = spare
	values(imagesOf, both)
	if spare[:2][1].Image != "" {
		labtest.Unexpected(t, "imagesOf has written behind the end of InitContainers", "that it only reads them", ideaChanged+". append writes into the array that it is given, if there is room")
	}
}

// watched notes who looks at everything.
type watched struct {
	cache.Indexer
	scans int
}

func (w *watched) List() []any        { w.scans++; return w.Indexer.List() }
func (w *watched) ListKeys() []string { w.scans++; return w.Indexer.ListKeys() }

// kitchen is a cache with pods. Its indexes are the exercise's.
func kitchen(t *testing.T) *watched {
	t.Helper()
	w := &watched{Indexer: cache.NewIndexer(cache.MetaNamespaceKeyFunc, Indexers())}
	defer func() {
		if r := recover(); r != nil {
			labtest.Unexpected(t, fmt.Sprint("panic: ", r), "that all pods get into the store", ideaError)
		}
	}()
	for _, p := range []*corev1.Pod{
		pod("shop", "mug", "shelf", "tea"), pod("shop", "cup", "shelf", "coffee"), pod("home", "cup", "shelf", "tea"),
		pod("shop", "pan", "stove", "soup"), pod("shop", "new", "", "tea"), pod("shop", "next", "", "tea"),
	} {
		if err := w.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// often is how many times a look-up is tried: what has no order may come in the right one by chance.
const often = 100

// found says what a look-up has found, and whether it has changed anything or looked at everything.
func found(t *testing.T, w *watched, what string, keys []string, err error, want string) {
	t.Helper()
	seen := cmp.Or(strings.Join(keys, " "), "nothing")
	if err != nil {
		seen = fmt.Sprint("error: ", err)
	}
	idea := ideaStrings
	if seen != want {
		if sorted := slices.Sorted(slices.Values(keys)); strings.Join(sorted, " ") == want {
			idea = "what comes from a store has no order: sort it if somebody looks at it"
		}
		labtest.Unexpected(t, what+": "+seen, want, idea)
	}
	if w.scans > 0 {
		labtest.Unexpected(t, what+": found, by looking at every pod in the cache", "one look-up in the index", ideaScan)
	}
}

func TestStep3OnNode(t *testing.T) {
	w := kitchen(t)
	for node, want := range map[string]string{"shelf": "home/cup shop/cup shop/mug", "stove": "shop/pan", "cellar": "nothing"} {
		for range often {
			keys, err := OnNode(w, node)
			found(t, w, "OnNode("+node+")", keys, err, want)
		}
	}
	// The index follows the store.
	if err := w.Update(pod("shop", "cup", "stove", "coffee")); err != nil {
		t.Fatal(err)
	}
	keys, err := OnNode(w, "stove")
	found(t, w, "OnNode(stove), when a pod has got there", keys, err, "shop/cup shop/pan")
	if _, err := OnNode(cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{}), "shelf"); err == nil {
		labtest.Unexpected(t, "no error", "the error of a cache that has no index called node", "an index that there is not is an error, and not an empty list: do not swallow it")
	}
}

func TestStep4Neighbours(t *testing.T) {
	w := kitchen(t)
	for _, c := range []struct{ namespace, name, want string }{
		{"shop", "cup", "home/cup shop/mug"}, {"home", "cup", "shop/cup shop/mug"}, {"shop", "pan", "nothing"},
		{"shop", "new", "nothing"}, {"shop", "nobody", "nothing"},
	} {
		for range often {
			keys, err := Neighbours(w, cache.NewObjectName(c.namespace, c.name))
			found(t, w, fmt.Sprintf("Neighbours(%s/%s)", c.namespace, c.name), keys, err, c.want)
		}
	}
}

// The same in an informer of a real API server.
func TestStep4RealServer(t *testing.T) {
	config := rest.CopyConfig(labtest.Cluster(t))
	namespace := labtest.Namespace(t, labtest.CoreClient(t, config))
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range Indexers() { // in an informer it would end the process, and all tests with it
		for _, obj := range []any{nil, pod(namespace, "cup", "shelf", "tea"), pod(namespace, "new", "")} {
			if got := values(f, obj); strings.HasPrefix(got, "error: ") || strings.HasPrefix(got, "panic: ") {
				labtest.Unexpected(t, fmt.Sprintf("the function of the index %s: %s", name, got), "values, or no values", ideaError)
			}
		}
	}
	t.Cleanup(func() { // before the namespace goes: no kubelet of that node will ever say that the pods have ended
		now := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}
		if err := client.CoreV1().Pods(namespace).DeleteCollection(context.WithoutCancel(t.Context()), now, metav1.ListOptions{}); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	for _, name := range []string{"cup", "mug"} {
		p := pod(namespace, name, "no-node-of-this-cluster", "tea") // whoever sets the node needs no scheduler
		err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			_, err := client.CoreV1().Pods(namespace).Create(ctx, p, metav1.CreateOptions{})
			if apierrors.IsForbidden(err) { // a new namespace has no ServiceAccount for its pods yet
				return false, nil
			}
			return true, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	defer factory.Shutdown()
	defer cancel()
	informer := factory.Core().V1().Pods().Informer()
	if err := informer.AddIndexers(Indexers()); err != nil {
		t.Fatal(err)
	}
	factory.StartWithContext(ctx)
	if err := factory.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		t.Fatal(err)
	}
	w := &watched{Indexer: informer.GetIndexer()}
	keys, err := Neighbours(w, cache.NewObjectName(namespace, "cup"))
	found(t, w, "Neighbours(cup)", keys, err, namespace+"/mug")
}
