package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// handover shows two replicas, "a" and "b", that compete for one lease. Their work is a worker that is slow to end.
func handover(ctx context.Context, l *lesson) error {
	for _, part := range []func(context.Context, *lesson) error{graceful, lost, tooSoon} {
		if err := part(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// graceful stops a leader that takes its time.
func graceful(ctx context.Context, l *lesson) error {
	l.say("-- a is asked to stop")
	var replicas sync.WaitGroup
	defer replicas.Wait()
	var j journal
	a, b := newSlowWork("a", &j), newSlowWork("b", &j)
	defer a.end()
	defer b.end()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ea, err1 := newElection(l.kube.CoordinationV1(), labNamespace, 15*time.Second)
	eb, err2 := newElection(l.kube.CoordinationV1(), labNamespace, 15*time.Second)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}

	forA, stopA := context.WithCancel(ctx)
	defer stopA()
	replicas.Go(func() { _ = ea.run(forA, a.work) })
	if err := await(ctx, a.started); err != nil {
		return err
	}
	replicas.Go(func() { _ = eb.run(ctx, b.work) })
	if err := l.until(ctx, "b has seen who leads", func(context.Context) (bool, error) { return eb.elector.GetLeader() != "", nil }); err != nil {
		return err
	}
	leader := eb.elector.GetLeader()
	stopA()
	if err := await(ctx, a.told); err != nil {
		return err
	}
	var first *metav1.MicroTime
	if err := l.until(ctx, "a renews its lease once more", func(ctx context.Context) (bool, error) {
		lease, err := l.kube.CoordinationV1().Leases(labNamespace).Get(ctx, leaseName, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		if *lease.Spec.HolderIdentity != leader {
			return false, errors.New("the lease is given back, and a still works")
		}
		if first == nil {
			first = lease.Spec.RenewTime
		}
		return first.Before(lease.Spec.RenewTime), nil
	}); err != nil {
		return err
	}
	j.note("a renews its lease")
	a.end()
	if err := await(ctx, b.started); err != nil {
		return err
	}
	j.print(l)
	return nil
}

// shortLease is how long the lease of a lost leader lasts here: nobody likes to wait.
const shortLease = 6 * time.Second

// lost cuts a leader off from the server.
func lost(ctx context.Context, l *lesson) error {
	l.say("-- a can no longer renew its lease (this takes %d seconds)", int(shortLease.Seconds()))
	var replicas sync.WaitGroup
	defer replicas.Wait()
	var cut atomic.Bool
	config := rest.CopyConfig(l.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if cut.Load() {
				return nil, errors.New("the cable is cut")
			}
			return next.RoundTrip(request)
		})
	})
	cuttable, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	var j journal
	a, b := newSlowWork("a", &j), newSlowWork("b", &j)
	defer a.end()
	defer b.end()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	a.end()
	b.end()
	ea, err1 := newElection(cuttable.CoordinationV1(), labNamespace, shortLease)
	eb, err2 := newElection(l.kube.CoordinationV1(), labNamespace, shortLease)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	fenced := rest.CopyConfig(l.config) // what a's workers write with: their cable is whole
	fenced.Wrap(ea.fenced)
	writer, err := kubernetes.NewForConfig(fenced)
	if err != nil {
		return err
	}

	endOfA := make(chan error, 1)
	replicas.Go(func() { endOfA <- ea.run(ctx, a.work) })
	if err := await(ctx, a.started); err != nil {
		return err
	}
	replicas.Go(func() { _ = eb.run(ctx, b.work) })
	j.note("a writes: %s", write(ctx, writer, "while-it-leads"))
	cut.Store(true)
	if err := await(ctx, b.started); err != nil {
		return err
	}
	j.note("a's end: %v", <-endOfA)
	j.note("a writes: %s", write(ctx, writer, "when-b-leads"))
	j.print(l)
	return nil
}

// write makes a ConfigMap, and says what came of it.
func write(ctx context.Context, client kubernetes.Interface, name string) string {
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()}}
	_, err := client.CoreV1().ConfigMaps(labNamespace).Create(ctx, configMap, metav1.CreateOptions{})
	switch {
	case errors.Is(err, errNotLeading):
		return errNotLeading.Error() // without the URL, that net/http puts before it
	case err != nil:
		return err.Error()
	}
	return "accepted"
}

// tooSoon does as every example does: the work stands in OnStartedLeading.
func tooSoon(ctx context.Context, l *lesson) error {
	l.say("-- a is asked to stop, and its work stands in client-go's OnStartedLeading")
	var replicas sync.WaitGroup
	defer replicas.Wait()
	var j journal
	a, b := newSlowWork("a", &j), newSlowWork("b", &j)
	defer a.end()
	defer b.end()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	start := func(ctx context.Context, s *slowWork) error {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: labNamespace, Name: leaseName},
				Client:     l.kube.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: s.name},
			},
			LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) { _ = s.work(ctx) },
				OnStoppedLeading: func() {},
			},
		})
		if err == nil {
			replicas.Go(func() { elector.Run(ctx) })
		}
		return err
	}
	forA, stopA := context.WithCancel(ctx)
	defer stopA()
	if err := start(forA, a); err != nil {
		return err
	}
	if err := await(ctx, a.started); err != nil {
		return err
	}
	stopA()
	if err := await(ctx, a.told); err != nil {
		return err
	}
	if err := start(ctx, b); err != nil {
		return err
	}
	if err := await(ctx, b.started); err != nil {
		return err
	}
	a.end()
	if err := await(ctx, a.ended); err != nil {
		return err
	}
	j.print(l)
	return nil
}

// journal is what happened, in order. The replicas write it, and the step prints it.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) print(l *lesson) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l.say("%s", strings.Join(j.lines, "\n"))
}

// slowWork is work that ends some time after it was told to: when it may.
type slowWork struct {
	name    string
	journal *journal

	started, told, ended chan struct{} // closed when it is so
	mayEnd               chan struct{}
	end                  func() // closes mayEnd, once
}

func newSlowWork(name string, j *journal) *slowWork {
	s := &slowWork{
		name: name, journal: j,
		started: make(chan struct{}), told: make(chan struct{}), ended: make(chan struct{}), mayEnd: make(chan struct{}),
	}
	s.end = sync.OnceFunc(func() { close(s.mayEnd) })
	return s
}

func (s *slowWork) work(ctx context.Context) error {
	s.journal.note("%s works", s.name)
	close(s.started)
	<-ctx.Done()
	s.journal.note("%s is told to stop", s.name)
	close(s.told)
	<-s.mayEnd
	s.journal.note("%s has stopped", s.name)
	close(s.ended)
	return nil
}

// await waits until a channel is closed.
func await(ctx context.Context, closed <-chan struct{}) error {
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
		return errors.New("waited a minute for a replica")
	}
}
