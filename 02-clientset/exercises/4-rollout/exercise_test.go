package rollout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

// deployment makes one that shall have 2 replicas; the numbers are those of its status, but the first.
func deployment(name string, generation, observed int64, replicas, updated, available int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Generation: generation},
		Spec:       appsv1.DeploymentSpec{Replicas: new(int32(2))},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: observed, Replicas: replicas, UpdatedReplicas: updated, AvailableReplicas: available},
	}
}

func describe(d *appsv1.Deployment) string {
	return fmt.Sprintf("a Deployment with generation %d, replicas: %d; status: observedGeneration %d, replicas %d, updatedReplicas %d, availableReplicas %d",
		d.Generation, *d.Spec.Replicas, d.Status.ObservedGeneration, d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas)
}

// The states of one rollout, in the order in which they come.
var (
	unseen    = deployment("web", 2, 1, 2, 2, 2) // the update is in the spec, and no controller has looked at it yet
	started   = deployment("web", 2, 2, 3, 1, 2) // one new pod, not ready; two old ones serve
	half      = deployment("web", 2, 2, 2, 1, 2) // one new pod and one old one, both serve
	oldLeft   = deployment("web", 2, 2, 3, 2, 2)
	notServed = deployment("web", 2, 2, 2, 2, 1) // only new pods, and one of them is not ready yet
	complete  = deployment("web", 2, 2, 2, 2, 2)
)

func TestStep1Complete(t *testing.T) {
	for _, c := range []struct {
		d    *appsv1.Deployment
		want bool
		idea string
	}{
		{unseen, false, "the status of the spec before looks complete: observedGeneration says of which generation the status speaks"},
		{started, false, "the available pods are the old ones: updatedReplicas counts those made from the new template"},
		{half, false, "as many pods as wanted, all available, and one of them is old: updatedReplicas counts those made from the new template"},
		{oldLeft, false, "status.replicas counts old pods and new ones: more of them than wanted means that old ones are left"},
		{notServed, false, "a pod that exists is not available yet: availableReplicas counts those that have been ready for minReadySeconds"},
		{complete, true, "observed, updated, no old ones left, available: that is all"},
	} {
		if got := Complete(c.d); got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("Complete says %v of %s", got, describe(c.d)), fmt.Sprint(c.want), c.idea)
		}
	}
}

func TestStep2Done(t *testing.T) {
	for _, c := range []struct {
		event watch.Event
		want  string
		idea  string
	}{
		{watch.Event{Type: watch.Added, Object: complete}, "true, <nil>", "ADDED means that you see it for the first time: it may be complete already"},
		{watch.Event{Type: watch.Modified, Object: complete}, "true, <nil>", "the object of an event is the object as it is now: ask Complete"},
		{watch.Event{Type: watch.Modified, Object: started}, "false, <nil>", "an event is no news of success: ask Complete"},
		{watch.Event{Type: watch.Deleted, Object: complete}, isGone, "the object of DELETED is the last state, and may look complete; but there is nothing to wait for any more"},
	} {
		if got := says(c.event); got != "says "+c.want {
			if c.want == isGone && strings.Contains(got, ErrGone.Error()) {
				c.idea = ideaWrapped
			}
			labtest.Unexpected(t, fmt.Sprintf("done %s of the event %s with %s", got, c.event.Type, describe(c.event.Object.(*appsv1.Deployment))), c.want, c.idea)
		}
	}
	gone := apierrors.NewResourceExpired("too old resource version").ErrStatus
	got := says(watch.Event{Type: watch.Error, Object: &gone})
	if !strings.HasPrefix(got, "says false, ") {
		labtest.Unexpected(t, fmt.Sprintf("done %s of the event ERROR with a *metav1.Status (%s)", got, gone.Message), "false",
			"the object of an event is a runtime.Object, and that of an ERROR is no Deployment: assert the type with ok")
	}
}

const isGone = "the error ErrGone"

// says is what done does with an event: it says something, or panics. Next to an error, the bool does not matter.
func says(event watch.Event) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("panics (%v) because", r)
		}
	}()
	ok, err := done(event)
	if errors.Is(err, ErrGone) {
		return "says " + isGone
	}
	return fmt.Sprintf("says %v, %v", ok, err)
}

// server knows two Deployments: "other", which is complete, and "web", which changes while somebody watches. In every
// stream happens what is written for it, and then the stream ends; when nothing is written any more, it stays open.
type server struct {
	sync.Mutex
	web      *appsv1.Deployment // nil: it is not there
	streams  [][]any            // *appsv1.Deployment: it becomes that; nil: it is deleted; expired: the stream brings a 410
	requests []string
	version  int
	history  []watchEvent
}

