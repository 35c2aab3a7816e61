package controller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"client-go-lab/07-controller/api/v1alpha1"
)

// HandleErrorWithContext logs an error, and holds up whoever has two within a millisecond: by the last one's time, which in a
// synctest bubble is some decades ahead.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil
	os.Exit(m.Run())
}

// What a Website should have.

func TestBuilders(t *testing.T) {
	website := settled(t).website
	deployment := deploymentFor(website, "image:1")
	template := deployment.Spec.Template
	container := template.Spec.Containers[0]

	assert.Equal(t, int32(2), *deployment.Spec.Replicas)
	assert.Equal(t, deployment.Spec.Selector.MatchLabels, template.Labels, "the selector finds the pods, and no other Website's")
	assert.Equal(t, template.Labels, serviceFor(website).Spec.Selector, "and so does the Service")
	assert.NotContains(t, template.Labels, LabelOwner, "a label of the selector can never change: a Website made anew has another UID")
	assert.Equal(t, *container.Ports[0].Name, serviceFor(website).Spec.Ports[0].TargetPort.StrVal)
	assert.Equal(t, *container.Ports[0].Name, container.ReadinessProbe.HTTPGet.Port.StrVal)
	assert.Equal(t, "image:1", *container.Image)
	assert.Equal(t, website.Name, *template.Spec.Volumes[0].ConfigMap.Name)
	assert.Equal(t, *template.Spec.Volumes[0].Name, *container.VolumeMounts[0].Name)

	// What the Pod Security Standard "restricted" asks for.
	assert.True(t, *template.Spec.SecurityContext.RunAsNonRoot)
	assert.NotZero(t, *template.Spec.SecurityContext.RunAsUser)
	assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, *template.Spec.SecurityContext.SeccompProfile.Type)
	assert.False(t, *container.SecurityContext.AllowPrivilegeEscalation)
	assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
	assert.Equal(t, []corev1.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop)
	assert.False(t, *template.Spec.AutomountServiceAccountToken)
	assert.Contains(t, *container.Resources.Limits, corev1.ResourceMemory)

	for _, child := range []struct {
		labels map[string]string
		owners int
	}{
		{configMapFor(website).Labels, len(configMapFor(website).OwnerReferences)},
		{deployment.Labels, len(deployment.OwnerReferences)},
		{serviceFor(website).Labels, len(serviceFor(website).OwnerReferences)},
	} {
		assert.Equal(t, map[string]string{
			"lab.example.com/website": "blog", "lab.example.com/owner-uid": "blog-uid", "app.kubernetes.io/managed-by": "website-controller",
		}, child.labels)
		assert.Equal(t, 1, child.owners)
	}
	owner := ownerReference(website)
	assert.Equal(t, "lab.example.com/v1alpha1", *owner.APIVersion)
	assert.Equal(t, "Website", *owner.Kind)
	assert.Equal(t, website.Name, *owner.Name)
	assert.Equal(t, website.UID, *owner.UID)
	assert.True(t, *owner.Controller)
	assert.Nil(t, owner.BlockOwnerDeletion)

	entry := entryFor(website, directory)
	assert.Equal(t, website.Spec.Host, *entry.Name)
	assert.Equal(t, directory, *entry.Namespace)
	assert.Empty(t, entry.OwnerReferences, "to the garbage collector, an owner in another namespace is one that does not exist")
	assert.Equal(t, string(website.UID), entry.Labels[LabelOwner])
	assert.Equal(t, map[string]string{"namespace": "web", "name": "blog"}, entry.Data)
}

func TestNewPageMakesNewPods(t *testing.T) {
	website := settled(t).website
	annotation := func() string {
		return deploymentFor(website, "image:1").Spec.Template.Annotations[annotationPage]
	}
	first := annotation()
	assert.Equal(t, map[string]string{"index.html": "<h1>Hello</h1>"}, configMapFor(website).Data)
	*website.Spec.Replicas = 5
	assert.Equal(t, first, annotation(), "a Deployment that grows keeps its pods")
	website.Spec.HTML = "<h1>Bye</h1>"
	assert.NotEqual(t, first, annotation())
	website.Spec.HTML, website.Spec.Text = "", "Hello"
	assert.Equal(t, map[string]string{"index.txt": "Hello"}, configMapFor(website).Data)
	assert.NotEqual(t, first, annotation())
}

