package condition

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaGeneration = "every change of the spec raises metadata.generation. Who reads \"Ready\" must see which spec that is about: " +
		"observedGeneration says it, in the status and in the condition"
	ideaTime = "lastTransitionTime is when the condition's status changed last, and no change of reason, message or generation counts. " +
		"meta.SetStatusCondition keeps it, and sets it when you leave it zero"
	ideaOthers   = "conditions are a list of which each type has its own writer: change yours, and leave the others"
	ideaCache    = "the object in the cache is everybody's. meta.SetStatusCondition changes a condition in its place: give it a copy of the list (status := teapot.Status is none: both have the same array)"
	ideaNothing  = "what is the same needs no request. What differs is an event for everybody who watches, and for you: it brings you back here. Whoever writes a new time at each look never comes to rest"
	ideaHalf     = "with a status subresource, Update takes the spec and drops the status without an error; UpdateStatus takes the status only"
	ideaNil      = "nothing went wrong: return nil. fmt.Errorf makes an error of nil, too"
	ideaConflict = "what you read was old. Your caller tries again, quietly, if it can see that: with %w an error keeps what it is, with %v only its text"
)

// server keeps a Teapot as an API server does: in two halves, with versions. It counts.
type server struct {
	teapot          *Teapot
	updates, status int // requests
	refuse          error
}

// callers is the key of a value in every context that Report is called with.
type callers struct{}

func callersContext(t *testing.T) context.Context {
	return context.WithValue(t.Context(), callers{}, true)
}

func (s *server) write(ctx context.Context, sent *Teapot, change func()) (*Teapot, error) {
	teapots := schema.GroupResource{Group: "tea.example.com", Resource: "teapots"}
	switch {
	case ctx.Value(callers{}) == nil:
		return nil, errors.New("the context of this request is not from the caller, who cannot end it: hand ctx on")
	case s.updates+s.status > 20:
		return nil, errors.New("you have sent 20 requests: will that ever end?")
	case s.refuse != nil:
		return nil, s.refuse
	case sent.Name != s.teapot.Name:
		return nil, apierrors.NewNotFound(teapots, sent.Name)
	case sent.ResourceVersion != s.teapot.ResourceVersion:
		return nil, apierrors.NewConflict(teapots, sent.Name, errors.New("the object has been modified"))
	}
	change()
	s.teapot.ResourceVersion += "1"
	return s.teapot.DeepCopy(), nil
}

func (s *server) Update(ctx context.Context, sent *Teapot, _ metav1.UpdateOptions) (*Teapot, error) {
	s.updates++
	return s.write(ctx, sent, func() {
		status := s.teapot.Status
		s.teapot = sent.DeepCopy()
		s.teapot.Status = status
	})
}

func (s *server) UpdateStatus(ctx context.Context, sent *Teapot, _ metav1.UpdateOptions) (*Teapot, error) {
	s.status++
	return s.write(ctx, sent, func() { s.teapot.Status = sent.Status.DeepCopy() })
}

// newTeapot is one with the status of a second writer, and room for more conditions.
func newTeapot() *Teapot {
	conditions := make([]metav1.Condition, 0, 4)
	conditions = append(conditions, metav1.Condition{Type: "Clean", Status: metav1.ConditionTrue, Reason: "Washed", ObservedGeneration: 1, LastTransitionTime: metav1.Now()})
	return &Teapot{ObjectMeta: metav1.ObjectMeta{Name: "brown", Generation: 1, ResourceVersion: "1"}, Cups: 4, Status: Status{Conditions: conditions}}
}

// show is a status as text, with times as seconds since a start.
func show(s Status, start time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "observedGeneration %d", s.ObservedGeneration)
	for _, c := range s.Conditions {
		when := "no time"
		if !c.LastTransitionTime.IsZero() {
			when = fmt.Sprintf("since minute %.0f", c.LastTransitionTime.Sub(start).Minutes())
		}
		fmt.Fprintf(&b, "; %s=%s %s %q, observedGeneration %d, %s", c.Type, c.Status, c.Reason, c.Message, c.ObservedGeneration, when)
	}
	return b.String()
}

// bubble runs a test with a clock of its own, which jumps ahead when everybody waits.
func bubble(t *testing.T, test func(t *testing.T, start time.Time)) {
	synctest.Test(t, func(t *testing.T) { test(t, time.Now()) })
}

