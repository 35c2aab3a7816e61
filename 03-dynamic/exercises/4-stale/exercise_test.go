package stale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/restmapper"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaReset = "a mapper remembers what the server had when it asked: on a no match, ResetWithContext makes it ask again"
	ideaOnce  = "once is enough: what is still not there after a reset is a typo, or will be there later; either way the caller must know now"
	ideaCost  = "a reset is expensive: the mapper asks the server for everything anew. What it knows, it need not ask for"
	ideaEvery = "what does not exist is asked for again and again: without a pause between resets, one typo keeps the server busy"
	ideaWhile = "a no is good for a while only: Every after the last reset, not after the last question, reset again, or what is installed " +
		"later is never found (and is it f.Now that you ask, not time.Now?)"
	ideaSecond = "after a reset the second answer counts, its mapping and its error"
)

var (
	pot    = schema.GroupKind{Kind: "Pot"}
	kettle = schema.GroupKind{Group: "tea.example.com", Kind: "Kettle"} // is installed later
	typo   = schema.GroupKind{Group: "tea.example.com", Kind: "Kettel"}
)

// server counts how often it is asked for everything. It has a clock of its own.
type server struct {
	*clienttesting.Fake
	asked int
	down  error
	now   time.Time
}

func start() (*server, *Finder) {
	s := &server{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Fake: &clienttesting.Fake{Resources: []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pots", Kind: "Pot"}}},
	}}}
	s.PrependReactor("get", "group", func(clienttesting.Action) (bool, runtime.Object, error) {
		if s.asked++; s.asked > 20 {
			return true, nil, errors.New("you have asked 20 times: will that ever end?")
		}
		return s.down != nil, nil, s.down
	})
	f := finder(&fakediscovery.FakeDiscovery{Fake: s.Fake})
	f.Now = func() time.Time { return s.now }
	return s, f
}

func finder(client discovery.DiscoveryInterfaceWithContext) *Finder {
	cached := memory.NewMemCacheClientWithContext(client)
	return &Finder{Mapper: restmapper.NewDeferredDiscoveryRESTMapperWithContext(cached), Every: time.Minute, Now: time.Now}
}

func (s *server) install() {
	s.Resources = append(s.Resources, &metav1.APIResourceList{GroupVersion: "tea.example.com/v1", APIResources: []metav1.APIResource{{Name: "kettles", Kind: "Kettle"}}})
}

// find is what Find says, as text.
func find(ctx context.Context, f *Finder, kind schema.GroupKind, versions ...string) string {
	mapping, err := f.Find(klog.NewContext(ctx, klog.Logger{}), kind, versions...) // the mapper logs what its error says
	switch {
	case meta.IsNoMatchError(err):
		return "no match"
	case err != nil:
		return "error: " + err.Error()
	case mapping == nil:
		return "nothing, and no error"
	}
	return mapping.Resource.Resource
}

func check(t *testing.T, s *server, what, got, want string, asked int, idea string) {
	t.Helper()
	switch {
	case strings.Contains(got, "no matches for kind"):
		idea = "the caller asks meta.IsNoMatchError: return the mapper's error, or wrap it with %w"
	case s.asked < asked && idea != ideaWhile:
		idea = whyNoReset(t)
	case s.asked == asked && got == "no match":
		idea = ideaSecond
	}
	if got != want || s.asked != asked {
		labtest.Unexpected(t, fmt.Sprintf("%s: %s; the server was asked %d times for everything", what, got, s.asked), fmt.Sprintf("%s, %d times", want, asked), idea)
	}
}

// whyNoReset is the idea for those who should have reset the mapper, and have not.
func whyNoReset(t *testing.T) string {
	if _, f := start(); !f.mayReset() {
		return "whoever has never reset the mapper may do it: f.last is zero then"
	}
	s, f := start()
	if find(t.Context(), f, typo); s.asked > 1 { // the first question is no problem
		return "mayReset notes a reset when it says yes: ask it only on a no match, or it notes resets that never come"
	}
	return ideaReset
}

func TestStep1Installed(t *testing.T) {
	s, f := start()
	check(t, s, "a kind that was always there", find(t.Context(), f, pot), "pots", 1, ideaCost)
	s.install()
	check(t, s, "a kind that was installed since", find(t.Context(), f, kettle), "kettles", 2, ideaReset)
	check(t, s, "the same kind again", find(t.Context(), f, kettle), "kettles", 2, ideaCost)
}

func TestStep1Unknown(t *testing.T) {
	s, f := start()
	check(t, s, "a kind that does not exist", find(t.Context(), f, typo), "no match", 2, ideaOnce)
}