func TestReplicas(t *testing.T) {
	three, zero := int32(3), int32(0)
	for want, spec := range map[int32]v1alpha1.WebsiteSpec{3: {Replicas: &three}, 1: {}} {
		assert.Equal(t, want, replicas(&v1alpha1.Website{Spec: spec}))
	}
	assert.Zero(t, replicas(&v1alpha1.Website{Spec: v1alpha1.WebsiteSpec{Replicas: &zero}}))
	assert.Zero(t, replicas(&v1alpha1.Website{Spec: v1alpha1.WebsiteSpec{Replicas: &three, Suspend: true}}))
}

func TestOwns(t *testing.T) {
	website := settled(t).website
	for name, c := range map[string]struct {
		change func(*corev1.ConfigMap)
		want   bool
	}{
		"a child":                               {func(*corev1.ConfigMap) {}, true},
		"the reference alone":                   {func(o *corev1.ConfigMap) { o.Labels = nil }, true},
		"the label alone":                       {func(o *corev1.ConfigMap) { o.OwnerReferences = nil }, true},
		"neither":                               {func(o *corev1.ConfigMap) { foreign(o) }, false},
		"an earlier Website's":                  {func(o *corev1.ConfigMap) { otherOwner(o) }, false},
		"another controller's, whatever labels": {func(o *corev1.ConfigMap) { o.OwnerReferences[0].UID = "x" }, false},
		"an owner that does not control": {func(o *corev1.ConfigMap) {
			o.Labels, o.OwnerReferences[0].Controller = nil, nil
		}, false},
		"the name in a label": {func(o *corev1.ConfigMap) { foreign(o); o.Labels = map[string]string{LabelWebsite: "blog"} }, false},
	} {
		object := settled(t).configMap
		c.change(object)
		assert.Equal(t, c.want, owns(website, object), name)
	}
}

// The status.

func TestStatusOf(t *testing.T) {
	hour := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) // before any test
	good, gone := settled(t), &problem{reason: ReasonHostTaken, message: "taken"}
	refused := func(kind string, id int) *problem {
		return problemOf(fmt.Errorf("apply the %s: %w", kind, apierrors.NewBadRequest(fmt.Sprintf("denied (request %d)", id))))
	}
	refusedBefore := func(generation int64) func(*state) {
		return func(s *state) {
			s.website.Generation = generation
			s.website.Status = statusOf(s.website, seen{claimed: true}, refused("Service", 1))
		}
	}
	for name, c := range map[string]struct {
		change                 func(*state)
		seen                   seen
		problem                *problem
		claimed, ready         string // status and reason
		message                string
		url                    string
		available              int32
		newReady, newClaimed   bool // the condition's time is new
		noCondition, suspended bool
	}{
		"the same": {
			seen: seen{true, good.deployment}, claimed: "True/Claimed", ready: "True/Available",
			message: "2 of 2 replicas are available", url: "http://blog.example.com/", available: 2,
		},
		"nothing yet": {
			change: func(s *state) { s.website.Status = v1alpha1.WebsiteStatus{} },
			seen:   seen{true, nil}, claimed: "True/Claimed", ready: "False/Progressing",
			message: "0 of 2 replicas are available", url: "http://blog.example.com/", newReady: true, newClaimed: true,
		},
		"another reason, the same status: the same time": {
			change: func(s *state) {
				meta.FindStatusCondition(s.website.Status.Conditions, v1alpha1.ConditionReady).Status = metav1.ConditionFalse
			},
			seen: seen{true, good.deployment}, problem: &problem{reason: ReasonNameTaken, message: "taken"},
			claimed: "True/Claimed", ready: "False/NameTaken", message: "taken", url: "http://blog.example.com/", available: 2,
		},
		"the host is lost": {
			seen: seen{false, good.deployment}, problem: gone,
			claimed: "False/HostTaken", ready: "False/HostTaken", message: "taken", available: 2, newReady: true, newClaimed: true,
		},
		"invalid, and the Deployment is gone": {
			seen: seen{true, nil}, problem: &problem{reason: ReasonInvalid, message: "no"},
			claimed: "True/Claimed", ready: "False/Invalid", message: "no", url: "http://blog.example.com/", newReady: true,
		},
		"the same refusal in other words: no news": {
			change: refusedBefore(9), seen: seen{claimed: true}, problem: refused("Service", 2), claimed: "True/Claimed",
			ready: "False/Invalid", message: "apply the Service: denied (request 1)", url: "http://blog.example.com/",
		},
		"a refusal of a new generation": {
			change: refusedBefore(8), seen: seen{claimed: true}, problem: refused("Service", 2), claimed: "True/Claimed",
			ready: "False/Invalid", message: "apply the Service: denied (request 2)", url: "http://blog.example.com/",
		},
		"a refusal of something else": {
			change: refusedBefore(9), seen: seen{claimed: true}, problem: refused("Deployment", 2), claimed: "True/Claimed",
			ready: "False/Invalid", message: "apply the Deployment: denied (request 2)", url: "http://blog.example.com/",
		},
		"suspended": {
			change: func(s *state) { s.website.Spec.Suspend = true },
			seen:   seen{true, &appsv1.Deployment{}}, claimed: "True/Claimed", ready: "False/Suspended",
			message: "suspended: no pods run", url: "http://blog.example.com/", newReady: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := settled(t)
			if c.change != nil {
				c.change(s)
			}
			s.website.Generation = 9
			for i := range s.website.Status.Conditions {
				s.website.Status.Conditions[i].LastTransitionTime = hour
			}
			before := s.website.DeepCopy()
			status := statusOf(s.website, c.seen, c.problem)
			assert.Equal(t, before, s.website, "a pure function")

			assert.Equal(t, int64(9), status.ObservedGeneration)
			assert.Equal(t, c.url, status.URL)
			assert.Equal(t, c.available, status.AvailableReplicas)
			for condition, want := range map[string]struct {
				value string
				isNew bool
			}{v1alpha1.ConditionReady: {c.ready, c.newReady}, v1alpha1.ConditionHostClaimed: {c.claimed, c.newClaimed}} {
				got := meta.FindStatusCondition(status.Conditions, condition)
				require.NotNil(t, got)
				assert.Equal(t, want.value, string(got.Status)+"/"+got.Reason)
				assert.Equal(t, int64(9), got.ObservedGeneration)
				assert.Equal(t, want.isNew, !got.LastTransitionTime.Equal(&hour), "%s: the time changes with the status only", condition)
			}
			assert.Equal(t, c.message, meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady).Message)
		})
	}
}

