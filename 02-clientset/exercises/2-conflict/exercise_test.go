package counter

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

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaVersion = "an Update that carries the resourceVersion of what you read says: only if this is still the latest. Without one it overwrites whatever is there"
	ideaRetry   = "a conflict says that what you read is old: RetryOnConflict calls you again, and you read again, inside of it"
	ideaWrapped = "that is the conflict's text, and no longer the conflict: wrap it with %w; with %v only words are left, and neither RetryOnConflict nor your caller knows it"
	ideaIgnored = "the server has refused the write, and its error is ignored: nothing was counted. Return it"
	ideaResult  = "the write is right, the result is lost: does := in the function make a second variable?"
	ideaAfter   = "the number that you wrote is the result: a Get after it may show what others have written since"
	ideaContext = "pass ctx on to every request: with a context of your own the caller cannot end it"
)

// server keeps one ConfigMap, "steps", as an API server does: with a resourceVersion that every write changes, and that
// a write must carry, if it carries one. (The fake clientset accepts every write: it never sets a resourceVersion.)
type server struct {
	sync.Mutex
	count, version int
	rival          int              // so many times does somebody else add one, each time right after the ConfigMap was read
	after          bool             // somebody else adds one after each write
	refuse         error            // instead of an answer to a write
	refused        bool             // the last write was refused
	requests       []string         // "GET (version 1)", "PUT (version 1)": with the resourceVersion that was sent or received
	written        corev1.ConfigMap // the last one that was written
	otherContexts  []string         // the methods of the requests that were not sent with the caller's ctx
}

func (s *server) configMap() *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: "steps", Namespace: "default", ResourceVersion: strconv.Itoa(s.version), Labels: map[string]string{"keep": "me"}},
		Data:       map[string]string{"count": strconv.Itoa(s.count), "unit": "km"},
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	defer s.Unlock()
	configMaps := schema.GroupResource{Resource: "configmaps"}
	switch {
	case len(s.requests) >= 100:
		labtest.SendError(w, apierrors.NewBadRequest("you have sent 100 requests: will that ever end?"))
	case r.URL.Path != "/api/v1/namespaces/default/configmaps/steps":
		labtest.SendError(w, apierrors.NewNotFound(configMaps, r.URL.Path))
	case r.Method == http.MethodGet:
		s.requests = append(s.requests, fmt.Sprintf("GET (version %d)", s.version))
		answer := s.configMap()
		if s.rival > 0 {
			s.rival, s.count, s.version = s.rival-1, s.count+1, s.version+1
		}
		labtest.SendJSON(w, http.StatusOK, answer)
	case r.Method == http.MethodPut:
		var sent corev1.ConfigMap
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			labtest.SendError(w, apierrors.NewBadRequest(err.Error()))
			return
		}
		s.requests = append(s.requests, fmt.Sprintf("PUT (version %s)", cmp.Or(sent.ResourceVersion, "none")))
		s.refused = true
		var refused *apierrors.StatusError
		switch {
		case errors.As(s.refuse, &refused):
			labtest.SendError(w, refused)
			return
		case sent.ResourceVersion != "" && sent.ResourceVersion != strconv.Itoa(s.version):
			labtest.SendError(w, apierrors.NewConflict(configMaps, sent.Name, errors.New("the object has been modified; please apply your changes to the latest version and try again")))
			return
		}
		count, err := strconv.Atoi(sent.Data["count"])
		if err != nil {
			labtest.SendError(w, apierrors.NewBadRequest("data.count is no number"))
			return
		}
		s.refused, s.written = false, sent
		s.count, s.version = count, s.version+1
		answer := s.configMap()
		if s.after {
			s.count, s.version = s.count+1, s.version+1
		}
		labtest.SendJSON(w, http.StatusOK, answer)
	default:
		labtest.SendError(w, apierrors.NewMethodNotSupported(configMaps, r.Method+" (this exercise is about Get and Update)"))
	}
}

// callers is the key of a value in the caller's ctx. A request that was sent with this ctx, or one made from it, has it.
type callers struct{}

