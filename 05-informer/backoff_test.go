package main

import (
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
)

// How long an informer waits before it tries again, whatever has gone wrong: 0.8 s, then twice as long, up to 30 s; each
// wait is up to twice as long, at random. When two minutes have passed since it began to count, it begins anew.
// Whoever sets a handler for errors hears of two of these six; one of the others is logged without -v=4.
func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		what  string
		list  error
		watch func() (watch.Interface, error)
		lists int  // 0: as many as there are rounds
		told  bool // the error handler hears of it
		logs  bool // without -v=4
	}{
		{"nothing can be listed", errors.New("no"), nil, 0, true, false},
		{"nobody answers a watch", nil, func() (watch.Interface, error) { return nil, syscall.ECONNREFUSED }, 1, false, false},
		{"a watch is too busy", nil, func() (watch.Interface, error) { return nil, busy }, 1, false, false},
		{"a watch is refused", nil, func() (watch.Interface, error) { return nil, down }, 0, true, false},
		{"a watch says that it is too late", nil, func() (watch.Interface, error) {
			w := watch.NewFakeWithChanSize(1, false)
			w.Error(&gone.ErrStatus)
			return w, nil
		}, 0, false, false},
		{"a watch ends at once", nil, func() (watch.Interface, error) { return watch.NewEmptyWatch(), nil }, 0, false, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var rounds []time.Duration
				round := func() {
					if now := time.Since(began); len(rounds) == 0 || rounds[len(rounds)-1] != now { // nothing in a round takes time
						rounds = append(rounds, now)
					}
				}
				lists, told := 0, 0
				source := &cache.ListWatch{
					ListWithContextFunc: func(context.Context, metav1.ListOptions) (kruntime.Object, error) {
						round()
						lists++
						return &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, c.list
					},
					WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
						round()
						return c.watch()
					},
				}
				informer := cache.NewSharedIndexInformerWithOptions(cache.ToListWatcherWithWatchListSemantics(source, fake.NewClientset()),
					&corev1.Pod{}, cache.SharedIndexInformerOptions{})
				require.NoError(t, informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) { told++ }))
				var log bytes.Buffer
				ctx := klog.NewContext(t.Context(), textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(&log))))
				ctx, cancel := context.WithTimeout(ctx, time.Hour) // of the bubble's clock
				defer cancel()
				informer.RunWithContext(ctx)

				require.Greater(t, len(rounds), 100)
				if c.lists == 0 {
					c.lists = len(rounds)
				}
				assert.Equal(t, c.lists, lists)
				assert.Equal(t, c.told, told > 0)
				assert.Equal(t, c.logs, log.Len() > 0, log.String())
				longest, anew := false, 0
				wait, counting := 800*time.Millisecond, time.Duration(0)
				for i, at := range rounds[:len(rounds)-1] {
					if at-counting > 2*time.Minute {
						wait, counting = 800*time.Millisecond, at
						anew++
					}
					waited := rounds[i+1] - at
					require.GreaterOrEqual(t, waited, wait, "at %s", at)
					require.Less(t, waited, 2*wait+time.Millisecond, "at %s", at)
					longest = longest || wait == 30*time.Second
					wait = min(2*wait, 30*time.Second)
				}
				assert.True(t, longest)
				assert.Greater(t, anew, 10)
			})
		})
	}
}