func TestCut(t *testing.T) {
	assert.Equal(t, "short", cut("short", 5))
	assert.Equal(t, "sho...", cut("shorter", 6))
	assert.Equal(t, "网...", cut("网站网站", 8), "between two characters, of three bytes each")
	long := statusOf(settled(t).website, seen{}, &problem{reason: ReasonInvalid, message: strings.Repeat("x", 40000)})
	assert.Len(t, meta.FindStatusCondition(long.Conditions, v1alpha1.ConditionReady).Message, messageLimit)
}

func TestRolledOut(t *testing.T) {
	assert.False(t, rolledOut(nil, 0))
	for name, c := range map[string]struct {
		change func(*appsv1.Deployment)
		want   int32
		is     bool
	}{
		"done":                        {func(*appsv1.Deployment) {}, 2, true},
		"nothing is wanted":           {func(d *appsv1.Deployment) { d.Status = appsv1.DeploymentStatus{ObservedGeneration: 1} }, 0, true},
		"an old view":                 {func(d *appsv1.Deployment) { d.Generation = 2 }, 2, false},
		"one pod of the old template": {func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 1 }, 2, false},
		"one pod too many":            {func(d *appsv1.Deployment) { d.Status.Replicas = 3 }, 2, false},
		"one pod is not available":    {func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 1 }, 2, false},
		"more are wanted":             {func(*appsv1.Deployment) {}, 3, false},
	} {
		deployment := settled(t).deployment
		c.change(deployment)
		assert.Equal(t, c.is, rolledOut(deployment, c.want), name)
	}
}

