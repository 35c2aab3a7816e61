package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/retry"
	"k8s.io/klog/v2"

	"client-go-lab/07-controller/api/v1alpha1"
	"client-go-lab/07-controller/controller"
)

// What goes wrong around a controller, one test each. However it went wrong, in the end all Websites are as specified, and
// nothing is there that belongs to none of them. Each of these tests was seen to fail without what protects the controller:
// the table is in README.md. The faults of the API
// server itself, on another cluster and at the same time, are in serverfaults_test.go.

func TestFaultsOnCluster(t *testing.T) {
	t.Parallel()
	w := labWorld(t)
	for _, fault := range []struct {
		name string
		test func(*world)
	}{
		{"controller killed ten times", controllerKilled},
		{"leader lost", leaderLost},
		{"leader stopped between two renewals", leaderStoppedWorking},
		{"leader stopped in a renewal", leaderStoppedRenewing},
		{"shutdown in a reconcile", shutdownInReconcile},
		{"another writer", anotherWriter},
		{"children deleted", childrenDeleted},
		{"children deleted unseen", childrenDeletedUnseen},
		{"bad network", badNetwork},
		{"rights taken away", rightsTakenAway},
		{"panic", panics},
	} {
		t.Run(fault.name, func(t *testing.T) { fault.test(w.sub(t)) })
	}
}

// sub is the same world for a subtest, which leaves it empty.
func (w *world) sub(t testing.TB) *world {
	sub := *w
	sub.t = t
	t.Cleanup(sub.clear)
	return &sub
}

// clear removes all Websites and what was kept for them. No controller runs any more.
func (w *world) clear() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), time.Minute)
	defer cancel()
	websites, err := w.websites.Websites(w.namespace).List(ctx, metav1.ListOptions{})
	require.NoError(w.t, err)
	for _, website := range websites.Items {
		client := w.websites.Websites(w.namespace)
		_, err := client.Patch(ctx, website.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if err == nil {
			err = client.Delete(ctx, website.Name, metav1.DeleteOptions{})
		}
		if !apierrors.IsNotFound(err) {
			require.NoError(w.t, err)
		}
	}
	require.NoError(w.t, w.kube.CoreV1().ConfigMaps(w.system).DeleteCollection(ctx, metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: controller.LabelOwner}))
	require.NoError(w.t, w.forgetLeader(ctx))
	var last error
	require.NoError(w.t, wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		last = w.asSpecified(ctx, 0)
		return last == nil, nil
	}), "%v", last)
}

