package pages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

// library is a server with ConfigMaps. It makes a page of what the page before said comes next.
type library struct {
	pages    [][]string             // what a list with a limit gets, page by page
	full     []string               // what a list without a limit gets
	refusal  *apierrors.StatusError // what the second request gets; nil: its page
	later    [][]string             // the pages after the refusal; every token for them has expired when it is used
	requests []string
}

// enough requests for every list here; who sends more is in an endless loop.
const enough = 20

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit, token := query.Get("limit"), query.Get("continue")
	if limit == "0" {
		limit = ""
	}
	l.requests = append(l.requests, "limit="+limit+" continue="+token)
	switch n := len(l.requests); {
	case n > enough:
		labtest.SendError(w, apierrors.NewBadRequest(fmt.Sprintf("you have sent %d requests: will that ever end?", n)))
		return
	case l.refusal != nil && n == 2:
		labtest.SendError(w, l.refusal)
		l.pages = l.later
		return
	case l.refusal != nil && n > 2 && token != "":
		labtest.SendError(w, expired())
		return
	}
	list := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"}}
	names := l.full
	if limit != "" || token != "" {
		at := 0
		if token != "" {
			var err error
			if at, err = strconv.Atoi(strings.TrimPrefix(token, "page-")); err != nil || at >= len(l.pages) {
				labtest.SendError(w, apierrors.NewBadRequest("continue key is not valid: "+token))
				return
			}
		}
		names = l.pages[at]
		if at+1 < len(l.pages) {
			list.Continue = fmt.Sprintf("page-%d", at+1)
		}
	}
	for _, name := range names {
		list.Items = append(list.Items, corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	labtest.SendJSON(w, http.StatusOK, list)
}

func expired() *apierrors.StatusError {
	return apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result.")
}

func forbidden() *apierrors.StatusError {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", errors.New("no rule allows it any more"))
}

// refusing is a library that refuses the second request. Meanwhile b was deleted and f created.
func refusing(err *apierrors.StatusError) *library {
	return &library{
		pages:   [][]string{{"a", "b"}, {"c", "d"}, {"e"}},
		full:    []string{"a", "c", "d", "e", "f"},
		refusal: err,
		later:   [][]string{{"a", "c"}, {"d", "e"}, {"f"}},
	}
}

// outcome says what Names returned, and after which requests: the same request is there once, with a count.
func (l *library) outcome(got []string, err error) string {
	text := "names: " + cmp.Or(strings.Join(got, " "), "none")
	if err != nil {
		text += fmt.Sprintf("; error: %v", err)
	}
	count := map[string]int{}
	var requests []string
	for _, request := range l.requests {
		if count[request]++; count[request] == 1 {
			requests = append(requests, request)
		}
	}
	for i, request := range requests {
		if count[request] > 1 {
			requests[i] += fmt.Sprintf(" (%d times)", count[request])
		}
	}
	if len(requests) > 0 {
		text += "\n          after the requests: " + strings.Join(requests, ", ")
	}
	return text
}

func check(t *testing.T, l *library, got []string, err error, want, idea string) {
	t.Helper()
	if err != nil || strings.Join(got, " ") != want {
		labtest.Unexpected(t, l.outcome(got, err), "names: "+want, idea)
	}
}

func TestStep1EveryPage(t *testing.T) {
	l := &library{pages: [][]string{{"a", "b"}, {"c", "d"}, {"e"}}, full: []string{"all", "in", "one"}}
	got, err := Names(t.Context(), labtest.Serve(t, l), "default", 2)
	idea := "limit asks for a page, and metadata.continue of the answer is the token for the next one"
	if len(l.requests) > enough {
		idea = "your loop does not end: hand the last page's token on to the next request, and stop when there is none"
	}
	check(t, l, got, err, "a b c d e", idea)
}

func TestStep1ShortPages(t *testing.T) {
	l := &library{pages: [][]string{{"a"}, {}, {"b", "c"}}, full: []string{"all", "in", "one"}}
	got, err := Names(t.Context(), labtest.Serve(t, l), "default", 2)
	check(t, l, got, err, "a b c", "only an empty token ends a list: a page may be shorter than the limit, even empty, and not be the last")
}

func TestStep1FullPages(t *testing.T) {
	l := &library{pages: [][]string{{"a", "b"}, {"c", "d"}}, full: []string{"all", "in", "one"}}
	got, err := Names(t.Context(), labtest.Serve(t, l), "default", 2)
	check(t, l, got, err, "a b c d", "an empty token ends a list, also after a full page: with it you would begin again, for ever")
}

func TestStep1Error(t *testing.T) {
	l := refusing(forbidden())
	got, err := Names(t.Context(), labtest.Serve(t, l), "default", 2)
	if len(l.requests) <= 2 && (err == nil || len(got) > 0) { // whoever asks again is told in step 2
		labtest.Unexpected(t, l.outcome(got, err), "no names, and the error of the second page", "a part of a list is no list: with an error return no names")
	}
}

func TestStep2Expired(t *testing.T) {
	l := refusing(expired())
	got, err := Names(t.Context(), labtest.Serve(t, l), "default", 2)
	idea := "a token lives for minutes only, and then the server says 410: list again from the start. apierrors.IsResourceExpired knows this 410; IsGone does not, and an error wrapped with %v is only text"
	switch last := l.requests[len(l.requests)-1]; {
	case slices.Contains(got, "b"):
		idea = "what you got before the 410 is from an older revision: begin again with nothing, or the list shows what is gone, or shows it twice"
	case len(l.requests) > 2 && !strings.HasPrefix(last, "limit= "):
		idea = "list again in one request, without a limit: the next token could expire, too. client-go's pager.List ends a list like this"
	case len(l.requests) > 2 && last != "limit= continue=":
		idea = "list again from the start: without the token, which has expired"
	}
	check(t, l, got, err, "a c d e f", idea)

	l = refusing(forbidden())
	got, err = Names(t.Context(), labtest.Serve(t, l), "default", 2)
	if !apierrors.IsForbidden(err) || len(l.requests) != 2 {
		labtest.Unexpected(t, l.outcome(got, err), "the 403 that the second page was refused with, and no third request",
			"only a 410 is mended by listing again: return every other error")
	}
}

// slow is a library that lets the caller give up during a request, and answers whoever goes on waiting.
type slow struct {
	*library
	at     int // the number of that request
	giveUp context.CancelFunc
}

func (s slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(s.requests) == s.at-1 {
		s.giveUp()
		select {
		case <-r.Context().Done():
		case <-time.After(time.Second):
		}
	}
	s.library.ServeHTTP(w, r)
}

// checkContext sees to it that the caller's context ends a request.
func checkContext(t *testing.T, l *library, at int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, err := Names(ctx, labtest.Serve(t, slow{l, at, cancel}), "default", 2)
	if !errors.Is(err, context.Canceled) {
		labtest.Unexpected(t, l.outcome(got, err), fmt.Sprintf("ctx has ended during request %d: no names, and the error %v", at, context.Canceled),
			"hand ctx to every request: with a context of your own the caller cannot end it")
	}
}

func TestStep1Context(t *testing.T) {
	checkContext(t, &library{pages: [][]string{{"a", "b"}, {"c", "d"}, {"e"}}}, 2)
}

func TestStep2Context(t *testing.T) { checkContext(t, refusing(expired()), 3) }

// The same on a real API server, which makes real tokens.
func TestStep1RealServer(t *testing.T) {
	client := labtest.CoreClient(t, labtest.Cluster(t))
	namespace := labtest.Namespace(t, client)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.Post().Namespace(namespace).Resource("configmaps").Body(configMap).Do(t.Context()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Names(t.Context(), client, namespace, 2)
	got = slices.DeleteFunc(got, func(name string) bool { return name == "kube-root-ca.crt" }) // a controller puts one into every namespace
	check(t, &library{}, got, err, "a b c d e", "the real server's tokens are longer, and work the same")
}
