package ingress

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaRule = "the Ingress says: this host, every path, to this Service; and its owner reference says to the garbage collector and to you whose it is. " +
		"The apiVersion of a Service is \"v1\": an object from a cache does not carry its own"
	ideaOwn     = "a name is no ownership: what is not this Service's stays as it is, and the user is told of it, or nobody knows why there is no page"
	ideaDelete  = "gone is what you wanted: not found is good news. Any other error is returned, with %w, and the caller tries again"
	ideaThisOne = "the cache is late: without a precondition you delete what has the name by now, and that may be somebody else's. With the UID, the server refuses"
	ideaSilent  = "what is as it should be needs no request"
	ideaInvalid = "a wrong host is wrong again in a second: tell the user, return nil, and wait for the event of a new annotation"
	ideaPort    = "what makes an Ingress valid, the server knows: send it, and tell the user what the server says. A Service without ports is no reason to panic"
	ideaRetry   = "a conflict says that the cache was late: return it, with %w, and the caller tries again"
	ideaUnseen  = "not in the cache does not mean not on the server: with a resourceVersion that no object has, the server itself refuses if there is one after all"
	ideaSame    = "between the cache and your request, the Ingress was deleted, and somebody else made one of this name. With its UID in the request, the server refuses"
	ideaGone    = "the Service is gone or about to go: its Ingress has an owner reference, and the garbage collector removes it. Nothing is left to do, and that is no error"
	ideaWanted  = "no annotation: no Ingress of ours"
	ideaEmpty   = "an empty host is no host: a rule without a host catches the requests for all hosts"
)

// world is a server, caches that hear of it when the test says so, and a Reconciler.
type world struct {
	*Reconciler
	client              kubernetes.Interface
	namespace           string
	services, ingresses cache.Indexer
	recorder            *events.FakeRecorder
}

func newWorld(client kubernetes.Interface, namespace string) *world {
	w := &world{client: client, namespace: namespace, recorder: events.NewFakeRecorder(100)}
	index := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	w.services, w.ingresses = cache.NewIndexer(cache.MetaNamespaceKeyFunc, index), cache.NewIndexer(cache.MetaNamespaceKeyFunc, index)
	w.Reconciler = &Reconciler{Services: corelisters.NewServiceLister(w.services), Ingresses: networkinglisters.NewIngressLister(w.ingresses),
		API: client.NetworkingV1(), Recorder: w.recorder}
	return w
}

func faked() (*world, *fake.Clientset) {
	client := fake.NewClientset()
	return newWorld(client, "shop"), client
}

func service(host string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "uid-of-web"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8080}}}}
	if host != "" {
		s.Annotations = map[string]string{Host: host}
	}
	return s
}

func owned(by *corev1.Service, uid string) *networkingv1.Ingress {
	i := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: by.Namespace, Name: by.Name, UID: "uid-of-the-ingress"}}
	if uid != "" {
		owner := *metav1.NewControllerRef(by, corev1.SchemeGroupVersion.WithKind("Service"))
		owner.UID = by.UID
		if uid != "its" {
			owner.UID = "uid-of-another"
		}
		i.OwnerReferences = []metav1.OwnerReference{owner}
	}
	return i
}

// show is the server's Ingress "web" as text.
func (w *world) show(t *testing.T) string {
	t.Helper()
	i, err := w.client.NetworkingV1().Ingresses(w.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "no Ingress"
	}
	if err != nil {
		t.Fatal(err)
	}
	said := "an Ingress"
	if owner := metav1.GetControllerOf(i); owner != nil {
		said += " of " + owner.APIVersion + " " + owner.Kind + " " + owner.Name
	}
	for _, rule := range i.Spec.Rules {
		said += ", " + rule.Host
		if rule.HTTP != nil {
			for _, p := range rule.HTTP.Paths {
				said += fmt.Sprintf("%s to %s:%d", p.Path, p.Backend.Service.Name, p.Backend.Service.Port.Number)
			}
		}
	}
	return said
}

func (w *world) reasons() (reasons []string) {
	for len(w.recorder.Events) > 0 {
		var kind, reason string
		fmt.Sscan(<-w.recorder.Events, &kind, &reason)
		reasons = append(reasons, reason)
	}
	return reasons
}

// check compares what is there, the error, and the events.
func (w *world) check(t *testing.T, when string, err error, is func(error) bool, want, idea string, reasons ...string) {
	t.Helper()
	got, told := w.show(t), w.reasons()
	if got != want || !is(err) || !slices.Equal(told, reasons) {
		labtest.Unexpected(t, fmt.Sprintf("%s: %s; error: %v; events: %v", when, got, err, told), fmt.Sprintf("%s; events: %v; and the right error, or none", want, reasons), idea)
	}
}

