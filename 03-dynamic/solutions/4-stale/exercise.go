// Package stale finds kinds, also those that were installed after the server was last asked what it has.
package stale

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

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
	// lab:begin 1 if there is no such kind, and mayReset, reset the mapper and ask it again: once
	if meta.IsNoMatchError(err) && f.mayReset() {
		f.Mapper.ResetWithContext(ctx)
		mapping, err = f.Mapper.RESTMappingWithContext(ctx, kind, versions...)
	}
	// lab:stub _ = f.mayReset
	// lab:end
	return mapping, err
}

// mayReset says whether the last reset is long enough ago, and notes that there is one now if it is.
func (f *Finder) mayReset() bool {
	f.mu.Lock() // many goroutines may ask for many kinds
	defer f.mu.Unlock()
	// lab:begin 2 a typo in a file that somebody applies in a loop must not make the server answer all day
	now := f.Now()
	if !f.last.IsZero() && now.Sub(f.last) < f.Every {
		return false
	}
	f.last = now
	return true
	// lab:stub _ = f.last
	// lab:stub return true
	// lab:end
}