func TestProblemOf(t *testing.T) {
	own := &problem{reason: ReasonNameTaken, message: "it is there"}
	assert.Equal(t, "NameTaken: it is there", own.Error())
	for name, c := range map[string]struct {
		err    error
		reason string // "": trying again may help
	}{
		"none":               {nil, ""},
		"ours":               {own, ReasonNameTaken},
		"invalid":            {errInvalid, ReasonInvalid},
		"a bad request":      {apierrors.NewBadRequest("no"), ReasonInvalid},
		"too large":          {apierrors.NewRequestEntityTooLargeError("no"), ReasonInvalid},
		"forbidden":          {errForbidden, ReasonForbidden},
		"a conflict":         {errConflict, ""},
		"not found":          {errGone, ""},
		"internal":           {errServer, ""},
		"too many":           {apierrors.NewTooManyRequests("slow down", 1), ""},
		"unauthorized":       {apierrors.NewUnauthorized("who?"), ""},
		"no answer":          {errTimeout, ""},
		"server timeout":     {apierrors.NewServerTimeout(configMapsGR, "patch", 1), ""},
		"service unavaiable": {apierrors.NewServiceUnavailable("down"), ""},
	} {
		err := c.err
		if err != nil {
			err = errors.Join(err) // wrapped, as keep does it
		}
		p := problemOf(err)
		if c.reason == "" {
			assert.Nil(t, p, name)
			continue
		}
		require.NotNil(t, p, name)
		assert.Equal(t, c.reason, p.reason, name)
		if p != own {
			assert.ErrorIs(t, p, c.err, "%s: what the server said can be found", name)
		}
	}
}

// The caches.

func TestSlim(t *testing.T) {
	others := metav1.ManagedFieldsEntry{Manager: "kubectl"}
	for name, object := range map[string]metav1.Object{
		"ConfigMap": settled(t).configMap, "Deployment": settled(t).deployment, "Service": settled(t).service, "entry": settled(t).entry, "Website": settled(t).website,
	} {
		t.Run("ours: "+name, func(t *testing.T) {
			object.SetManagedFields(append([]metav1.ManagedFieldsEntry{}, object.GetManagedFields()...))
			want := object.(runtime.Object).DeepCopyObject()
			object.SetManagedFields(append(object.GetManagedFields(), others))
			for range 2 { // a transform may see an object twice
				got, err := slim(object)
				require.NoError(t, err)
				assert.Equal(t, want, got)
			}
		})
	}
	labelled := settled(t).configMap
	labelled.OwnerReferences = nil
	got, err := slim(labelled.DeepCopy())
	require.NoError(t, err)
	assert.Equal(t, labelled, got, "a child that lost its owner is still ours")

	rest := metav1.ObjectMeta{Namespace: "web", Name: "blog", UID: "u", ResourceVersion: "7", OwnerReferences: []metav1.OwnerReference{{Kind: "Other", UID: "o"}}}
	full := *rest.DeepCopy()
	full.Labels, full.Annotations, full.ManagedFields = map[string]string{"a": "b"}, map[string]string{"c": "d"}, []metav1.ManagedFieldsEntry{others}
	for name, c := range map[string]struct{ object, want any }{
		"ConfigMap":  {&corev1.ConfigMap{ObjectMeta: full, Data: map[string]string{"big": "data"}}, &corev1.ConfigMap{ObjectMeta: rest}},
		"Deployment": {&appsv1.Deployment{ObjectMeta: full, Spec: appsv1.DeploymentSpec{Paused: true}}, &appsv1.Deployment{ObjectMeta: rest}},
		"Service":    {&corev1.Service{ObjectMeta: full, Spec: corev1.ServiceSpec{ClusterIP: "None"}}, &corev1.Service{ObjectMeta: rest}},
	} {
		got := c.object
		for range 2 {
			got, err = slim(got)
			require.NoError(t, err)
			assert.Equal(t, c.want, got, "not ours: "+name)
		}
	}
	got, err = slim("no metadata")
	require.NoError(t, err)
	assert.Equal(t, "no metadata", got)
}

func TestIsWebsite(t *testing.T) {
	assert.True(t, isWebsite(&metav1.OwnerReference{APIVersion: "lab.example.com/v2", Kind: "Website"}), "of whatever version")
	assert.False(t, isWebsite(&metav1.OwnerReference{APIVersion: "lab.example.com/v1alpha1", Kind: "Shop"}))
	assert.False(t, isWebsite(&metav1.OwnerReference{APIVersion: "example.com/v1alpha1", Kind: "Website"}))
}

// From events to keys.

// queued takes all keys out of the queue.
func (f *fixture) queued() (keys []string) {
	for f.c.queue.Len() > 0 {
		key, _ := f.c.queue.Get()
		f.c.queue.Done(key)
		keys = append(keys, key.String())
	}
	slices.Sort(keys)
	return keys
}

