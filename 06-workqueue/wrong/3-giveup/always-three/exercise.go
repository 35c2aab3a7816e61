// Package giveup is a sample of a typical mistake: a number of its own.
package giveup

import (
	"errors"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// want: twice: once, and 1 retry

// ErrHopeless marks errors that no retry mends. They may be wrapped.
var ErrHopeless = errors.New("no retry will help")

// A Loop is what a worker needs to end its work on a key.
type Loop struct {
	Queue      workqueue.TypedRateLimitingInterface[cache.ObjectName]
	MaxRetries int                                   // how often a key is tried again
	Report     func(key cache.ObjectName, err error) // tells somebody
}

// Finish is called after the work on a key, with its outcome. It is complete.
func (l *Loop) Finish(key cache.ObjectName, err error) {
	defer l.Queue.Done(key)
	switch {
	case err == nil:
		l.Queue.Forget(key)
	case !hopeless(err) && l.mayRetry(key):
		l.Queue.AddRateLimited(key)
	default:
		l.giveUp(key, err)
	}
}

// mayRetry says whether the key has been tried again less than MaxRetries times.
func (l *Loop) mayRetry(key cache.ObjectName) bool {
	return l.Queue.NumRequeues(key) < 3
}

// giveUp ends the trying, until the object changes.
func (l *Loop) giveUp(key cache.ObjectName, err error) {
	l.Report(key, err)
	l.Queue.Forget(key)
}

// hopeless says whether there is no use in trying again.
func hopeless(err error) bool {
	return errors.Is(err, ErrHopeless)
}
