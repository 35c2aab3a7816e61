package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseName is the name of the Lease that the replicas of the controller compete for.
const leaseName = "website-controller"

// election lets one replica work at a time. client-go's LeaderElector does the competing. What it leaves to us is here:
// the lease is given back only after the work has ended, and never when it is somebody else's already. A lease that is lost
// while the work goes on has to run out.
type election struct {
	elector  *leaderelection.LeaderElector
	lock     *ownLock
	leading  chan struct{} // closed when this replica becomes the leader
	stopped  chan struct{} // closed when it is one no longer, or never became one
	deadline time.Duration // how long after its last renewal a leader may still write
	lease    time.Duration
}

// newElection makes an election. A lease that nobody renews is free after the given duration. The usual 15 s mean: a leader
// renews every 2 s, stops writing when that failed for 10 s, and another one begins 15 s after the last renewal.
func newElection(client coordinationclient.LeasesGetter, namespace string, lease time.Duration) (*election, error) {
	if lease < time.Second || lease%time.Second != 0 { // the Lease has whole seconds, and the others go by it
		return nil, fmt.Errorf("a lease of %s: it has to be whole seconds", lease)
	}
	host, err := os.Hostname() // in a pod, its name
	if err != nil {
		return nil, err
	}
	lock := &ownLock{Interface: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())}, // two on one host differ
	}}
	e := &election{lock: lock, leading: make(chan struct{}), stopped: make(chan struct{}), deadline: lease * 2 / 3, lease: lease}
	e.elector, err = leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name:            leaseName, // of the lease in metrics
		Lock:            lock,
		LeaseDuration:   lease,
		RenewDeadline:   e.deadline,
		RetryPeriod:     lease * 2 / 15,
		ReleaseOnCancel: true, // the next one need not wait until the lease runs out
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(e.leading) },
			OnStoppedLeading: func() { close(e.stopped) },
		},
	})
	return e, err
}

// run waits until this replica is the leader, then works: work must return soon after its context ends, which it does when
// ctx does, or when the lease is lost. Only then it gives the lease back.
//
// The elector's own way is another: it runs OnStartedLeading in a goroutine that nobody waits for. When its context ends, it
// gives the lease back at once, and the next leader works beside whoever has not finished. It does the same when it could
// not renew the lease in time, and the server is there again by then.
func (e *election) run(ctx context.Context, work func(context.Context) error) error {
	holding, release := context.WithCancel(context.WithoutCancel(ctx))
	go e.elector.Run(holding)
	defer func() {
		e.lock.mayRelease.Store(true)
		release()
		<-e.stopped
	}()

	select {
	case <-e.leading:
	case <-ctx.Done():
		return nil
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		<-e.stopped
		stop()
	}()
	if err := work(working); err != nil {
		return err
	}
	if ctx.Err() == nil {
		return fmt.Errorf("the lease %s could not be renewed in %s and is lost", leaseName, e.deadline)
	}
	return nil
}

// leads says whether this replica may write now. It looks at the clock: a process that was stopped for a while, or could not
// reach the server, may still think that it leads, when the lease has run out and another one does. The elector counts from
// the answer to a renewal. A standby may have seen the renewal long before that: so this counts from the request.
func (e *election) leads() bool {
	renewed := e.lock.renewed.Load()
	return renewed != nil && time.Since(*renewed) <= e.deadline
}

// fenced makes a client's transport refuse to write while this replica does not lead. What it has let through can still be
// late. That is why a request takes at most the time between the deadline and the end of the lease; and why applies carry
// the UID of what they were meant for, and status updates a resourceVersion.
func (e *election) fenced(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodGet && !e.leads() {
			if request.Body != nil {
				request.Body.Close()
			}
			return nil, errNotLeading
		}
		return next.RoundTrip(request)
	})
}

var errNotLeading = errors.New("not sent: another replica may be the leader by now")

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// ownLock knows since when the lease is ours, and gives it back only if it still is, and only when the work has ended. The
// elector does not know of the work; and whose the lease is, it decides by what it saw last. A process that was stopped for
// longer than the lease has seen nothing since: it would read the lease of the new leader, and clear it.
type ownLock struct {
	resourcelock.Interface
	holder     string                    // as last read or written
	renewed    atomic.Pointer[time.Time] // when our last renewal was sent that succeeded; nil if the lease is not ours
	mayRelease atomic.Bool               // the work has ended
}

func (l *ownLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil {
		l.holder = record.HolderIdentity
		if l.holder != l.Identity() {
			l.renewed.Store(nil)
		}
	}
	return record, raw, err
}

func (l *ownLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Create)
}

func (l *ownLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity == "" {
		switch {
		case !l.mayRelease.Load():
			return errors.New("the work has not ended: the lease has to run out")
		case l.holder != l.Identity():
			return fmt.Errorf("the lease is not ours to give back: %q has it", l.holder)
		}
		l.renewed.Store(nil) // before it is sent: the answer may get lost
	}
	return l.write(ctx, record, l.Interface.Update)
}

func (l *ownLock) write(ctx context.Context, record resourcelock.LeaderElectionRecord, send func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	sent := time.Now()
	if err := send(ctx, record); err != nil {
		return err
	}
	l.holder = record.HolderIdentity
	if l.holder == l.Identity() {
		l.renewed.Store(&sent)
	}
	return nil
}