func none(err error) bool { return err == nil }

const made = "an Ingress of v1 Service web, a.example.com/ to web:8080"

var (
	errDown     = errors.New("connection refused")
	errConflict = apierrors.NewConflict(networkingv1.Resource("ingresses"), "web", errors.New("the object has been modified"))
	errInvalid  = apierrors.NewInvalid(networkingv1.SchemeGroupVersion.WithKind("Ingress").GroupKind(), "web", nil)
)

func fails(client *fake.Clientset, verb string, err error) {
	client.PrependReactor(verb, "ingresses", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, err })
}

// names returns what the last write says of the object that it means: the fake itself does not look at that.
func names(t *testing.T, client *fake.Clientset) (uid types.UID, version string) {
	t.Helper()
	for _, action := range slices.Backward(client.Actions()) {
		switch a := action.(type) {
		case clienttesting.DeleteActionImpl:
			if p := a.DeleteOptions.Preconditions; p != nil && p.UID != nil {
				uid = *p.UID
			}
			return uid, ""
		case clienttesting.PatchActionImpl:
			sent := metav1.PartialObjectMetadata{}
			if err := json.Unmarshal(a.Patch, &sent); err != nil {
				t.Fatal(err)
			}
			return sent.UID, sent.ResourceVersion
		}
	}
	return "", ""
}

func TestStep1Ingress(t *testing.T) {
	w, _ := faked()
	err := w.apply(t.Context(), ingressFor(service(""), "a.example.com"))
	w.check(t, "the Ingress of the Service web for a.example.com", err, none, made, ideaRule)
	portless := service("")
	portless.Spec.Ports = nil
	err = w.apply(t.Context(), ingressFor(portless, "a.example.com"))
	w.check(t, "the Ingress of a Service without ports, which a real server refuses", err, none, "an Ingress of v1 Service web, a.example.com/ to web:0", ideaPort)
}

func TestStep2Remove(t *testing.T) {
	for _, c := range []struct{ owner, want string }{{"its", "no Ingress"}, {"another", "an Ingress of v1 Service web"}, {"", "an Ingress"}} {
		w, client := faked()
		i := owned(service(""), c.owner)
		if err := client.Tracker().Add(i); err != nil {
			t.Fatal(err)
		}
		w.check(t, fmt.Sprintf("remove an Ingress with owner %q", c.owner), w.remove(t.Context(), service(""), i), none, c.want, ideaOwn)
		if uid, _ := names(t, client); c.owner == "its" && uid != i.UID {
			labtest.Unexpected(t, fmt.Sprintf("remove: the precondition of the delete has the UID %q", uid), fmt.Sprintf("the UID %q", i.UID), ideaThisOne)
		}
	}
	w, client := faked()
	w.check(t, "remove an Ingress that is gone meanwhile", w.remove(t.Context(), service(""), owned(service(""), "its")), none, "no Ingress", ideaDelete)
	i := owned(service(""), "its")
	if err := client.Tracker().Add(i); err != nil {
		t.Fatal(err)
	}
	fails(client, "delete", errDown)
	err := w.remove(t.Context(), service(""), i)
	w.check(t, "remove, and the server does not answer", err, func(err error) bool { return errors.Is(err, errDown) }, "an Ingress of v1 Service web", ideaDelete)
}

func TestStep3Keep(t *testing.T) {
	w, client := faked()
	w.check(t, "an Ingress of this name is another Service's", w.keep(t.Context(), service(""), "a.example.com", owned(service(""), "another")), none, "no Ingress", ideaOwn, ReasonNameTaken)
	w.check(t, "there is none", w.keep(t.Context(), service(""), "a.example.com", nil), none, made, ideaRule)
	if _, version := names(t, client); version == "" {
		labtest.Unexpected(t, "the cache has none: the apply has no resourceVersion", "one that no object has", ideaUnseen)
	}
	current, err := w.API.Ingresses("shop").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	current.UID = "uid-of-the-ingress" // the fake gives none
	client.ClearActions()
	w.check(t, "it is as it should be", w.keep(t.Context(), service(""), "a.example.com", current), none, made, ideaSilent)
	for _, action := range client.Actions() {
		if action.GetVerb() != "get" {
			labtest.Unexpected(t, "it is as it should be, and you send: "+action.GetVerb(), "no request", ideaSilent)
		}
	}
	fails(client, "patch", errInvalid)
	w.check(t, "the server calls the host invalid", w.keep(t.Context(), service(""), "1.2.3.4", current), none, made, ideaInvalid, ReasonInvalid)
	fails(client, "patch", errConflict)
	w.check(t, "the server answers with a conflict", w.keep(t.Context(), service(""), "b.example.com", current), apierrors.IsConflict, made, ideaRetry)
	if uid, _ := names(t, client); uid != current.UID {
		labtest.Unexpected(t, fmt.Sprintf("the cache has ours, with another host: the apply has the UID %q", uid), fmt.Sprintf("the UID %q", current.UID), ideaSame)
	}
}