func TestEnqueueOwner(t *testing.T) {
	s := settled(t)
	f := newFixture(t, s, s)
	waiting := s.website.DeepCopy() // for the same host, in another namespace
	waiting.Namespace, waiting.Name, waiting.UID = "shop", "front", "front-uid"
	require.NoError(t, f.c.informers.websites.GetIndexer().Add(waiting))

	child := s.configMap.DeepCopy()
	child.Name = "whatever"
	f.c.enqueueOwner(child)
	assert.Equal(t, []string{"web/blog"}, f.queued(), "by the owner reference, not by the name")

	f.c.enqueueOwner(s.entry)
	assert.Equal(t, []string{"shop/front", "web/blog"}, f.queued(), "an entry matters to all who want its host")

	other := s.configMap.DeepCopy()
	foreign(other)
	f.c.enqueueOwner(other)
	assert.Equal(t, []string{"web/blog"}, f.queued(), "somebody else's object has a name that a Website wants")
	other.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "x", Controller: new(bool)}}
	*other.OwnerReferences[0].Controller = true
	f.c.enqueueOwner(other)
	assert.Equal(t, []string{"web/blog"}, f.queued(), "also when it has a controller of another kind")

	other.Name = "nobody"
	f.c.enqueueOwner(other)
	other.Namespace = directory
	f.c.enqueueOwner(other)
	assert.Empty(t, f.queued(), "nobody wants the name")
}

func TestChildHandler(t *testing.T) {
	s := settled(t)
	f := newFixture(t, s, s)
	handler := childHandler[*corev1.ConfigMap](f.c)

	handler.OnAdd(s.configMap, false)
	assert.Equal(t, []string{"web/blog"}, f.queued())
	handler.OnUpdate(s.configMap, s.configMap)
	assert.Empty(t, f.queued(), "a resync of a child says nothing new")
	changed := s.configMap.DeepCopy()
	changed.ResourceVersion = "8"
	handler.OnUpdate(s.configMap, changed)
	assert.Equal(t, []string{"web/blog"}, f.queued())

	child := s.configMap.DeepCopy()
	child.Name = "renamed"
	handler.OnDelete(cache.DeletedObject[*corev1.ConfigMap]{OptionalObj: child})
	assert.Equal(t, []string{"web/blog"}, f.queued(), "by the owner reference")
}

// Tombstones come from a relist; here they come as the informer hands them out.
func TestTombstones(t *testing.T) {
	s := settled(t)
	f := newFixture(t, s, s)
	for name, deleted := range map[string]any{
		"with its last known state": cache.DeletedFinalStateUnknown{Key: "web/blog", Obj: s.service},
		"with its name alone":       cache.DeletedFinalStateUnknown{Key: "web/blog"},
	} {
		untyped := untypedHandler[*corev1.Service](f, childHandler[*corev1.Service](f.c))
		untyped.OnDelete(deleted)
		assert.Equal(t, []string{"web/blog"}, f.queued(), name)

		careless := cache.ResourceEventHandlerFuncs{DeleteFunc: func(object any) { _ = object.(*corev1.Service) }}
		assert.PanicsWithError(t, "interface conversion: interface {} is cache.DeletedFinalStateUnknown, not *v1.Service",
			func() { careless.OnDelete(deleted) }, name)
	}
	untyped := untypedHandler[*corev1.ConfigMap](f, childHandler[*corev1.ConfigMap](f.c))
	untyped.OnDelete(cache.DeletedFinalStateUnknown{Key: directory + "/blog.example.com"})
	assert.Equal(t, []string{"web/blog"}, f.queued(), "an entry: by its host")
}

// untypedHandler returns what the informer calls for a typed handler.
func untypedHandler[T interface {
	comparable
	runtime.Object
	metav1.Object
}](f *fixture, handler cache.TypedResourceEventHandler[T]) cache.ResourceEventHandler {
	f.t.Helper()
	caught := &catchHandler{}
	_, err := cache.NewTypedSharedIndexInformer[T](caught).AddTypedEventHandler(handler)
	require.NoError(f.t, err)
	return caught.handler
}

type catchHandler struct {
	cache.SharedIndexInformer
	handler cache.ResourceEventHandler
}

func (c *catchHandler) AddEventHandlerWithOptions(handler cache.ResourceEventHandler, _ cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	c.handler = handler
	return nil, nil
}

// The queue.

