package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// These tests run in a synctest bubble: its clock is a fake, and goes on as soon as everybody waits.

const testLease = 15 * time.Second // 10 s until a leader stops writing, 2 s between two renewals

// leaseServer is a fake API server. The clientsets that it hands out share its Leases, and can be broken one by one.
type leaseServer struct{ tracker ktesting.ObjectTracker }

func newLeaseServer() leaseServer {
	return leaseServer{fake.NewClientset().Tracker()}
}

// client returns a clientset. before is called before each of its requests, and may fail it.
func (s leaseServer) client(before func(ktesting.Action) error) *fake.Clientset {
	client := &fake.Clientset{}
	client.AddReactor("*", "*", func(action ktesting.Action) (bool, runtime.Object, error) {
		if before != nil {
			if err := before(action); err != nil {
				return true, nil, err
			}
		}
		return ktesting.ObjectReaction(s.tracker)(action)
	})
	return client
}

// holder returns who has the lease; "" is nobody.
func (s leaseServer) holder(t *testing.T) string {
	t.Helper()
	object, err := s.tracker.Get(coordinationv1.SchemeGroupVersion.WithResource("leases"), "system", leaseName)
	require.NoError(t, err)
	return *object.(*coordinationv1.Lease).Spec.HolderIdentity
}

func (s leaseServer) election(t *testing.T, before func(ktesting.Action) error) *election {
	t.Helper()
	e, err := newElection(s.client(before).CoordinationV1(), "system", testLease)
	require.NoError(t, err)
	return e
}

// untilDone is work that does nothing.
func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func TestElectionEndsBeforeItLed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(quiet(t))
		server := newLeaseServer()
		leader, standby := server.election(t, nil), server.election(t, nil)
		led := make(chan error, 1)
		go func() { led <- leader.run(ctx, untilDone) }()
		synctest.Wait()
		require.True(t, leader.leads())

		standing, stop := context.WithCancel(ctx)
		stood := make(chan error, 1)
		go func() {
			stood <- standby.run(standing, func(context.Context) error { return errors.New("a standby works") })
		}()
		time.Sleep(10 * testLease)
		assert.False(t, standby.leads())
		stop()
		assert.NoError(t, <-stood, "it never led: nothing is lost")
		holder := server.holder(t)
		assert.NotEmpty(t, holder, "and what it never had, it did not give back")
		cancel()
		assert.NoError(t, <-led)
	})
}

// The lease is held while the work goes on, also after the context has ended, and given back when the work is done.
func TestElectionKeepsTheLeaseUntilTheWorkIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(quiet(t))
		server := newLeaseServer()
		e := server.election(t, nil)
		ended := make(chan error, 1)
		go func() {
			ended <- e.run(ctx, func(working context.Context) error {
				<-working.Done()
				time.Sleep(10 * testLease) // much longer than a lease lasts: it is renewed
				assert.NotEmpty(t, server.holder(t))
				assert.True(t, e.leads(), "what is under way may still write")
				return nil
			})
		}()
		synctest.Wait()
		cancel()
		assert.NoError(t, <-ended)
		assert.Empty(t, server.holder(t), "given back")
		assert.False(t, e.leads())
	})
}

// client-go's own order is the other way round. This is its example, with ReleaseOnCancel.
func TestClientGoGivesTheLeaseBackBeforeTheWorkIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(quiet(t))
		server := newLeaseServer()
		done := make(chan struct{})
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock:          server.lock("first", nil),
			LeaseDuration: testLease, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(working context.Context) {
					defer close(done)
					<-working.Done()
					time.Sleep(time.Second)
					assert.Empty(t, server.holder(t), "the work goes on, and the lease is free")
				},
				OnStoppedLeading: func() {},
			},
		})
		require.NoError(t, err)
		go elector.Run(ctx)
		synctest.Wait()
		require.Equal(t, "first", server.holder(t))
		cancel()
		<-done
	})
}

func (s leaseServer) lock(identity string, before func(ktesting.Action) error) *resourcelock.LeaseLock {
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: "system", Name: leaseName},
		Client:     s.client(before).CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}
}

// The server does not answer any more. The leader stops writing at the deadline, and run says so.
func TestElectionLosesTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(quiet(t))
		defer cancel()
		var broken atomic.Bool
		e := newLeaseServer().election(t, func(ktesting.Action) error {
			if broken.Load() {
				return errors.New("no answer")
			}
			return nil
		})
		ended := make(chan error, 1)
		go func() { ended <- e.run(ctx, untilDone) }()
		synctest.Wait()
		broken.Store(true) // no renewal but the first
		time.Sleep(e.deadline)
		assert.True(t, e.leads(), "up to the deadline")
		time.Sleep(time.Millisecond)
		assert.False(t, e.leads(), "not longer")
		assert.ErrorContains(t, <-ended, "the lease website-controller could not be renewed in 10s and is lost")
	})
}

