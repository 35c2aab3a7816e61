package giveup

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaLimit  = "NumRequeues counts the retries that were asked for: as long as there were fewer than MaxRetries, one more is allowed"
	ideaReport = "who gives up silently leaves an object that is never right, and nobody who knows"
	ideaForget = "giving up is until the object changes: then its first failure is a first one again"
	ideaFinal  = "waiting does not mend a wrong spec: give up at once, also when the error is wrapped"
)

var (
	tea      = cache.ObjectName{Namespace: "kitchen", Name: "tea"}
	errBurnt = errors.New("burnt")
)

// newLoop makes a loop with 3 retries, and returns where its reports go. Its queue retries at once, so that nobody waits.
func newLoop(t *testing.T) (*Loop, *[]string) {
	reports := &[]string{}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](0, time.Second))
	t.Cleanup(queue.ShutDown)
	return &Loop{Queue: queue, MaxRetries: 3, Report: func(key cache.ObjectName, err error) {
		*reports = append(*reports, fmt.Sprintf("%s: %v", key, err))
	}}, reports
}

// runs lets a key change, and fail as long as it comes back. It returns how often it was worked on.
func runs(l *Loop, err error) int {
	l.Queue.Add(tea)
	n := 0
	for ; l.Queue.Len() > 0 && n < 20; n++ {
		key, _ := l.Queue.Get()
		l.Finish(key, err)
	}
	return n
}

func TestStep1Limit(t *testing.T) {
	l, _ := newLoop(t)
	if n := runs(l, errBurnt); n != 4 {
		seen := fmt.Sprintf("a key that always fails was worked on %d times", n)
		if n == 20 {
			seen += ", and more if the test had let it"
		}
		labtest.Unexpected(t, seen, "4 times: once, and 3 retries", ideaLimit)
	}
	l, _ = newLoop(t)
	l.MaxRetries = 1
	if n := runs(l, errBurnt); n != 2 {
		labtest.Unexpected(t, fmt.Sprintf("with MaxRetries = 1 it was worked on %d times", n), "twice: once, and 1 retry", ideaLimit)
	}
}

func TestStep2Report(t *testing.T) {
	l, reports := newLoop(t)
	runs(l, errBurnt)
	if got := fmt.Sprint(*reports); got != "[kitchen/tea: burnt]" {
		labtest.Unexpected(t, "reports: "+got, "one report: [kitchen/tea: burnt]", ideaReport)
	}
	if n := runs(l, errBurnt); n != 4 {
		labtest.Unexpected(t, fmt.Sprintf("it changed, failed again, and was worked on %d times", n), "4 times, as before", ideaForget)
	}
}

func TestStep3Hopeless(t *testing.T) {
	l, reports := newLoop(t)
	err := fmt.Errorf("make tea: %w", ErrHopeless)
	if n := runs(l, err); n != 1 || len(*reports) != 1 {
		labtest.Unexpected(t, fmt.Sprintf("with a hopeless error it was worked on %d times, reports: %d", n, len(*reports)), "once, and 1 report", ideaFinal)
	}
	if n := runs(l, errBurnt); n != 4 {
		labtest.Unexpected(t, fmt.Sprintf("with another error it was worked on %d times", n), "4 times", ideaFinal)
	}
}