// forgetLeader deletes the lease of a leader that is known to be dead: the next one need not wait until it runs out.
func (w *world) forgetLeader(ctx context.Context) error {
	err := w.kube.CoordinationV1().Leases(w.system).Delete(ctx, leaseName, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// holder returns who has the lease; "" is nobody.
func (w *world) holder() string {
	w.t.Helper()
	lease, err := w.kube.CoordinationV1().Leases(w.system).Get(w.t.Context(), leaseName, metav1.GetOptions{})
	require.NoError(w.t, err)
	return *lease.Spec.HolderIdentity
}

// change gives a Website another page and another number of replicas.
func (w *world) change(name, page string, replicas int) {
	w.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"html":%q,"replicas":%d}}`, page, replicas)
	_, err := w.websites.Websites(w.namespace).Patch(w.t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(w.t, err)
}

func (w *world) delete(name string) {
	w.t.Helper()
	require.NoError(w.t, w.websites.Websites(w.namespace).Delete(w.t.Context(), name, metav1.DeleteOptions{}))
}

// standby waits until the replica has seen everything: then it can take over at once.
func (r *replica) standby() *replica {
	r.t.Helper()
	eventually(r.t, "the standby is ready", func(context.Context) error {
		response, err := http.Get("http://" + r.address + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
	return r
}

// requireAlive makes sure that the replica has not ended.
func (r *replica) requireAlive() {
	r.t.Helper()
	select {
	case <-r.ended:
		require.Fail(r.t, "the controller has ended")
	default:
	}
}

// random returns random numbers that can be had again: the test's log says how.
func random(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("random numbers: rand.New(rand.NewPCG(%d, 0))", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// The controller is killed ten times, each time at a random one of its writes: before the server has it, or when it is done
// but the answer is still on its way. While it is dead, the Website of that write is deleted, every other time.
func controllerKilled(w *world) {
	random := random(w.t)
	p := w.proxy("", &ledger{})
	kubeconfig := p.kubeconfig(w)
	websites := map[string]bool{}
	r := w.start(kubeconfig).leading()
	for round := range 10 {
		// At least this many writes are to come: six for each of two new Websites.
		pause := p.pauseAt(1+random.IntN(12), random.IntN(2) == 0, isKept)
		for name := range websites {
			w.change(name, fmt.Sprintf("round %d", round), 1+random.IntN(3))
		}
		for _, name := range names(20)[2*round : 2*round+2] {
			w.create(name)
			websites[name] = true
		}
		interrupted := pause.wait(w)
		r.signal(syscall.SIGKILL)
		pause.resume <- false
		name := regexp.MustCompile(`site-\d\d`).FindString(interrupted.URL.Path)
		w.t.Logf("killed at %s %s", interrupted.Method, interrupted.URL.Path)
		if round%2 == 1 && websites[name] {
			w.delete(name)
			delete(websites, name)
		}
		if round > 0 { // the first time, the next one waits until the lease of the dead runs out
			require.NoError(w.t, w.forgetLeader(w.t.Context()))
		}
		p.breakWith(nil)
		r = w.start(kubeconfig).leading()
	}
	w.requireAsSpecified(len(websites))
}

// Two replicas. The leader is killed, and later another one is asked to end, both in the middle of much work.
func leaderLost(w *world) {
	audit := &ledger{}
	first, second, third := w.proxy("first", audit), w.proxy("second", audit), w.proxy("third", audit)
	a := w.start(first.kubeconfig(w)).leading()
	b := w.start(second.kubeconfig(w)).standby()
	pause := first.pauseAt(30, false, isKept)
	w.create(names(20)...)
	pause.wait(w)
	a.signal(syscall.SIGKILL)
	pause.resume <- false
	b.leading()
	w.requireAsSpecified(20)

	c := w.start(third.kubeconfig(w)).standby()
	pause = second.pauseAt(10, false, isKept)
	for _, name := range names(20) {
		w.change(name, "changed", 1)
	}
	pause.wait(w)
	require.NoError(w.t, b.process.Signal(syscall.SIGTERM))
	pause.resume <- true
	c.leading()
	assert.Zero(w.t, b.end().ExitCode(), "it ended well")
	w.requireAsSpecified(20)
	audit.requireOneAtATime(w, "first", "second", "third")
	for _, write := range audit.done("second", false) {
		assert.True(w.t, write.answered.Before(audit.gaveBack(w, "second")), "%s %s after the lease was given back", write.method, write.path)
	}
}

// takeOver stops a leader's process at a request, until a standby has taken over and written something. Then it goes on.
// Of its requests, it is one that the server gets.
func takeOver(w *world, n int, answered bool, at func(*http.Request) bool) {
	audit := &ledger{}
	first, second := w.proxy("first", audit), w.proxy("second", audit)
	a := w.start(first.kubeconfig(w), "-qps", "20", "-burst", "1").leading() // slow: there is work left when it is stopped
	b := w.start(second.kubeconfig(w)).standby()
	w.create(names(20)...)
	pause := first.pauseAt(n, answered, at)
	pause.wait(w)
	require.NoError(w.t, a.process.Signal(syscall.SIGSTOP))
	b.leading()
	eventually(w.t, "the second writes", func(context.Context) error {
		if len(audit.done("second", false)) == 0 {
			return errors.New("nothing yet")
		}
		return nil
	})
	holder := w.holder()
	pause.resume <- true
	require.NoError(w.t, a.process.Signal(syscall.SIGCONT))

	a.wait("is lost")
	assert.Equal(w.t, 1, a.end().ExitCode(), "it ends with an error: a kubelet starts it again")
	w.requireAsSpecified(20)
	b.requireAlive()
	assert.Equal(w.t, holder, w.holder(), "the lease is still the second's")
	for _, lease := range audit.done("first", true) {
		assert.NotEmpty(w.t, *lease.holder, "the first gave back what was not its own")
	}
	audit.requireOneAtATime(w, "first", "second")
}

// The leader's process is stopped in the middle of a reconcile, for longer than its lease.
func leaderStoppedWorking(w *world) { takeOver(w, 10, true, isKept) }

// The same while it renews its lease.
func leaderStoppedRenewing(w *world) {
	takeOver(w, 1, false, func(r *http.Request) bool { return isWrite(r) && isLease(r) })
}

// A reconcile is under way when the controller is asked to end: one of its requests takes long. The reconcile is finished,
// the lease is kept until then, and the next leader begins after that.
func shutdownInReconcile(w *world) {
	audit := &ledger{}
	first, second := w.proxy("first", audit), w.proxy("second", audit)
	a := w.start(first.kubeconfig(w)).leading()
	b := w.start(second.kubeconfig(w)).standby()
	pause := first.pauseAt(1, false, func(r *http.Request) bool { return isWrite(r) && strings.Contains(r.URL.Path, "/deployments/") })
	w.create("site-00")
	pause.wait(w)
	require.NoError(w.t, a.process.Signal(syscall.SIGTERM))
	asked := time.Now()
	eventually(w.t, "the lease is renewed twice", func(context.Context) error {
		renewed := 0
		for _, lease := range audit.done("first", true) {
			require.NotEmpty(w.t, *lease.holder, "the lease is given back while a reconcile is under way")
			if lease.sent.After(asked) {
				renewed++
			}
		}
		if renewed < 2 {
			return fmt.Errorf("%d times", renewed)
		}
		return nil
	})
	pause.resume <- true
	b.leading()
	assert.Zero(w.t, a.end().ExitCode())
	w.requireAsSpecified(1)

	audit.requireOneAtATime(w, "first", "second")
	var paths []string
	for _, write := range audit.done("first", false) {
		assert.True(w.t, write.answered.Before(audit.gaveBack(w, "first")), "%s %s after the lease was given back", write.method, write.path)
		paths = append(paths, write.path)
	}
	assert.Contains(w.t, strings.Join(paths, "\n"), "/services/site-00", "what comes after the Deployment")
	assert.Contains(w.t, strings.Join(paths, "\n"), "/websites/site-00/status")
}

// Somebody writes to the children what the controller does not want, for a while.
func anotherWriter(w *world) {
	audit := &ledger{}
	w.start(w.proxy("", audit).kubeconfig(w)).leading()
	w.create(names(10)...)
	w.requireAsSpecified(10)
	before := len(audit.done("", false))

	configMaps, deployments := w.kube.CoreV1().ConfigMaps(w.namespace), w.kube.AppsV1().Deployments(w.namespace)
	services, entries := w.kube.CoreV1().Services(w.namespace), w.kube.CoreV1().ConfigMaps(w.system)
	// Of the two things that say whose an object is, the reference and the label, each loses one at most. One that has lost
	// both is nobody's, and is left alone.
	attacks := []func(name string) error{
		func(name string) error {
			return attack(w, deployments, name, func(d *appsv1.Deployment) { *d.Spec.Replicas = 5 })
		},
		func(name string) error {
			return attack(w, configMaps, name, func(c *corev1.ConfigMap) { c.Data["index.html"] = "no" })
		},
		func(name string) error {
			return attack(w, services, name, func(s *corev1.Service) { delete(s.Labels, controller.LabelOwner) })
		},
		func(name string) error {
			return attack(w, configMaps, name, func(c *corev1.ConfigMap) { c.OwnerReferences = nil })
		},
		func(name string) error {
			return attack(w, entries, name+".example.com", func(c *corev1.ConfigMap) { c.Data["name"] = "no" })
		},
		func(name string) error {
			return attack(w, deployments, name, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "no" })
		},
		func(name string) error {
			return attack(w, services, name, func(s *corev1.Service) { s.Spec.Selector = map[string]string{"no": "no"} })
		},
	}
	const rounds = 10
	for range rounds {
		for i, attack := range attacks {
			require.NoError(w.t, attack(names(10)[i]))
		}
	}
	w.requireAsSpecified(10)
	writes := len(audit.done("", false)) - before
	w.t.Logf("%d writes against %d", writes, rounds*len(attacks))
	// A repair, and for Deployments what their pods' coming and going brings: statuses and events.
	assert.LessOrEqual(w.t, writes, 4*rounds*len(attacks), "the controller does not spin")
}

// attack updates an object, whatever the controller does to it at the same time.
func attack[T any](w *world, client interface {
	Get(context.Context, string, metav1.GetOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
}, name string, change func(T)) error {
	return retry.RetryOnConflict(wait.Backoff{Steps: 100, Duration: time.Millisecond}, func() error {
		object, err := client.Get(w.t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(object)
		_, err = client.Update(w.t.Context(), object, metav1.UpdateOptions{FieldManager: "opponent"})
		return err
	})
}

// All children are deleted, entries of the directory included, some while the controller makes others.
func childrenDeleted(w *world) {
	r := w.start(w.kubeconfig("")).leading()
	deleteAll := func() {
		for _, name := range names(20) {
			errs := []error{
				w.kube.CoreV1().ConfigMaps(w.namespace).Delete(w.t.Context(), name, metav1.DeleteOptions{}),
				w.kube.AppsV1().Deployments(w.namespace).Delete(w.t.Context(), name, metav1.DeleteOptions{}),
				w.kube.CoreV1().Services(w.namespace).Delete(w.t.Context(), name, metav1.DeleteOptions{}),
				w.kube.CoreV1().ConfigMaps(w.system).Delete(w.t.Context(), name+".example.com", metav1.DeleteOptions{}),
			}
			for _, err := range errs {
				if !apierrors.IsNotFound(err) {
					require.NoError(w.t, err)
				}
			}
		}
	}
	w.create(names(20)...)
	deleteAll() // what is there by now
	w.requireAsSpecified(20)
	deleteAll() // everything
	w.requireAsSpecified(20)
	r.requireAlive()
}

// The watches of the children are cut, and told 410 when they come back: what was deleted meanwhile, the controller learns
// from tombstones. The Websites are watched all the time; nothing that happens to them would bring their children back.
func childrenDeletedUnseen(w *world) {
	p := w.proxy("", &ledger{})
	r := w.start(p.kubeconfig(w), "-v", "4").leading()
	w.create(names(4)...)
	w.requireAsSpecified(4)
	deleted := make(chan struct{})
	var gone sync.Map // the kinds that were told 410
	p.breakWith(func(rw http.ResponseWriter, r *http.Request, pass http.Handler) {
		if !isWatch(r) || strings.Contains(r.URL.Path, "/websites") {
			pass.ServeHTTP(rw, r)
			return
		}
		select {
		case <-deleted:
		case <-r.Context().Done():
			return
		}
		if _, told := gone.LoadOrStore(r.URL.Path, true); !told {
			status := apierrors.NewResourceExpired("too old resource version").Status()
			status.Kind, status.APIVersion = "Status", "v1"
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusGone)
			_ = json.NewEncoder(rw).Encode(status)
			return
		}
		pass.ServeHTTP(rw, r)
	})
	p.cutWatches(func(r *http.Request) bool { return !strings.Contains(r.URL.Path, "/websites") })
	ctx := w.t.Context()
	require.NoError(w.t, w.kube.CoreV1().ConfigMaps(w.namespace).Delete(ctx, "site-00", metav1.DeleteOptions{}))
	require.NoError(w.t, w.kube.AppsV1().Deployments(w.namespace).Delete(ctx, "site-01", metav1.DeleteOptions{}))
	require.NoError(w.t, w.kube.CoreV1().Services(w.namespace).Delete(ctx, "site-02", metav1.DeleteOptions{}))
	require.NoError(w.t, w.kube.CoreV1().ConfigMaps(w.system).Delete(ctx, "site-03.example.com", metav1.DeleteOptions{}))
	close(deleted)
	w.requireAsSpecified(4)
	r.requireAlive()
}

// Every request takes half a second, and one of twenty fails: refused by a busy server, or cut off before the server has
// it, or cut off after the server has done it.
func badNetwork(w *world) {
	p := w.proxy("", &ledger{})
	random, mu := random(w.t), sync.Mutex{}
	failed := 0
	p.breakWith(func(rw http.ResponseWriter, r *http.Request, pass http.Handler) {
		select { // the fault itself
		case <-time.After(500 * time.Millisecond):
		case <-r.Context().Done():
		}
		mu.Lock()
		way := random.IntN(60)
		if way < 3 {
			failed++
		}
		mu.Unlock()
		switch {
		case way == 0:
			http.Error(rw, "busy", http.StatusServiceUnavailable)
		case way == 2 && !isWatch(r):
			pass.ServeHTTP(httptest.NewRecorder(), r)
			fallthrough
		case way <= 2:
			reset(rw)
		default:
			pass.ServeHTTP(rw, r)
		}
	})
	start := func() *replica { return w.start(p.kubeconfig(w), "-workers", "10") }
	r := start()
	w.create(names(10)...)
	r = w.requireAsSpecifiedKept(10, r, start)
	for i, name := range names(10) {
		if i < 5 {
			w.change(name, "changed", 1)
		} else {
			w.delete(name)
		}
	}
	w.requireAsSpecifiedKept(5, r, start)
	mu.Lock()
	defer mu.Unlock()
	w.t.Logf("%d requests failed", failed)
	assert.NotZero(w.t, failed)
}

// requireAsSpecifiedKept is requireAsSpecified with a controller that may end, as one does that loses its lease: it is
// started again, as a kubelet would do.
func (w *world) requireAsSpecifiedKept(websites int, r *replica, start func() *replica) *replica {
	w.t.Helper()
	eventually(w.t, "everything is as specified", func(ctx context.Context) error {
		select {
		case <-r.ended:
			r = start()
		default:
		}
		return w.asSpecified(ctx, websites)
	})
	return r
}

// The controller loses the right to write Services, then all rights but those in its own namespace, and gets them back.
func rightsTakenAway(w *world) {
	p := w.proxy("", &ledger{})
	r := w.start(p.kubeconfig(w)).leading()
	w.create("site-00")
	w.requireAsSpecified(1)
	roles, bindings := w.kube.RbacV1().ClusterRoles(), w.kube.RbacV1().ClusterRoleBindings()
	role, err := roles.Get(w.t.Context(), "website-controller", metav1.GetOptions{})
	require.NoError(w.t, err)
	giveBack := func() {
		ctx := context.WithoutCancel(w.t.Context())
		for _, object := range manifests(w.t, "rbac.yaml") {
			require.NoError(w.t, w.apply(ctx, object))
		}
	}
	w.t.Cleanup(giveBack)

	less := role.DeepCopy()
	for i, rule := range less.Rules {
		if strings.Contains(fmt.Sprint(rule.Resources), "services") {
			less.Rules[i].Resources = []string{"configmaps"}
		}
	}
	_, err = roles.Update(w.t.Context(), less, metav1.UpdateOptions{})
	require.NoError(w.t, err)
	require.NoError(w.t, w.kube.CoreV1().Services(w.namespace).Delete(w.t.Context(), "site-00", metav1.DeleteOptions{}))
	w.create("site-01")
	for _, name := range names(2) {
		eventually(w.t, "the status says what is in the way", func(ctx context.Context) error {
			website, err := w.websites.Websites(w.namespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if ready := meta.FindStatusCondition(website.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != controller.ReasonForbidden {
				return fmt.Errorf("it is %v", ready)
			}
			return nil
		})
	}
	giveBack()
	w.requireAsSpecified(2)

	forbidden := r.metric("rest_client_requests_total", `code="403"`, `method="PATCH"`)
	lists := r.metric("rest_client_requests_total", `code="403"`, `method="GET"`)
	require.NoError(w.t, bindings.Delete(w.t.Context(), "website-controller", metav1.DeleteOptions{}))
	w.create("site-02", "site-03")
	w.change("site-00", "changed", 1)
	w.delete("site-01")
	eventually(w.t, "the controller is refused", func(context.Context) error {
		if r.metric("rest_client_requests_total", `code="403"`, `method="PATCH"`) == forbidden {
			return errors.New("not yet")
		}
		return nil
	})
	p.cut() // who watches is not asked for its rights again, before it begins anew
	eventually(w.t, "its watches are refused", func(context.Context) error {
		if r.metric("rest_client_requests_total", `code="403"`, `method="GET"`) == lists {
			return errors.New("not yet")
		}
		return nil
	})
	for _, name := range []string{"site-02", "site-03"} {
		website, err := w.websites.Websites(w.namespace).Get(w.t.Context(), name, metav1.GetOptions{})
		require.NoError(w.t, err)
		assert.Empty(w.t, website.Status.Conditions, "it may not even say so")
	}
	giveBack()
	w.requireAsSpecified(3)
	r.requireAlive()
}

// Whenever one Website is reconciled, the controller panics: here in one of the calls that it makes. The others go on.
func panics(w *world) {
	kube := &panicking{Interface: w.kube, name: "site-03"}
	informers, err := controller.NewInformers(w.kube, w.websites, 0)
	require.NoError(w.t, err)
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: w.kube.EventsV1()})
	defer broadcaster.Shutdown()
	c, err := controller.New(controller.Options{
		Kube: kube, Websites: w.websites, Informers: informers, Directory: w.system, Image: defaultImage,
		Recorder: broadcaster.NewRecorder(controller.Scheme, controller.ReportingController),
	})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(klog.NewContext(w.t.Context(), klog.Logger{}))
	defer informers.Wait()
	informers.Start(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, 2) }()
	defer func() {
		cancel()
		require.NoError(w.t, <-ended)
	}()

	w.create(names(10)...)
	eventually(w.t, "all but one are ready", func(ctx context.Context) error {
		websites, err := w.websites.Websites(w.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, website := range websites.Items {
			if website.Name != kube.name && !meta.IsStatusConditionTrue(website.Status.Conditions, v1alpha1.ConditionReady) {
				return fmt.Errorf("%s is not", website.Name)
			}
		}
		return nil
	})
	eventually(w.t, "it is tried again and again", func(context.Context) error {
		if tries := kube.stop(false); len(tries) < 5 {
			return fmt.Errorf("%d times", len(tries))
		}
		return nil
	})
	tries := kube.stop(true)
	w.requireAsSpecified(10)
	// It waits longer each time: n tries take 5 ms, and 10, and 20, and so on. Events of its children may bring some early.
	assert.GreaterOrEqual(w.t, tries[len(tries)-1].Sub(tries[0]), 5*time.Millisecond<<(len(tries)-3))
}

// panicking is a client that panics when a ConfigMap of a name is applied.
type panicking struct {
	kubernetes.Interface
	name string

	mu      sync.Mutex
	tries   []time.Time
	stopped bool
}

// stop returns when it has panicked so far; with true, it stops doing so.
func (p *panicking) stop(stop bool) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = p.stopped || stop
	return p.tries
}

func (p *panicking) CoreV1() coreclient.CoreV1Interface {
	return panickingCore{p.Interface.CoreV1(), p}
}

type panickingCore struct {
	coreclient.CoreV1Interface
	p *panicking
}

func (c panickingCore) ConfigMaps(namespace string) coreclient.ConfigMapInterface {
	return panickingConfigMaps{c.CoreV1Interface.ConfigMaps(namespace), c.p}
}

type panickingConfigMaps struct {
	coreclient.ConfigMapInterface
	p *panicking
}

func (c panickingConfigMaps) Apply(ctx context.Context, desired *accore.ConfigMapApplyConfiguration, opts metav1.ApplyOptions) (*corev1.ConfigMap, error) {
	if *desired.GetName() == c.p.name {
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		if !c.p.stopped {
			c.p.tries = append(c.p.tries, time.Now())
			panic("a bug")
		}
	}
	return c.ConfigMapInterface.Apply(ctx, desired, opts)
}
