// Package stale is a sample of a typical mistake: its second question is not the first one.
package stale

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// want: with the same versions

// Finder asks a mapper, which asks the server once and remembers the answer. To reset it is expensive: it then asks
// the server for everything anew.
type Finder struct {
	Mapper meta.ResettableRESTMapperWithContext
	Every  time.Duration    // so much time passes between one reset and the next
	Now    func() time.Time // time.Now, but in tests

	mu   sync.Mutex
	last time.Time // when the mapper was reset last; zero: never
}

// Find may return another version than the caller wants.
func (f *Finder) Find(ctx context.Context, kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	mapping, err := f.Mapper.RESTMappingWithContext(ctx, kind, versions...)
	if meta.IsNoMatchError(err) && f.mayReset() {
		f.Mapper.ResetWithContext(ctx)
		mapping, err = f.Mapper.RESTMappingWithContext(ctx, kind)
	}
	return mapping, err
}

// mayReset says whether the last reset is long enough ago, and notes that there is one now if it is.
func (f *Finder) mayReset() bool {
	f.mu.Lock() // many goroutines may ask for many kinds
	defer f.mu.Unlock()
	now := f.Now()
	if !f.last.IsZero() && now.Sub(f.last) < f.Every {
		return false
	}
	f.last = now
	return true
}