// quiet is a context without a logger: what is logged is expected.
func quiet(t *testing.T) context.Context { return klog.NewContext(t.Context(), klog.Logger{}) }

func TestProcessNextWorkItem(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		result   string
		requeues int
	}{
		"done":     {nil, "done", 0},
		"conflict": {errConflict, "conflict", 1},
		"error":    {errServer, "error", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, &state{}, &state{})
				defer f.c.queue.ShutDown()
				var results []string
				f.c.observe = func(result string) { results = append(results, result) }
				f.c.reconcileOne = func(ctx context.Context, got cache.ObjectName) error {
					assert.Equal(t, key, got)
					_, limited := ctx.Deadline()
					assert.True(t, limited, "no reconcile may take for ever")
					return c.err
				}
				f.c.queue.Add(key)
				require.True(t, f.c.processNextWorkItem(quiet(t)))
				assert.Equal(t, []string{c.result}, results)
				assert.Equal(t, c.requeues, f.c.queue.NumRequeues(key))
				assert.Zero(t, f.c.queue.Len(), "a failed key waits")
				if c.err == nil {
					return
				}
				// The waits: 5 ms, 10 ms, ..., at most a minute. The clock is the bubble's.
				for i := range 20 {
					start := time.Now()
					require.True(t, f.c.processNextWorkItem(quiet(t)))
					assert.Equal(t, min(retryFirst<<i, retryMost), time.Since(start))
				}
				// The first success forgets.
				c.err = nil
				require.True(t, f.c.processNextWorkItem(quiet(t)))
				assert.Zero(t, f.c.queue.NumRequeues(key))
			})
		})
	}
}

func TestFailuresOfOneDoNotDelayTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, &state{}, &state{})
		defer f.c.queue.ShutDown()
		start := time.Now()
		for i := range 1000 { // far more than the bucket of DefaultTypedControllerRateLimiter holds
			f.c.queue.AddRateLimited(cache.NewObjectName("web", strings.Repeat("x", i+1)))
		}
		f.c.queue.AddRateLimited(key)
		for {
			got, _ := f.c.queue.Get()
			f.c.queue.Done(got)
			if got == key {
				break
			}
		}
		assert.Equal(t, retryFirst, time.Since(start))
	})
}

// A panic is an error of its key: it is tried again, and the other keys do not notice.
func TestPanicIsAnErrorOfItsKey(t *testing.T) {
	f := newFixture(t, &state{}, &state{})
	f.c.reconcileOne = func(_ context.Context, got cache.ObjectName) error {
		if got == key {
			var website *v1alpha1.Website
			website.Name = "nil"
		}
		return nil
	}
	err := f.c.withoutPanic(quiet(t), key)
	require.ErrorContains(t, err, "panic: runtime error: invalid memory address or nil pointer dereference")
	assert.Contains(t, err.Error(), "controller_units_test.go", "with the stack: it is a bug")

	var results []string
	f.c.observe = func(result string) { results = append(results, result) }
	f.c.queue.Add(key)
	f.c.queue.Add(cache.NewObjectName("web", "other"))
	require.True(t, f.c.processNextWorkItem(quiet(t)))
	require.True(t, f.c.processNextWorkItem(quiet(t)))
	assert.Equal(t, []string{"error", "done"}, results)
	assert.Equal(t, 1, f.c.queue.NumRequeues(key))
}

// Run.

// running starts the informers and Run, and returns what ends Run and what waits for its end.
func (f *fixture) running(workers int) (stop func(), wait func() error) {
	ctx, cancel := context.WithCancel(quiet(f.t))
	around, stopInformers := context.WithCancel(quiet(f.t))
	f.c.informers.Start(around)
	ended := make(chan error, 1)
	go func() { ended <- f.c.Run(ctx, workers) }()
	return cancel, sync.OnceValue(func() error {
		cancel()
		err := <-ended
		stopInformers()
		f.c.informers.Wait()
		return err
	})
}

// withoutServices makes the server refuse to list Services, until the returned function is called. (To block in the reaction
// would block all requests: a fake has one lock.)
func (f *fixture) withoutServices() (allow func()) {
	var allowed atomic.Bool
	f.kube.PrependReactor("list", "services", func(clienttesting.Action) (bool, runtime.Object, error) {
		return !allowed.Load(), nil, errServer
	})
	return func() { allowed.Store(true) }
}