const (
	everything       = " of every Deployment"
	everyNamespace   = "/apis/apps/v1/deployments"
	otherField       = "by a field of no Deployment (400)"
	inEveryNamespace = everyNamespace + ", in no namespace (404)"
)

type watchEvent struct {
	version int
	Type    watch.EventType `json:"type"`
	Object  any             `json:"object"`
}

type expired struct{}

// change does what is written for a stream. After a 410 the events before it are gone.
func (s *server) change(to any) {
	s.version++
	switch to := to.(type) {
	case *appsv1.Deployment:
		kind := watch.Modified
		if s.web == nil {
			kind = watch.Added
		}
		s.web = to
		s.history = append(s.history, watchEvent{s.version, kind, s.object()})
	case nil:
		s.history = append(s.history, watchEvent{s.version, watch.Deleted, s.object()})
		s.web = nil
	case expired:
		gone := apierrors.NewResourceExpired("too old resource version")
		gone.ErrStatus.Kind, gone.ErrStatus.APIVersion = "Status", "v1"
		s.history = []watchEvent{{s.version, watch.Error, gone.ErrStatus}}
	}
}

func (s *server) object() *appsv1.Deployment {
	d := s.web.DeepCopy()
	d.ResourceVersion = strconv.Itoa(s.version)
	return d
}

func (s *server) chosen(r *http.Request) ([]appsv1.Deployment, bool) {
	selector, err := fields.ParseSelector(r.URL.Query().Get("fieldSelector"))
	if err != nil || slices.ContainsFunc(selector.Requirements(), func(r fields.Requirement) bool { return !strings.HasPrefix(r.Field, "metadata.name") }) {
		s.requests = append(s.requests, otherField)
		return nil, false
	}
	found := []appsv1.Deployment{*deployment("other", 1, 1, 2, 2, 2)}
	if s.web != nil {
		found = append(found, *s.object())
	}
	return slices.DeleteFunc(found, func(d appsv1.Deployment) bool {
		return !selector.Matches(fields.Set{"metadata.name": d.Name, "metadata.namespace": d.Namespace})
	}), true
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	defer s.Unlock()
	what := ""
	if r.URL.Query().Get("fieldSelector") == "" {
		what = everything
	}
	path, query := "/apis/apps/v1/namespaces/default/deployments", r.URL.Query()
	found, ok := s.chosen(r)
	switch {
	case len(s.requests) >= 50:
		labtest.SendError(w, apierrors.NewBadRequest("you have sent 50 requests: will that ever end?"))
	case !ok:
		labtest.SendError(w, apierrors.NewBadRequest("field label not supported"))
	case r.Method == http.MethodGet && r.URL.Path == path+"/web" && s.web != nil:
		s.requests = append(s.requests, "get")
		labtest.SendJSON(w, http.StatusOK, s.object())
	case r.Method != http.MethodGet || r.URL.Path != path:
		if strings.HasPrefix(r.URL.Path, everyNamespace) {
			s.requests = append(s.requests, inEveryNamespace)
		}
		labtest.SendError(w, apierrors.NewNotFound(appsv1.Resource("deployments"), strings.TrimPrefix(r.URL.Path, path+"/")))
	case query.Get("watch") == "true":
		s.requests = append(s.requests, "watch"+what)
		s.stream(w, r, found)
	default:
		s.requests = append(s.requests, "list"+what)
		list := appsv1.DeploymentList{TypeMeta: metav1.TypeMeta{Kind: "DeploymentList", APIVersion: "apps/v1"}, Items: found}
		list.ResourceVersion = strconv.Itoa(s.version)
		labtest.SendJSON(w, http.StatusOK, list)
	}
}