func TestStep1NoAnswer(t *testing.T) {
	s, f := start()
	s.down = errors.New("connection refused")
	if got := find(t.Context(), f, pot); !strings.Contains(got, "connection refused") || s.asked != 1 {
		labtest.Unexpected(t, fmt.Sprintf("a server that does not answer: %s; it was asked %d times for everything", got, s.asked), "error: connection refused, once",
			"no answer is no no: a reset mends nothing here, and makes you forget what you know")
	}
	s.down = nil
	s.install()
	check(t, s, "a kind, when the server answers again", find(t.Context(), f, kettle), "kettles", 2, ideaReset)
	s.Resources = s.Resources[:1]
	check(t, s, "a typo then", find(t.Context(), f, typo), "no match", 3, ideaOnce)
	s, f = start()
	find(t.Context(), f, pot)
	s.down = errors.New("connection refused")
	if got := find(t.Context(), f, typo); !strings.Contains(got, "connection refused") {
		labtest.Unexpected(t, "a typo, when the server answers no more: "+got, "error: connection refused", ideaSecond)
	}
}

// recorder is a mapper that has nothing. It notes what is asked of it.
type recorder struct {
	meta.ResettableRESTMapperWithContext // for the methods that nobody calls
	calls                                []string
}

type callerKey struct{}

func whose(ctx context.Context) string {
	if ctx.Value(callerKey{}) == nil {
		return "with another context"
	}
	return "with the caller's context"
}

func (r *recorder) RESTMappingWithContext(ctx context.Context, kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	r.calls = append(r.calls, fmt.Sprintf("ask %s for versions %v", whose(ctx), versions))
	return nil, &meta.NoKindMatchError{GroupKind: kind, SearchedVersions: versions}
}

func (r *recorder) RESTMappingsWithContext(ctx context.Context, kind schema.GroupKind, versions ...string) ([]*meta.RESTMapping, error) {
	_, err := r.RESTMappingWithContext(ctx, kind, versions...)
	return nil, err
}

func (r *recorder) ResetWithContext(ctx context.Context) {
	r.calls = append(r.calls, "reset "+whose(ctx))
}

func TestStep1SameQuestion(t *testing.T) {
	r := &recorder{}
	f := &Finder{Mapper: r, Every: time.Minute, Now: time.Now}
	find(context.WithValue(t.Context(), callerKey{}, true), f, kettle, "v1", "v2")
	want := []string{
		"ask with the caller's context for versions [v1 v2]",
		"reset with the caller's context",
		"ask with the caller's context for versions [v1 v2]",
	}
	if got := strings.Join(r.calls, ", "); got != strings.Join(want, ", ") {
		idea := "the second question is the first one again, with the same versions: without them the mapper takes the version that it likes best"
		switch {
		case strings.Contains(got, "another context"):
			idea = "whoever calls may cancel, and then the questions end, too: hand ctx on each time"
		case len(r.calls) < len(want):
			idea = whyNoReset(t)
		}
		labtest.Unexpected(t, got, strings.Join(want, ", "), idea)
	}
}

func TestStep2Pause(t *testing.T) {
	s, f := start()
	reset := s.now.Add(time.Second)
	for range 10 {
		s.now = s.now.Add(time.Second)
		check(t, s, "a kind that does not exist, every second", find(t.Context(), f, typo), "no match", 2, ideaEvery)
	}
	check(t, s, "a kind that is there, meanwhile", find(t.Context(), f, pot), "pots", 2, ideaCost)
	s.install()
	s.now = reset.Add(65 * time.Second) // the last question without a reset is not so long ago
	check(t, s, "a kind that was installed since, 65 seconds after the last reset", find(t.Context(), f, kettle), "kettles", 3, ideaWhile)
	s.now = s.now.Add(30 * time.Second)
	check(t, s, "a kind that does not exist, half a minute after the last reset", find(t.Context(), f, typo), "no match", 3,
		"one pause for all kinds: a reset forgets all of them, whichever it was for")
}

// The same on a real API server, with a real definition.
func TestStep1RealServer(t *testing.T) {
	config := labtest.Cluster(t)
	core := labtest.CoreClient(t, config)
	owner := &corev1.Namespace{}
	if err := core.Get().Resource("namespaces").Name(labtest.Namespace(t, core)).Do(t.Context()).Into(owner); err != nil {
		t.Fatal(err)
	}
	group := owner.Name + ".example.com" // a name of this test alone
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	f := finder(client)
	if got := find(t.Context(), f, schema.GroupKind{Group: "apps", Kind: "Deployment"}); got != "deployments" {
		t.Fatal(got)
	}
	definition := map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "kettles." + group, // the garbage collector removes it when the namespace is gone
			"ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "Namespace", "name": owner.Name, "uid": owner.UID}}},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced",
			"names": map[string]any{"plural": "kettles", "singular": "kettle", "kind": "Kettle"},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}}}},
		},
	}
	body, err := json.Marshal(definition)
	if err != nil {
		t.Fatal(err)
	}
	if err := core.Post().AbsPath("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").Body(body).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	// It takes a moment until the server says that it has it. Another mapper looks, so that yours stays old.
	kind := schema.GroupKind{Group: group, Kind: "Kettle"}
	err = wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := finder(client).Mapper.RESTMappingWithContext(ctx, kind)
		return err == nil, nil
	})
	if err != nil {
		t.Fatal("the server does not serve the definition: ", err)
	}
	if got := find(t.Context(), f, kind); got != "kettles" {
		labtest.Unexpected(t, got, "kettles", whyNoReset(t))
	}
}
