package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

// script is a server that answers lists and watches with what is written for them, one after the other. When nothing
// is written for a watch any more, it brings nothing and stays open.
type script struct {
	lists    []corev1.ConfigMapList
	streams  []any    // the lines of a stream that then ends, or an *apierrors.StatusError
	requests []string // "list", "watch from 11"; one client asks for one thing at a time
	url      string   // of the last watch
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	tooMany := apierrors.NewBadRequest("you have sent 30 requests: will that ever end?")
	switch {
	case len(s.requests) >= 30:
		labtest.SendError(w, tooMany)
	case query.Get("watch") != "true":
		s.requests = append(s.requests, "list")
		if len(s.lists) == 0 {
			labtest.SendError(w, apierrors.NewBadRequest("this test needs no list here"))
			return
		}
		labtest.SendJSON(w, http.StatusOK, s.lists[0])
		s.lists = s.lists[1:]
	default:
		s.requests = append(s.requests, "watch from "+query.Get("resourceVersion"))
		s.url = r.URL.RequestURI()
		if len(s.streams) == 0 {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		stream := s.streams[0]
		s.streams = s.streams[1:]
		if refused, ok := stream.(*apierrors.StatusError); ok {
			labtest.SendError(w, refused)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, stream)
	}
}

func object(name, version string) corev1.ConfigMap {
	return corev1.ConfigMap{TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
}

func event(kind, name, version string) string { return line(kind, object(name, version)) }

func line(kind string, object any) string {
	data, err := json.Marshal(map[string]any{"type": kind, "object": object})
	if err != nil {
		panic(err)
	}
	return string(data) + "\n"
}

func expired() *apierrors.StatusError {
	err := apierrors.NewResourceExpired("too old resource version: 20 (30)")
	err.ErrStatus.Kind, err.ErrStatus.APIVersion = "Status", "v1"
	return err
}

func list(version string, names ...string) corev1.ConfigMapList {
	l := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"}, ListMeta: metav1.ListMeta{ResourceVersion: version}}
	for _, name := range names {
		l.Items = append(l.Items, object(name, version))
	}
	return l
}

const lifetime = 4 * time.Second // of a follower's context

const (
	ideaClosed = "a closed channel gives zero events, at once and for ever: range ends there, and so must every other loop"
	ideaEnds   = "Follow ends when its context does, and with every error that a new stream does not mend"
)

// endless says that a loop of an earlier test goes on in the background: the tests after it would tell nothing new.
var endless bool

// ends waits until f has come back, for a little longer than a follower's context lives.
func ends(t *testing.T, what, idea string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(lifetime + time.Second):
		endless = true
		labtest.Unexpected(t, what+" does not come back", "that it does", idea)
		return nil
	}
}

// follower tells its news to the returned list, and ends its context when there are as many as wanted.
func follower(t *testing.T, s *script, wanted int) (*Follower, *[]string, context.Context) {
	t.Helper()
	if endless {
		t.Fatal("not run: an earlier test does not come to an end")
	}
	ctx, cancel := context.WithTimeout(t.Context(), lifetime)
	t.Cleanup(cancel)
	news := new([]string)
	f := &Follower{Client: labtest.Serve(t, s), Namespace: "default", Version: "7"}
	f.Tell = func(n string) {
		*news = append(*news, n)
		if len(*news) == wanted {
			cancel()
		}
	}
	return f, news, ctx
}

func TestStep1Open(t *testing.T) {
	s := &script{streams: []any{event("ADDED", "a", "8")}, lists: []corev1.ConfigMapList{list("7")}}
	f, _, ctx := follower(t, s, 0)
	stream, err := f.Open(ctx)
	if err == nil {
		defer stream.Stop()
	}
	for _, want := range []struct{ param, idea string }{
		{"watch=true", "Request.Watch does not set watch=true: without it the answer is a list"},
		{"resourceVersion=7", "a watch from the list's resourceVersion brings everything that happened since: there is no gap"},
		{"allowWatchBookmarks=true", "without bookmarks a quiet stream's place grows old, until it is too old to go on from"},
		{"/api/v1/namespaces/default/configmaps", "without Namespace(...) a watch brings what happens to the ConfigMaps of every namespace"},
	} {
		if err != nil || !strings.Contains(s.url, want.param) {
			labtest.Unexpected(t, fmt.Sprintf("requests: %v, the watch: %q, error: %v", s.requests, s.url, err), "a watch with "+want.param, want.idea)
		}
	}
}

func TestStep2Read(t *testing.T) {
	s := &script{streams: []any{event("ADDED", "c", "8") + event("MODIFIED", "c", "9") + event("BOOKMARK", "", "15") + event("DELETED", "c", "16") + event("BOOKMARK", "", "20")}}
	f, news, ctx := follower(t, s, 0)
	stream, err := f.Open(ctx)
	if err == nil {
		err = ends(t, "the server has ended the stream, and Read", ideaClosed, func() error { return f.Read(ctx, stream) })
	}
	if ctx.Err() != nil {
		labtest.Unexpected(t, "Read came back when its context had ended", "that it does so when the stream has ended", ideaClosed)
	}
	got := fmt.Sprintf("%s; error: %v", strings.Join(*news, ", "), err)
	if want := "ADDED c, MODIFIED c, DELETED c; error: <nil>"; got != want {
		labtest.Unexpected(t, got, want, "each event is news, but a bookmark: an empty object with a resourceVersion. The end of a stream is a closed channel and no error")
	}
	if f.Version != "20" {
		labtest.Unexpected(t, "Version "+f.Version, "Version 20, from the last bookmark", `a bookmark says "you have seen everything up to here": go on from there`)
	}
}

func TestStep2Error(t *testing.T) {
	s := &script{streams: []any{event("ADDED", "c", "8") + line("ERROR", expired().ErrStatus)}}
	f, _, ctx := follower(t, s, 0)
	stream, err := f.Open(ctx)
	if err == nil {
		err = ends(t, "the server has ended the stream, and Read", ideaClosed, func() error { return f.Read(ctx, stream) })
	}
	if !apierrors.IsResourceExpired(err) {
		labtest.Unexpected(t, fmt.Sprintf("error: %v", err), "the 410 that the stream brought",
			"a 410 is inside the stream, in an event of type ERROR with a Status in it; apierrors.FromObject makes an error of it")
	}
	if f.Version != "8" {
		labtest.Unexpected(t, "Version "+f.Version, "Version 8", "an ERROR has no resourceVersion: the last one stays")
	}
}

func TestStep3Follow(t *testing.T) {
	s := &script{
		lists: []corev1.ConfigMapList{list("10", "a"), list("30", "b", "c"), list("40", "d")},
		streams: []any{
			event("ADDED", "b", "11"),
			event("BOOKMARK", "", "20"),
			line("ERROR", expired().ErrStatus),
			expired(), // the answer itself may be a 410, too
			event("MODIFIED", "d", "41"),
		},
	}
	want := []string{"LISTED a", "ADDED b", "LISTED b c", "LISTED d", "MODIFIED d"}
	f, news, ctx := follower(t, s, len(want))
	err := ends(t, "Follow", ideaEnds+". And "+ideaClosed, func() error { return f.Follow(ctx) })
	if got := strings.Join(*news, ", "); got != strings.Join(want, ", ") {
		labtest.Unexpected(t, fmt.Sprintf("%s; error: %v\n          after the requests: %s", got, err, strings.Join(s.requests, ", ")), strings.Join(want, ", "),
			"a stream that ends is no error: go on from the last resourceVersion. On a 410 that is too old: list again")
	}
	requests := "list, watch from 10, watch from 11, watch from 20, list, watch from 30, list, watch from 40"
	if got := strings.Join(s.requests, ", "); !strings.HasPrefix(got, requests) {
		labtest.Unexpected(t, got, requests, "go on from the last resourceVersion, and list again only after a 410: a list is the most expensive request there is")
	}
}

func TestStep3OtherErrors(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", nil)
	s := &script{lists: []corev1.ConfigMapList{list("10", "a"), list("20", "a")}, streams: []any{forbidden, forbidden, forbidden}}
	f, _, ctx := follower(t, s, 0)
	if err := ends(t, "the server refuses every watch with a 403, and Follow", ideaEnds, func() error { return f.Follow(ctx) }); !apierrors.IsForbidden(err) {
		labtest.Unexpected(t, fmt.Sprintf("error: %v, after the requests: %s", err, strings.Join(s.requests, ", ")), "the 403 that the server sent",
			"only a 410 is mended by listing again; return what a new stream does not mend")
	}
}

// The same on a real API server.
func TestStep3RealServer(t *testing.T) {
	client := labtest.CoreClient(t, labtest.Cluster(t))
	if endless {
		t.Fatal("not run: an earlier test does not come to an end")
	}
	namespace := labtest.Namespace(t, client)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var news []string
	f := &Follower{Client: client, Namespace: namespace}
	kettle := client.Post().Namespace(namespace).Resource("configmaps").Body(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kettle"}})
	next := map[string]func() error{
		"LISTED": func() error { return kettle.Do(ctx).Error() },
		"ADDED kettle": func() error {
			return client.Patch(types.MergePatchType).Namespace(namespace).Resource("configmaps").Name("kettle").Body([]byte(`{"data":{"water":"hot"}}`)).Do(ctx).Error()
		},
		"MODIFIED kettle": func() error {
			return client.Delete().Namespace(namespace).Resource("configmaps").Name("kettle").Do(ctx).Error()
		},
		"DELETED kettle": func() error { cancel(); return nil },
	}
	f.Tell = func(n string) {
		n = strings.TrimSuffix(n, " kube-root-ca.crt") // a controller puts this one into every namespace
		if n == "ADDED" || n == "MODIFIED" {
			return
		}
		news = append(news, n)
		if do := next[n]; do != nil {
			if err := do(); err != nil {
				t.Error(err)
			}
		}
	}
	err := f.Follow(ctx)
	if got, want := strings.Join(news, ", "), "LISTED, ADDED kettle, MODIFIED kettle, DELETED kettle"; got != want {
		labtest.Unexpected(t, fmt.Sprintf("%s; error: %v", got, err), want, "a real stream brings what your own requests have changed")
	}
}