func (s *server) stream(w http.ResponseWriter, r *http.Request, found []appsv1.Deployment) {
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	var events []watchEvent
	if r.URL.Query().Get("sendInitialEvents") == "true" || from == 0 {
		for i := range found {
			events = append(events, watchEvent{s.version, watch.Added, &found[i]})
		}
		from = s.version
	}
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		end := deployment("", 0, 0, 0, 0, 0)
		end.ResourceVersion, end.Annotations = strconv.Itoa(s.version), map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		events = append(events, watchEvent{s.version, watch.Bookmark, end})
	}
	open := len(s.streams) == 0
	if !open {
		for _, to := range s.streams[0] {
			s.change(to)
		}
		s.streams = s.streams[1:]
	}
	for _, e := range s.history {
		if e.version > from {
			events = append(events, e)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	for _, e := range events {
		if err := json.NewEncoder(w).Encode(e); err != nil {
			return
		}
	}
	w.(http.Flusher).Flush()
	if open {
		s.Unlock()
		<-r.Context().Done()
		s.Lock()
	}
}

// long is enough for a Wait that ends by itself.
const long = 6 * time.Second

// endless says that a Wait of an earlier test goes on in the background: the tests after it would tell nothing new.
var endless bool

// waitOn waits on a fake server, for at most so long.
func waitOn(ctx context.Context, t *testing.T, s *server, limit time.Duration) error {
	t.Helper()
	if endless {
		t.Fatal("not run: an earlier Wait does not come to an end")
	}
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		srv.Listener.Close()         // an endless Wait comes again at once
		srv.CloseClientConnections() // Close alone waits for a stream that nobody has stopped
		srv.Close()
	})
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := client(t, &rest.Config{Host: srv.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	done := make(chan error, 1)
	go func() { done <- Wait(ctx, c, "default", "web") }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit + 2*time.Second):
		endless = true
		labtest.Unexpected(t, "Wait does not come back"+strings.TrimPrefix(s.seen(nil), "error: <nil>"), "that it does, at the latest when its context ends",
			"a loop must end when its context does, so pass ctx on to whatever waits; and a closed channel gives zero events, at once and for ever")
		return nil
	}
}

func client(t *testing.T, config *rest.Config) *appsv1client.AppsV1Client {
	config = rest.CopyConfig(config)
	config.QPS = -1
	c, err := appsv1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *server) seen(err error) string {
	s.Lock()
	defer s.Unlock()
	state := "there is no web"
	if s.web != nil {
		state = "now web is " + describe(s.web)
	}
	return fmt.Sprintf("error: %v, after the requests: %s; %s", err, cmp.Or(short(s.requests), "none"), state)
}

// short makes "list, get (50 times)" of so many requests.
func short(requests []string) string {
	var all []string
	for i := 0; i < len(requests); {
		n := 1
		for i+n < len(requests) && requests[i+n] == requests[i] {
			n++
		}
		if n == 1 {
			all = append(all, requests[i])
		} else {
			all = append(all, fmt.Sprintf("%s (%d times)", requests[i], n))
		}
		i += n
	}
	if more := len(all) - 12; more > 0 {
		all = append(all[:12], fmt.Sprintf("... %d more", more))
	}
	return strings.Join(all, ", ")
}

func TestStep3Complete(t *testing.T) {
	for _, c := range []struct {
		what string
		s    *server
		idea string
	}{
		{"at first", &server{version: 1, web: complete}, "what is complete at first never changes: a watch alone would wait for ever. List, then watch"},
		{"in one stream", &server{version: 1, web: unseen, streams: [][]any{{started, oldLeft, notServed, complete}}}, "every event shows the Deployment as it is then"},
		{"after streams that ended", &server{version: 1, web: unseen, streams: [][]any{{started}, {oldLeft}, {notServed, complete}}}, "a stream that ends says nothing about the rollout: watch again from where it ended"},
		{"after a 410", &server{version: 1, web: unseen, streams: [][]any{{started}, {complete, expired{}}}}, "after a 410 list again: that it became complete was in the events that the server has forgotten"},
	} {
		err := waitOn(t.Context(), t, c.s, long)
		c.s.Lock()
		now := c.s.web
		c.s.Unlock()
		if err != nil || now != complete {
			labtest.Unexpected(t, c.s.seen(err), "no error, when it is complete "+c.what, c.s.idea(c.idea))
		}
	}
}

// idea is the given one, unless the requests show a better one.
func (s *server) idea(idea string) string {
	s.Lock()
	defer s.Unlock()
	switch requests := strings.Join(s.requests, ", "); {
	case strings.Contains(requests, otherField):
		return "servers select Deployments by two fields: metadata.name and metadata.namespace"
	case strings.Contains(requests, inEveryNamespace):
		return "the caller says which namespace: pass it on, for the list and for the watch; an empty one is every namespace"
	case strings.Contains(requests, everything):
		return "the Deployment that is complete is another one: choose yours with the field selector metadata.name, for the list and for the watch"
	case len(s.requests) > 4 && !strings.Contains(requests, "watch"):
		return "watch, do not poll: the server tells you of every change, and nobody asks in vain. (This server changes only while you watch)"
	}
	return idea
}

const ideaWrapped = "that is the error's text, and no longer the error: wrap it with %w, so that errors.Is and wait.Interrupted find it; %v leaves only words"