// start returns the caller's ctx, too.
func start(t *testing.T, s *server) (context.Context, corev1client.ConfigMapInterface) {
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	config := &rest.Config{Host: srv.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Context().Value(callers{}) == nil {
				s.Lock()
				s.otherContexts = append(s.otherContexts, r.Method)
				s.Unlock()
			}
			return next.RoundTrip(r)
		})
	})
	return context.WithValue(t.Context(), callers{}, true), client(t, config, "default")
}

func client(t *testing.T, config *rest.Config, namespace string) corev1client.ConfigMapInterface {
	config = rest.CopyConfig(config)
	config.QPS = -1
	c, err := corev1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c.ConfigMaps(namespace)
}

// seen is what happened, in a line.
func (s *server) seen(got int, err error) string {
	requests := strings.Join(s.requests[:min(len(s.requests), 6)], ", ")
	if more := len(s.requests) - 6; more > 0 {
		requests += fmt.Sprintf(", ... %d more", more)
	}
	seen := fmt.Sprintf("result %d, the server has %d, after the requests: %s", got, s.count, requests)
	if err != nil {
		seen = fmt.Sprintf("error: %v; %s", err, seen)
	}
	return seen
}

func (s *server) checkContexts(t *testing.T) {
	t.Helper()
	if len(s.otherContexts) > 0 {
		labtest.Unexpected(t, "not sent with the ctx of the caller: "+strings.Join(s.otherContexts, ", "), "every request is", ideaContext)
	}
}

func TestStep1Alone(t *testing.T) {
	s := &server{count: 5, version: 1}
	ctx, c := start(t, s)
	got, err := tryOnce(ctx, c, "steps")
	if err != nil || got != 6 || s.count != 6 {
		idea := "the typed client changes nothing by itself: what you change in the object in your hands, you must send"
		if err == nil && s.count == 6 {
			idea = "the write is right; the result is the new number"
		}
		labtest.Unexpected(t, s.seen(got, err), "result 6, the server has 6", idea)
	}
	written, want := fmt.Sprintf("labels: %v, data: %v", s.written.Labels, s.written.Data), "labels: map[keep:me], data: map[count:6 unit:km]"
	if written != want {
		labtest.Unexpected(t, "written with "+written, want, "an Update replaces the whole object: send back what you read, with your change in it")
	}
	s.checkContexts(t)
}

func TestStep1Rival(t *testing.T) {
	s := &server{count: 5, version: 1, rival: 1}
	ctx, c := start(t, s)
	got, err := tryOnce(ctx, c, "steps")
	if !apierrors.IsConflict(err) || s.count != 6 {
		labtest.Unexpected(t, s.seen(got, err), "the conflict that the server answers; it has 6, from the other writer", s.idea(err, ideaVersion))
	}
}

func TestStep1RivalAfter(t *testing.T) {
	s := &server{count: 5, version: 1, after: true}
	ctx, c := start(t, s)
	got, err := tryOnce(ctx, c, "steps")
	if err != nil || got != 6 || s.count != 7 {
		labtest.Unexpected(t, s.seen(got, err), "result 6, what was written; the server has 7, as the other writer has counted since", ideaAfter)
	}
}

// idea is the given one, unless there is a better one for what happened.
func (s *server) idea(err error, idea string) string {
	switch gets, puts := count(s.requests, "GET"), count(s.requests, "PUT"); {
	case textOnly(err):
		return ideaWrapped
	case slices.Contains(s.requests, "PUT (version none)"):
		return ideaVersion
	case err == nil && s.refused:
		return ideaIgnored
	case puts > 1 && gets == 1:
		return "you read once and wrote again and again: the same old resourceVersion conflicts for ever. Read inside of RetryOnConflict"
	case apierrors.IsConflict(err) && puts > 1 && puts < 4:
		return fmt.Sprintf("%d tries are too few: somebody else may be faster several times. DefaultRetry tries five times", puts)
	}
	return idea
}

