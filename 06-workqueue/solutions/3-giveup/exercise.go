// Package giveup ends a worker loop that knows when to stop trying.
package giveup

import (
	"errors"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

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
	// lab:begin 1 the queue knows how often it has been
	return l.Queue.NumRequeues(key) < l.MaxRetries
	// lab:stub return true
	// lab:end
}

// giveUp ends the trying, until the object changes.
func (l *Loop) giveUp(key cache.ObjectName, err error) {
	// lab:begin 2 tell somebody; and see to it that the key's next failure, after a change, is a first one again
	l.Report(key, err)
	l.Queue.Forget(key)
	// lab:end
}

// hopeless says whether there is no use in trying again.
func hopeless(err error) bool {
	// lab:begin 3 ErrHopeless may be wrapped
	return errors.Is(err, ErrHopeless)
	// lab:stub return false
	// lab:end
}