func TestStep4Reconcile(t *testing.T) {
	w, _ := faked()
	key := cache.NewObjectName("shop", "web")
	w.check(t, "the Service is gone", w.Reconcile(t.Context(), key), none, "no Ingress", ideaGone)
	going := service("a.example.com")
	going.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	w.hears(t, going)
	w.check(t, "the Service is about to go", w.Reconcile(t.Context(), key), none, "no Ingress", ideaGone)
	w.hears(t, service(""))
	w.check(t, "no annotation, and no Ingress", w.Reconcile(t.Context(), key), none, "no Ingress", ideaWanted)
	w.hears(t, service("a.example.com"))
	w.check(t, "an annotated Service", w.Reconcile(t.Context(), key), none, made, ideaRule)
	const foreign = "an Ingress of v1 Service web"
	empty := service("")
	empty.Annotations = map[string]string{Host: ""}
	for _, c := range []struct {
		when, owner string
		service     *corev1.Service
		want, idea  string
		reasons     []string
	}{
		{"a foreign Ingress", "another", service("a.example.com"), foreign, ideaOwn, []string{ReasonNameTaken}},
		{"a foreign Ingress, and no annotation", "another", service(""), foreign, ideaWanted, nil},
		{"our Ingress, and no annotation", "its", service(""), "no Ingress", ideaWanted, nil},
		{"our Ingress, and an annotation without a host", "its", empty, "no Ingress", ideaEmpty, nil},
	} {
		w, client := faked()
		i := owned(service(""), c.owner)
		if err := errors.Join(client.Tracker().Add(i), w.ingresses.Add(i)); err != nil {
			t.Fatal(err)
		}
		w.hears(t, c.service)
		w.check(t, c.when, w.Reconcile(t.Context(), key), none, c.want, c.idea, c.reasons...)
	}
}

// hears gives the cache a Service.
func (w *world) hears(t *testing.T, s *corev1.Service) {
	t.Helper()
	if err := w.services.Update(s); err != nil {
		t.Fatal(err)
	}
}

// On the real API server: invalid, made, unseen by the cache, changed, removed, and made anew by somebody else.
func TestStep4RealServer(t *testing.T) {
	config := labtest.Cluster(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(client, labtest.Namespace(t, client.CoreV1().RESTClient()))
	s := service("a.example.com")
	s.Namespace, s.UID = w.namespace, ""
	if s, err = client.CoreV1().Services(w.namespace).Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	reconcile := func(host string) error {
		s = s.DeepCopy()
		s.Annotations = map[string]string{Host: host}
		if host == "" {
			s.Annotations = nil
		}
		w.hears(t, s)
		return w.Reconcile(t.Context(), cache.NewObjectName(w.namespace, "web"))
	}
	ports := s.Spec.Ports
	s.Spec.Ports = nil
	w.check(t, "a Service without ports", reconcile("a.example.com"), none, "no Ingress", ideaPort, ReasonInvalid)
	s = s.DeepCopy()
	s.Spec.Ports = ports
	w.check(t, "an annotated Service", reconcile("a.example.com"), none, made, ideaRule)
	w.check(t, "the cache has not heard of the Ingress yet", reconcile("b.example.com"), apierrors.IsConflict, made, ideaUnseen)
	i, err := client.NetworkingV1().Ingresses(w.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ingresses.Add(i); err != nil {
		t.Fatal(err)
	}
	changed := "an Ingress of v1 Service web, b.example.com/ to web:8080"
	w.check(t, "another host", reconcile("b.example.com"), none, changed, ideaRule)
	w.check(t, "a host that is an address", reconcile("1.2.3.4"), none, changed, ideaInvalid, ReasonInvalid)
	w.check(t, "no annotation", reconcile(""), none, "no Ingress", ideaWanted)
	anew := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: i.Spec}
	if _, err := client.NetworkingV1().Ingresses(w.namespace).Create(t.Context(), anew, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	theirs := "an Ingress, a.example.com/ to web:8080"
	w.check(t, "somebody else has made one anew, and the cache still has ours", reconcile("c.example.com"), apierrors.IsConflict, theirs, ideaSame)
	conflictOrNone := func(err error) bool { return none(err) || apierrors.IsConflict(err) }
	w.check(t, "no annotation, and the cache still has ours", reconcile(""), conflictOrNone, theirs, ideaThisOne)
}
