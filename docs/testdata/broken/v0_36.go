package broken

import (
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

func autoscalers(client kubernetes.Interface) {
	client.AutoscalingV2beta2() // want "client.AutoscalingV2beta2 undefined"
	client.AutoscalingV2()
}

func popOne(queue cache.Queue) {
	cache.Pop(queue) // want "undefined: cache.Pop"
	_, _ = queue.Pop(func(any, bool) error { return nil })
}

// oldStore has the methods that cache.Store wanted until v0.35.
type oldStore struct{}

func (oldStore) Add(any) error                      { return nil }
func (oldStore) Update(any) error                   { return nil }
func (oldStore) Delete(any) error                   { return nil }
func (oldStore) List() []any                        { return nil }
func (oldStore) ListKeys() []string                 { return nil }
func (oldStore) Get(any) (any, bool, error)         { return nil, false, nil }
func (oldStore) GetByKey(string) (any, bool, error) { return nil, false, nil }
func (oldStore) Replace([]any, string) error        { return nil }
func (oldStore) Resync() error                      { return nil }

func stores() {
	var _ cache.Store = oldStore{} // want "(missing method Bookmark)"
	var _ cache.Store = newStore{}
}

// newStore embeds the interface: what is added to it later does not break the build.
type newStore struct{ cache.Store }