func TestStep1Condition(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		teapot := newTeapot()
		check := func(what string, cups int, want Status, idea func(got Status) string) {
			t.Helper()
			before := teapot.DeepCopy()
			got := statusOf(teapot, cups)
			if !equality.Semantic.DeepEqual(before, teapot) {
				labtest.Unexpected(t, what+": the Teapot of the cache became: "+show(teapot.Status, start), "it stays: "+show(before.Status, start), ideaCache)
			}
			if got := got.DeepCopy(); !equality.Semantic.DeepEqual(sorted(got), sorted(want)) {
				labtest.Unexpected(t, what+": "+show(got, start), show(want, start), idea(got))
			}
			teapot.Status = got
		}
		clean := teapot.Status.Conditions[0]
		ready := func(status metav1.ConditionStatus, reason, message string, generation int64, minute int) Status {
			return Status{ObservedGeneration: generation, Conditions: []metav1.Condition{clean, {Type: Ready, Status: status, Reason: reason, Message: message,
				ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(start.Add(time.Duration(minute) * time.Minute))}}}
		}

		check("at first", 0, ready(metav1.ConditionFalse, "Brewing", "0 of 4 cups", 1, 0), ideaOf(clean, 1))
		time.Sleep(time.Minute) // of the bubble: it takes no time
		check("a minute later, 2 cups are in it", 2, ready(metav1.ConditionFalse, "Brewing", "2 of 4 cups", 1, 0), ideaOf(clean, 1))
		time.Sleep(time.Minute)
		check("2 minutes later, 4 cups are in it", 4, ready(metav1.ConditionTrue, "Brewed", "4 of 4 cups", 1, 2), ideaOf(clean, 1))
		time.Sleep(time.Minute)
		teapot.Cups, teapot.Generation = 3, 2
		check("3 minutes later, the user wants 3 cups: generation 2", 4, ready(metav1.ConditionTrue, "Brewed", "4 of 3 cups", 2, 2), ideaOf(clean, 2))
		time.Sleep(time.Minute)
		teapot.Cups, teapot.Generation = 6, 3
		check("4 minutes later, the user wants 6 cups: generation 3", 4, ready(metav1.ConditionFalse, "Brewing", "4 of 6 cups", 3, 4), ideaOf(clean, 3))
	})
}

// ideaOf chooses what to explain.
func ideaOf(clean metav1.Condition, generation int64) func(Status) string {
	return func(got Status) string {
		ready := meta.FindStatusCondition(got.Conditions, Ready)
		switch {
		case !slices.Contains(got.Conditions, clean) || len(got.Conditions) != 2 || ready == nil:
			return ideaOthers
		case got.ObservedGeneration != generation || ready.ObservedGeneration != generation:
			return ideaGeneration
		}
		return ideaTime
	}
}

// sorted is a status whose conditions are in an order: it says nothing.
func sorted(s Status) Status {
	slices.SortFunc(s.Conditions, func(a, b metav1.Condition) int { return strings.Compare(a.Type, b.Type) })
	return s
}

func TestStep2Report(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		s := &server{teapot: newTeapot()}
		requests := func() string { return fmt.Sprintf("%d UpdateStatus, %d Update", s.status, s.updates) }
		report := func(what string, cups, wanted int, idea string) {
			t.Helper()
			cached := s.teapot.DeepCopy()
			before := cached.DeepCopy()
			err := Report(callersContext(t), s, cached, cups)
			if s.updates > 0 {
				labtest.Unexpected(t, what+": "+requests()+"; on the server is: "+show(s.teapot.Status, start), "UpdateStatus, and no Update", ideaHalf)
			}
			if err != nil && strings.Contains(err.Error(), "<nil>") {
				idea = ideaNil
			}
			if err != nil || s.status != wanted {
				labtest.Unexpected(t, fmt.Sprintf("%s: %s so far, error: %v", what, requests(), err), fmt.Sprintf("%d UpdateStatus so far, and no error", wanted), idea)
			}
			if !equality.Semantic.DeepEqual(before, cached) {
				labtest.Unexpected(t, what+": the Teapot of the cache became: "+show(cached.Status, start), "it stays: "+show(before.Status, start),
					"the object in the cache is everybody's: write into a DeepCopy of it")
			}
			if want := statusOf(cached, cups); !equality.Semantic.DeepEqual(sorted(s.teapot.Status.DeepCopy()), sorted(want)) {
				labtest.Unexpected(t, what+": on the server is: "+show(s.teapot.Status, start), show(want, start), ideaHalf)
			}
		}
		report("at first", 2, 1, "the status is not on the server yet: write it, once")
		time.Sleep(time.Minute)
		report("the same again, a minute later", 2, 1, ideaNothing)
		report("2 cups more", 4, 2, "the status has changed: write it, once")
		s.teapot.Generation = 2
		report("a new generation, and the same number of cups", 4, 3, "that you have seen the new spec is news, too")
		report("the same again", 4, 3, ideaNothing)
	})
}

func TestStep2Conflict(t *testing.T) {
	s := &server{teapot: newTeapot()}
	cached := s.teapot.DeepCopy()
	s.teapot.ResourceVersion = "11" // somebody has written since
	if err := Report(callersContext(t), s, cached, 2); !apierrors.IsConflict(err) || s.status != 1 {
		labtest.Unexpected(t, fmt.Sprintf("the Teapot in the cache is old: after %d UpdateStatus and %d Update, the error is: %v", s.status, s.updates, err),
			"one UpdateStatus, and an error for which apierrors.IsConflict is true", ideaConflict)
	}
}
