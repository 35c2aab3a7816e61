// Package stale is a sample of a typical mistake: it counts from the last question.
package stale

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// want: not after the last question

// Finder asks a mapper, which asks the server once and remembers the answer. To reset it is expensive: it then asks
// the server for everything anew.
type Finder struct {
	Mapper meta.ResettableRESTMapperWithContext
	Every  time.Duration    // so much time passes between one reset and the next
	Now    func() time.Time // time.Now, but in tests

	mu   sync.Mutex
	last time.Time // when the mapper was reset last; zero: never
}

// Find returns the mapping for a kind, and an error for which meta.IsNoMatchError is true if the server does not have it.
func (f *Finder) Find(ctx context.Context, kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	mapping, err := f.Mapper.RESTMappingWithContext(ctx, kind, versions...)
	if meta.IsNoMatchError(err) && f.mayReset() {
		f.Mapper.ResetWithContext(ctx)
		mapping, err = f.Mapper.RESTMappingWithContext(ctx, kind, versions...)
	}
	return mapping, err
}

// mayReset says no for ever to somebody who asks often enough.
func (f *Finder) mayReset() bool {
	f.mu.Lock() // many goroutines may ask for many kinds
	defer f.mu.Unlock()
	now := f.Now()
	long := now.Sub(f.last) >= f.Every
	f.last = now
	return long
}