// textOnly says whether err talks about a conflict, and is none.
func textOnly(err error) bool {
	return err != nil && !apierrors.IsConflict(err) && strings.Contains(err.Error(), "has been modified")
}

func TestStep2Rival(t *testing.T) {
	s := &server{count: 5, version: 1, rival: 3}
	ctx, c := start(t, s)
	got, err := Add(ctx, c, "steps")
	if err != nil || got != 9 || s.count != 9 {
		idea := s.idea(err, ideaRetry)
		if err == nil && s.count == 9 {
			idea = ideaResult
		}
		labtest.Unexpected(t, s.seen(got, err), "result 9, the server has 9: 5, three from the other writer, and yours", idea)
	}
	s.checkContexts(t)
}

func TestStep2RivalAfter(t *testing.T) {
	s := &server{count: 5, version: 1, rival: 1, after: true}
	ctx, c := start(t, s)
	got, err := Add(ctx, c, "steps")
	if err != nil || got != 7 || s.count != 8 {
		labtest.Unexpected(t, s.seen(got, err), "result 7, what was written; the server has 8, as the other writer has counted since", s.idea(err, ideaAfter))
	}
}

func TestStep2GivesUp(t *testing.T) {
	s := &server{count: 5, version: 1, rival: 1000}
	ctx, c := start(t, s)
	got, err := Add(ctx, c, "steps")
	if puts := count(s.requests, "PUT"); !apierrors.IsConflict(err) || puts < 2 || puts > 20 {
		idea := "whoever retries for ever hides that something is wrong: DefaultRetry tries five times, and its caller learns of the conflict"
		if puts >= 2 && puts <= 20 {
			idea = "so many tries are fine, and the conflict is lost: return it, as it is or wrapped with %w, so that the caller knows what was in the way"
		}
		labtest.Unexpected(t, s.seen(got, err), "a few tries, and then the conflict as the error", s.idea(err, idea))
	}
}

func TestStep2OtherErrors(t *testing.T) {
	s := &server{count: 5, version: 1, rival: 1}
	ctx, c := start(t, s)
	if got, err := Add(ctx, c, "steps"); err != nil || got != 7 {
		labtest.Unexpected(t, s.seen(got, err), "result 7: 5, one from the other writer, and yours", s.idea(err, ideaRetry))
	}
	s.requests, s.refuse = nil, apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "steps", errors.New("no rule allows it"))
	if got, err := Add(ctx, c, "steps"); !apierrors.IsForbidden(err) || count(s.requests, "PUT") != 1 {
		labtest.Unexpected(t, s.seen(got, err), "one write, and its error: forbidden", "only a conflict is mended by reading again: return every other error at once")
	}
}

func count(requests []string, method string) (n int) {
	for _, r := range requests {
		if strings.HasPrefix(r, method) {
			n++
		}
	}
	return n
}

// The same on a real API server. The other writer writes there, too, whenever you have read.
func TestStep2RealServer(t *testing.T) {
	config := labtest.Cluster(t)
	namespace := labtest.Namespace(t, labtest.CoreClient(t, config))
	other := client(t, config, namespace)
	if _, err := other.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "steps"}, Data: map[string]string{"count": "5"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	yours := rest.CopyConfig(config)
	rivals := 3
	yours.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err == nil && r.Method == http.MethodGet && rivals > 0 {
				rivals--
				if _, err := tryOnce(t.Context(), other, "steps"); err != nil {
					return nil, fmt.Errorf("the other writer: %w", err)
				}
			}
			return response, err
		})
	})
	got, err := Add(t.Context(), client(t, yours, namespace), "steps")
	left, getErr := other.Get(t.Context(), "steps", metav1.GetOptions{})
	if getErr != nil {
		t.Fatal(getErr)
	}
	if err != nil || got != 9 || left.Data["count"] != "9" {
		idea := ideaRetry
		if err == nil && left.Data["count"] == "9" {
			idea = ideaResult
		}
		labtest.Unexpected(t, fmt.Sprintf("result %d, error: %v, the server has %s", got, err, left.Data["count"]), "result 9, the server has 9", idea)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