// Renewals fail until the deadline, and the server is there again when client-go wants to give the lease back. Until the work
// has ended nobody else may begin, and after that, not before the lease has run out.
func TestElectionDoesNotGiveBackALostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(quiet(t))
		defer cancel()
		var broken atomic.Bool
		server := newLeaseServer()
		e := server.election(t, func(action ktesting.Action) error {
			update, is := action.(ktesting.UpdateAction)
			if is && broken.Load() && *update.GetObject().(*coordinationv1.Lease).Spec.HolderIdentity != "" {
				return errors.New("no answer")
			}
			return nil
		})
		ended := make(chan error, 1)
		go func() {
			ended <- e.run(ctx, func(working context.Context) error {
				<-working.Done() // client-go has tried to give it back by now
				assert.NotEmpty(t, server.holder(t), "the work goes on, and the lease is free")
				return nil
			})
		}()
		synctest.Wait()
		broken.Store(true)
		require.ErrorContains(t, <-ended, "is lost")
		assert.NotEmpty(t, server.holder(t), "it runs out")
	})
}

// A renewal counts from when it was sent. The server may have had it at once, and for a standby that looked at that moment
// the lease runs from then on, however late the answer comes.
func TestElectionCountsFromTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(quiet(t))
		defer cancel()
		var slow, broken atomic.Bool
		server := newLeaseServer()
		client := server.client(func(ktesting.Action) error {
			if broken.Load() {
				return errors.New("no answer")
			}
			return nil
		})
		client.PrependReactor("update", "leases", func(action ktesting.Action) (bool, runtime.Object, error) {
			if !slow.CompareAndSwap(true, false) {
				return false, nil, nil
			}
			handled, object, err := ktesting.ObjectReaction(server.tracker)(action)
			time.Sleep(4 * time.Second) // the answer's way
			broken.Store(true)
			return handled, object, err
		})
		e, err := newElection(client.CoordinationV1(), "system", testLease)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- e.run(ctx, untilDone) }()
		synctest.Wait()
		slow.Store(true)
		time.Sleep(2 * time.Second) // the next renewal is sent, and is the last one
		synctest.Wait()
		require.False(t, slow.Load())
		time.Sleep(e.deadline)
		assert.True(t, e.leads(), "up to the deadline")
		time.Sleep(time.Millisecond)
		assert.False(t, e.leads(), "not longer")
		require.Error(t, <-ended)
	})
}

func TestFenceRefusesToWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(quiet(t))
		e := newLeaseServer().election(t, nil)
		var sent []string
		transport := e.fenced(roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.Method)
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		}))
		send := func(method string) error {
			body := &closed{Reader: strings.NewReader("{}")}
			r, err := http.NewRequest(method, "http://server/", body)
			require.NoError(t, err)
			response, err := transport.RoundTrip(r)
			if err == nil {
				return response.Body.Close()
			}
			assert.True(t, body.closed, "a RoundTripper closes the body, also when it fails")
			return err
		}
		assert.NoError(t, send(http.MethodGet))
		for _, method := range []string{http.MethodPatch, http.MethodPost, http.MethodPut, http.MethodDelete} {
			assert.ErrorIs(t, send(method), errNotLeading)
		}
		assert.Equal(t, []string{http.MethodGet}, sent, "a standby reads")

		ended := make(chan error, 1)
		go func() { ended <- e.run(ctx, untilDone) }()
		synctest.Wait()
		assert.NoError(t, send(http.MethodPatch))
		assert.Equal(t, []string{http.MethodGet, http.MethodPatch}, sent, "a leader writes")
		cancel()
		require.NoError(t, <-ended)
		assert.ErrorIs(t, send(http.MethodPatch), errNotLeading, "it has been one")
	})
}

// closed is a body that knows whether it was closed.
type closed struct {
	*strings.Reader
	closed bool
}

func (c *closed) Close() error {
	c.closed = true
	return nil
}

// A leader's process is stopped while it renews its lease, and goes on when the lease has run out and another one has it.
// Then client-go gives the lease back, as it thinks, and clears the other's. Our lock does not let it.
func TestWhoseLeaseIsGivenBack(t *testing.T) {
	for _, c := range []struct {
		name string
		lock func(resourcelock.Interface) resourcelock.Interface
		want string
	}{
		{"client-go's lock", func(lock resourcelock.Interface) resourcelock.Interface { return lock }, ""},
		{"our lock", func(lock resourcelock.Interface) resourcelock.Interface {
			own := &ownLock{Interface: lock}
			own.mayRelease.Store(true)
			return own
		}, "second"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(quiet(t))
				defer cancel()
				server := newLeaseServer()
				var stopped atomic.Bool
				run := func(ctx context.Context, lock resourcelock.Interface) <-chan struct{} {
					elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
						Lock: lock, LeaseDuration: testLease, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second, ReleaseOnCancel: true,
						Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) {}, OnStoppedLeading: func() {}},
					})
					require.NoError(t, err)
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						elector.Run(ctx)
					}()
					return ended
				}
				first := run(ctx, c.lock(&stoppable{server.lock("first", nil), &stopped}))
				synctest.Wait()
				require.Equal(t, "first", server.holder(t))
				stopped.Store(true)
				standing, stop := context.WithCancel(ctx)
				second := run(standing, server.lock("second", nil))
				<-first
				assert.Equal(t, c.want, server.holder(t), "who has the lease after the first has ended")
				stop()
				<-second
			})
		})
	}
}

// stoppable is a lock whose process may be stopped before an update, for 20 s. Then it does what a real client does with a
// context that has run out.
type stoppable struct {
	resourcelock.Interface
	stopped *atomic.Bool
}

func (l *stoppable) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	return l.Interface.Get(ctx)
}

func (l *stoppable) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if l.stopped.CompareAndSwap(true, false) {
		time.Sleep(20 * time.Second)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.Interface.Update(ctx, record)
}
