package pages

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

// library is a server with ConfigMaps. It makes a page of what the page before said comes next.
type library struct {
	pages    [][]string // what a list with a limit gets, page by page
	full     []string   // what a list without a limit gets
	expire   int        // the request, from 1, whose token has expired; 0: none
	requests []string
}

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	l.requests = append(l.requests, "limit="+query.Get("limit")+" continue="+query.Get("continue"))
	list := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"}}
	names := l.full
	at := 0
	if query.Get("limit") != "" && query.Get("limit") != "0" || query.Has("continue") {
		if token := query.Get("continue"); token != "" {
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
	switch n := len(l.requests); {
	case n == l.expire:
		labtest.SendError(w, apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result."))
		return
	case n > 20:
		labtest.SendError(w, apierrors.NewBadRequest("you have sent 20 requests: will that ever end?"))
		return
	}
	for _, name := range names {
		list.Items = append(list.Items, corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	labtest.SendJSON(w, http.StatusOK, list)
}

func check(t *testing.T, l *library, got []string, err error, want, idea string) {
	t.Helper()
	seen := strings.Join(got, " ")
	if err != nil {
		seen = fmt.Sprintf("names: %q, error: %v", seen, err)
	}
	if err != nil || seen != want {
		labtest.Unexpected(t, seen+"\n          after the requests: "+strings.Join(l.requests, ", "), want, idea)
	}
}

func TestStep1EveryPage(t *testing.T) {
	l := &library{pages: [][]string{{"a", "b"}, {"c", "d"}, {"e"}}, full: []string{"all", "in", "one"}}
	got, err := Names(t.Context(), labtest.Serve(t, l), "default", 2)
	check(t, l, got, err, "a b c d e", "limit asks for a page, and metadata.continue of the answer is the token for the next one")
}

func TestStep1ShortPages(t *testing.T) {
	l := &library{pages: [][]string{{"a"}, {}, {"b", "c"}}, full: []string{"all", "in", "one"}}
	got, err := Names(t.Context(), labtest.Serve(t, l), "default", 2)
	check(t, l, got, err, "a b c", "only an empty token ends a list: a page may be shorter than the limit, even empty, and not be the last")
}

func TestStep2Expired(t *testing.T) {
	// While the token grew old, b was deleted and f created.
	l := &library{pages: [][]string{{"a", "b"}, {"c", "d"}, {"e"}}, full: []string{"a", "c", "d", "e", "f"}, expire: 2}
	got, err := Names(t.Context(), labtest.Serve(t, l), "default", 2)
	idea := "a token lives for minutes only, and then the server says 410: list again from the start"
	if slices.Contains(got, "b") {
		idea = "what you got before the 410 is from an older revision: begin again with nothing, or the list shows what is gone, or shows it twice"
	}
	check(t, l, got, err, "a c d e f", idea)
	if last := l.requests[len(l.requests)-1]; last != "limit= continue=" {
		labtest.Unexpected(t, "the last request was: "+last, "a request without limit and continue", "what comes in one answer cannot expire in the middle: that is how client-go's pager ends a list, too")
	}
}

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