func TestRunDoesNotWorkBeforeItHasSeenAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, &state{}, settled(t))
		allow := f.withoutServices()
		var reconciled atomic.Int32
		f.c.reconcileOne = func(context.Context, cache.ObjectName) error {
			assert.True(t, f.c.HasSynced())
			reconciled.Add(1)
			return nil
		}
		_, wait := f.running(2)
		synctest.Wait() // until all goroutines wait: the other three kinds are there
		assert.False(t, f.c.HasSynced())
		assert.Zero(t, reconciled.Load(), "nothing is done while the Services are not there")
		assert.Equal(t, 1, f.c.queue.Len(), "the key waits")
		allow()
		for _, handler := range f.c.handlers {
			<-handler.Done()
		}
		synctest.Wait()
		assert.True(t, f.c.HasSynced())
		assert.NotZero(t, reconciled.Load())
		require.NoError(t, wait())
	})
}

func TestRunEndsWhileItWaitsForTheCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, &state{}, &state{})
		f.withoutServices()
		stop, wait := f.running(2)
		synctest.Wait()
		stop()
		synctest.Wait()
		assert.True(t, f.c.queue.ShuttingDown(), "a queue that is not shut down keeps a goroutine")
		require.ErrorIs(t, wait(), context.Canceled)
	})
}

// Ctrl-C: the key that is being worked on is finished, the ones that wait are dropped, and nothing new is taken.
func TestRunFinishesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, &state{}, &state{})
		var done []string
		release := make(chan struct{})
		f.c.reconcileOne = func(ctx context.Context, key cache.ObjectName) error {
			<-release
			assert.NoError(t, ctx.Err(), "requests of a reconcile under way may still be sent")
			done = append(done, key.Name)
			return nil
		}
		stop, wait := f.running(1)
		synctest.Wait()
		f.c.queue.Add(cache.NewObjectName("web", "first"))
		synctest.Wait()
		f.c.queue.Add(cache.NewObjectName("web", "second"))
		stop()
		synctest.Wait()
		f.c.queue.Add(cache.NewObjectName("web", "third"))
		close(release)
		require.NoError(t, wait())
		assert.Equal(t, []string{"first"}, done)
	})
}

// A reconcile that does not end is cut off, so that Run does.
func TestRunWaitsOnlySoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, &state{}, &state{})
		f.c.reconcileOne = func(ctx context.Context, _ cache.ObjectName) error {
			<-ctx.Done()
			return ctx.Err()
		}
		stop, wait := f.running(1)
		synctest.Wait()
		f.c.queue.Add(key)
		synctest.Wait()
		start := time.Now()
		stop()
		require.NoError(t, wait())
		assert.Equal(t, drainLimit, time.Since(start))
	})
}

// The whole, on the fakes: from a Website to its children.
func TestRunOnFakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		website := settled(t).website
		website.Status, website.Finalizers = v1alpha1.WebsiteStatus{}, nil
		f := newFixture(t, &state{}, &state{website: website})
		_, wait := f.running(4)
		synctest.Wait()
		require.NoError(t, wait())
		got, err := f.websites.Websites("web").Get(t.Context(), "blog", metav1.GetOptions{})
		require.NoError(t, err)
		assert.Equal(t, []string{Finalizer}, got.Finalizers)
		assert.True(t, meta.IsStatusConditionTrue(got.Status.Conditions, v1alpha1.ConditionHostClaimed))
		_, err = f.kube.CoreV1().Services("web").Get(t.Context(), "blog", metav1.GetOptions{})
		require.NoError(t, err)
	})
}

// A copy of what client-go sends: the hand-written client.
func TestNewClient(t *testing.T) {
	_, err := NewClient(&rest.Config{Host: "http://[bad"})
	require.Error(t, err)
	config := &rest.Config{Host: "http://example.com"}
	client, err := NewClient(config)
	require.NoError(t, err)
	assert.NotNil(t, client.Websites("web"))
	assert.Empty(t, config.APIPath, "the caller's config is the caller's")
}

func TestNewAfterTheInformersHaveEnded(t *testing.T) {
	f := newFixture(t, &state{}, &state{})
	ctx, cancel := context.WithCancel(quiet(t))
	f.c.informers.Start(ctx)
	cancel()
	f.c.informers.Wait()
	_, err := New(Options{Kube: f.kube, Websites: f.websites, Informers: f.c.informers})
	require.ErrorContains(t, err, "register the handlers: ")
}