func TestStep3Gone(t *testing.T) {
	for _, c := range []struct {
		what string
		s    *server
		idea string
	}{
		{"it was never there", &server{version: 1}, "an empty list and an open stream would let you wait for ever: ask whether it is there at all"},
		{"it is deleted", &server{version: 1, web: started, streams: [][]any{{oldLeft, nil}}}, "who waits for a deleted object waits for ever: DELETED is an event like the others"},
		{"it is deleted between two streams", &server{version: 1, web: started, streams: [][]any{{oldLeft}, {nil}}}, "who waits for a deleted object waits for ever"},
		{"it is deleted before a 410", &server{version: 1, web: started, streams: [][]any{{oldLeft}, {nil, expired{}}}}, "after a 410 the new list tells: what was there and is not any more, is deleted"},
	} {
		if err := waitOn(t.Context(), t, c.s, long); !errors.Is(err, ErrGone) {
			if err != nil && strings.Contains(err.Error(), ErrGone.Error()) {
				c.idea = ideaWrapped
			}
			labtest.Unexpected(t, c.s.seen(err), fmt.Sprintf("the error %q, because %s", ErrGone, c.what), c.s.idea(c.idea))
		}
	}
}

// Web becomes complete as soon as somebody watches, but the caller does not want to wait any more.
func TestStep3CallersContext(t *testing.T) {
	s := &server{version: 1, web: unseen, streams: [][]any{{complete}}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	checkInterrupted(t, s, waitOn(ctx, t, s, long), "before Wait was called",
		"pass ctx on: with context.Background() the caller cannot end the wait. A limit of your own belongs inside: context.WithTimeout(ctx, ...)")
}

func TestStep3Timeout(t *testing.T) {
	s := &server{version: 1, web: unseen, streams: [][]any{{started, oldLeft}}}
	checkInterrupted(t, s, waitOn(t.Context(), t, s, 300*time.Millisecond), "before web was complete",
		"a rollout may never be complete: the caller's ctx ends the wait, and that is no success")
}

func checkInterrupted(t *testing.T, s *server, err error, when, idea string) {
	t.Helper()
	if wait.Interrupted(err) {
		return
	}
	s.Lock()
	notComplete := s.web != complete
	s.Unlock()
	switch {
	case err == nil && notComplete:
		idea = "nil says that the rollout is complete, and it is not: return the error with which the wait has ended"
	case err != nil:
		idea = "return the error with which the wait has ended, or wrap it with %w: the caller wants to know that it was the end of ctx"
	}
	for _, is := range []error{context.Canceled, context.DeadlineExceeded, wait.ErrorInterrupted(nil)} {
		if err != nil && strings.Contains(err.Error(), is.Error()) {
			idea = ideaWrapped
		}
	}
	labtest.Unexpected(t, s.seen(err), "an error that wait.Interrupted knows, because ctx has ended "+when, s.idea(idea))
}

// The same on a real API server, with real controllers.
func TestStep3RealServer(t *testing.T) {
	config := labtest.Cluster(t)
	if endless {
		t.Fatal("not run: an earlier Wait does not come to an end")
	}
	namespace := labtest.Namespace(t, labtest.CoreClient(t, config))
	c := client(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	web := map[string]string{"app": "web"}
	_, err := c.Deployments(namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)),
			Selector: &metav1.LabelSelector{MatchLabels: web},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: web},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "client-go-lab/sample:2", ImagePullPolicy: corev1.PullIfNotPresent}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, about := range []string{"new", "updated"} { // the second time, the status looks complete at first
		err := Wait(ctx, c, namespace, "web")
		d, getErr := c.Deployments(namespace).Get(ctx, "web", metav1.GetOptions{})
		if getErr != nil {
			t.Fatal(getErr)
		}
		if s := d.Status; err != nil || s.ObservedGeneration != d.Generation || s.Replicas != 2 || s.UpdatedReplicas != 2 || s.AvailableReplicas != 2 {
			labtest.Unexpected(t, fmt.Sprintf("error: %v; %s", err, describe(d)), "no error, and a "+about+" Deployment whose rollout is complete",
				"a real rollout goes through the same states: observed, updated, old ones gone, available")
		}
		patch := []byte(`{"spec":{"template":{"metadata":{"annotations":{"lab":"two"}}}}}`)
		if _, err := c.Deployments(namespace).Patch(ctx, "web", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := Wait(ctx, c, namespace, "nobody"); !errors.Is(err, ErrGone) {
		labtest.Unexpected(t, fmt.Sprintf("error: %v", err), ErrGone.Error(), "ask whether it is there at all")
	}
}
