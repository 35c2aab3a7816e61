package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"

	"client-go-lab/07-controller/api/v1alpha1"
)

// Reconcile as a table: what is in the caches and on the server goes in, what is asked of the server comes out. The fake
// clientset has a server-side apply that tracks managed fields, which is what keep needs. It knows no resourceVersions, no
// UIDs and no rights: those errors are injected here, TestFakeLies shows that it has to be so, and features_test.go, one
// directory up, asks the real server.

const directory = "system"

// state is one Website and what it has.
type state struct {
	website          *v1alpha1.Website
	entry, configMap *corev1.ConfigMap
	deployment       *appsv1.Deployment
	service          *corev1.Service
}

// settled is a state with nothing left to do. The objects were applied, as the controller does it.
func settled(t *testing.T) *state {
	t.Helper()
	replicas := int32(2)
	website := &v1alpha1.Website{
		ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "blog", UID: "blog-uid", ResourceVersion: "5", Generation: 2, Finalizers: []string{Finalizer}},
		Spec:       v1alpha1.WebsiteSpec{Host: "blog.example.com", HTML: "<h1>Hello</h1>", Replicas: &replicas},
	}
	s := &state{website: website}
	kube, opts := fake.NewClientset(), metav1.ApplyOptions{FieldManager: FieldManager}
	var err error
	s.entry, err = kube.CoreV1().ConfigMaps(directory).Apply(t.Context(), entryFor(website, directory), opts)
	require.NoError(t, err)
	s.configMap, err = kube.CoreV1().ConfigMaps("web").Apply(t.Context(), configMapFor(website), opts)
	require.NoError(t, err)
	s.deployment, err = kube.AppsV1().Deployments("web").Apply(t.Context(), deploymentFor(website, "image:1"), opts)
	require.NoError(t, err)
	s.service, err = kube.CoreV1().Services("web").Apply(t.Context(), serviceFor(website), opts)
	require.NoError(t, err)
	for uid, object := range map[types.UID]metav1.Object{
		"entry-uid": s.entry, "configmap-uid": s.configMap, "deployment-uid": s.deployment, "service-uid": s.service,
	} {
		object.SetUID(uid)
		object.SetResourceVersion("7")
	}
	s.deployment.Generation = 1
	s.deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2}
	website.Status = statusOf(website, seen{claimed: true, deployment: s.deployment}, nil)
	return s
}

func (s *state) copy() *state {
	return &state{s.website.DeepCopy(), s.entry.DeepCopy(), s.configMap.DeepCopy(), s.deployment.DeepCopy(), s.service.DeepCopy()}
}

// objects are all but the Website.
func (s *state) objects() (objects []runtime.Object) {
	if s.entry != nil {
		objects = append(objects, s.entry)
	}
	if s.configMap != nil {
		objects = append(objects, s.configMap)
	}
	if s.deployment != nil {
		objects = append(objects, s.deployment)
	}
	if s.service != nil {
		objects = append(objects, s.service)
	}
	return objects
}

// fakeWebsites is a fake for the hand-written client, made of the same parts as the fakes that code-generator writes.
type fakeWebsites struct {
	clienttesting.Fake
}

func newFakeWebsites(t *testing.T, websites ...*v1alpha1.Website) *fakeWebsites {
	t.Helper()
	tracker := clienttesting.NewObjectTracker(Scheme, serializer.NewCodecFactory(Scheme).UniversalDecoder())
	f := &fakeWebsites{}
	f.AddReactor("*", "*", clienttesting.ObjectReaction(tracker))
	f.AddWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		w, err := tracker.Watch(action.GetResource(), action.GetNamespace())
		return true, w, err
	})
	for _, website := range websites {
		require.NoError(t, tracker.Add(website))
	}
	return f
}

// IsWatchListSemanticsUnSupported tells an informer that this fake never says that its list is complete.
func (f *fakeWebsites) IsWatchListSemanticsUnSupported() bool { return true }

func (f *fakeWebsites) Websites(namespace string) WebsiteClient {
	return gentype.NewFakeClientWithList(&f.Fake, namespace,
		v1alpha1.GroupVersion.WithResource("websites"), v1alpha1.GroupVersion.WithKind("Website"),
		func() *v1alpha1.Website { return &v1alpha1.Website{} },
		func() *v1alpha1.WebsiteList { return &v1alpha1.WebsiteList{} },
		func(to, from *v1alpha1.WebsiteList) { to.ListMeta = from.ListMeta },
		func(list *v1alpha1.WebsiteList) []*v1alpha1.Website { return gentype.ToPointerSlice(list.Items) },
		func(list *v1alpha1.WebsiteList, items []*v1alpha1.Website) {
			list.Items = gentype.FromPointerSlice(items)
		},
	)
}

// fixture is a controller between caches that the test fills and fakes of the server.
type fixture struct {
	t        *testing.T
	kube     *fake.Clientset
	websites *fakeWebsites
	recorder *events.FakeRecorder
	c        *Controller

	mu      sync.Mutex // the two fakes have a lock each
	actions []string   // what was asked of the server, in order

	later *laterQueue
}

// laterQueue remembers how late a key was to come back, and brings none back.
type laterQueue struct {
	workqueue.TypedRateLimitingInterface[cache.ObjectName]
	after []time.Duration
}

func (q *laterQueue) AddAfter(_ cache.ObjectName, after time.Duration) {
	q.after = append(q.after, after)
}

// newFixture makes one. Its informers do not run unless the test starts them.
func newFixture(t *testing.T, cached, served *state) *fixture {
	t.Helper()
	f := &fixture{t: t, kube: fake.NewClientset(served.objects()...), websites: newFakeWebsites(t), recorder: events.NewFakeRecorder(10)}
	if served.website != nil {
		f.websites = newFakeWebsites(t, served.website)
	}
	informers, err := NewInformers(f.kube, f.websites, 0)
	require.NoError(t, err)
	f.c, err = New(Options{
		Kube: f.kube, Websites: f.websites, Informers: informers, Recorder: f.recorder, Directory: directory, Image: "image:1",
	})
	require.NoError(t, err)
	f.later = &laterQueue{TypedRateLimitingInterface: f.c.queue}
	f.c.queue = f.later
	t.Cleanup(f.c.queue.ShutDown)
	if cached.website != nil {
		require.NoError(t, informers.websites.GetIndexer().Add(cached.website))
	}
	for _, object := range cached.objects() {
		slimmed, err := slim(object)
		require.NoError(t, err)
		switch slimmed.(type) {
		case *corev1.ConfigMap:
			err = informers.configMaps.Informer().GetIndexer().Add(slimmed)
		case *appsv1.Deployment:
			err = informers.deployments.Informer().GetIndexer().Add(slimmed)
		case *corev1.Service:
			err = informers.services.Informer().GetIndexer().Add(slimmed)
		}
		require.NoError(t, err)
	}
	record := func(action clienttesting.Action) (bool, runtime.Object, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.actions = append(f.actions, describe(action))
		return false, nil, nil
	}
	f.kube.PrependReactor("*", "*", record)
	f.websites.PrependReactor("*", "*", record)
	return f
}

// fail makes the requests fail whose description begins so. They are recorded all the same.
func (f *fixture) fail(action string, err error) {
	reaction := func(a clienttesting.Action) (bool, runtime.Object, error) {
		if description := describe(a); strings.HasPrefix(description, action) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.actions = append(f.actions, description)
			return true, nil, err
		}
		return false, nil, nil
	}
	f.kube.PrependReactor("*", "*", reaction)
	f.websites.PrependReactor("*", "*", reaction)
}

// describe says in a line what a request asks for.
func describe(action clienttesting.Action) string {
	resource := action.GetResource().Resource
	if action.GetSubresource() != "" {
		resource += "/" + action.GetSubresource()
	}
	line := func(verb, name, rest string) string {
		return strings.TrimSpace(fmt.Sprintf("%s %s %s/%s %s", verb, resource, action.GetNamespace(), name, rest))
	}
	switch action := action.(type) {
	case clienttesting.GetActionImpl:
		return line("get", action.Name, "")
	case clienttesting.DeleteActionImpl:
		return line("delete", action.Name, "uid="+string(*action.DeleteOptions.Preconditions.UID))
	case clienttesting.PatchActionImpl:
		if action.PatchType != types.ApplyPatchType {
			return line("patch", action.Name, string(action.Patch))
		}
		var object metav1.PartialObjectMetadata
		if err := json.Unmarshal(action.Patch, &object); err != nil {
			return err.Error()
		}
		if object.ResourceVersion != "" {
			return line("apply", action.Name, "resourceVersion="+object.ResourceVersion)
		}
		return line("apply", action.Name, "uid="+string(object.UID))
	case clienttesting.UpdateActionImpl:
		website := action.Object.(*v1alpha1.Website)
		condition := func(name string) string {
			if c := meta.FindStatusCondition(website.Status.Conditions, name); c != nil {
				return fmt.Sprintf("%s=%s/%s ", name, c.Status, c.Reason)
			}
			return ""
		}
		return line("update", website.Name, condition("HostClaimed")+condition("Ready")+fmt.Sprintf("resourceVersion=%s", website.ResourceVersion))
	}
	return fmt.Sprintf("%s %s", action.GetVerb(), resource)
}

var (
	key          = cache.NewObjectName("web", "blog")
	configMapsGR = schema.GroupResource{Resource: "configmaps"}
	errServer    = apierrors.NewInternalError(errors.New("etcd is unwell"))
	errConflict  = apierrors.NewConflict(configMapsGR, "blog", errors.New("it has changed"))
	errGone      = apierrors.NewNotFound(configMapsGR, "blog")
	errForbidden = apierrors.NewForbidden(configMapsGR, "blog", errors.New("no rule"))
	errTimeout   = fmt.Errorf("patch \"https://...\": %w", context.DeadlineExceeded)
	errOtherUID  = apierrors.NewInvalid(schema.GroupKind{Kind: "ConfigMap"}, "blog", field.ErrorList{
		field.Invalid(field.NewPath("metadata", "uid"), "x", "field is immutable"),
	})
	errInvalid       = apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "blog", nil)
	errEndingAccount = func() error {
		err := apierrors.NewForbidden(configMapsGR, "blog", errors.New("the namespace is being terminated"))
		err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
		return err
	}()
)

// What the tables below expect to be asked.
const (
	addFinalizer    = `patch websites web/blog {"metadata":{"finalizers":["lab.example.com/directory"],"resourceVersion":"5"}}`
	removeFinalizer = `patch websites web/blog {"metadata":{"finalizers":[],"resourceVersion":"5"}}`

	newEntry      = "apply configmaps system/blog.example.com resourceVersion=1"
	newConfigMap  = "apply configmaps web/blog resourceVersion=1"
	newDeployment = "apply deployments web/blog resourceVersion=1"
	newService    = "apply services web/blog resourceVersion=1"

	mendEntry      = "apply configmaps system/blog.example.com uid=entry-uid"
	mendConfigMap  = "apply configmaps web/blog uid=configmap-uid"
	mendDeployment = "apply deployments web/blog uid=deployment-uid"
	mendService    = "apply services web/blog uid=service-uid"

	getEntry    = "get configmaps system/blog.example.com"
	deleteEntry = "delete configmaps system/blog.example.com uid=entry-uid"
)

// writeStatus is the update of the status with a reason for not being ready and, if it is not "Claimed", for having no host.
func writeStatus(claimed, ready string) string {
	status := func(reason, good string) string {
		if reason == good {
			return "True/" + reason
		}
		return "False/" + reason
	}
	return fmt.Sprintf("update websites/status web/blog HostClaimed=%s Ready=%s resourceVersion=5",
		status(claimed, ReasonClaimed), status(ready, ReasonAvailable))
}

// foreign makes an object somebody else's: a user's, without any mark of ours.
func foreign(object metav1.Object) {
	object.SetLabels(nil)
	object.SetOwnerReferences(nil)
	object.SetManagedFields(nil)
}

// otherOwner makes an object that of another Website, which had the name before.
func otherOwner(object metav1.Object) {
	object.GetOwnerReferences()[0].UID = "earlier-uid"
	object.GetLabels()[LabelOwner] = "earlier-uid"
}

func TestReconcile(t *testing.T) {
	deleted := func(s *state) { now := metav1.Now(); s.website.DeletionTimestamp = &now }
	bare := func(s *state) { *s = state{website: s.website}; s.website.Status = v1alpha1.WebsiteStatus{} }
	both := func(changes ...func(*state)) func(*state) {
		return func(s *state) {
			for _, change := range changes {
				change(s)
			}
		}
	}
	type failures map[string]error

	for name, row := range map[string]struct {
		cached func(*state) // changes what is settled
		served func(*state) // changes the server only: the cache is late
		fail   failures     // by the beginning of an action
		want   []string     // what is asked of the server
		events []string
		err    error // nil: no requeue

		conflict bool // an error, too: one that is quiet
		later    bool // no error, and a requeue in ten minutes
	}{
		"all is as it should be": {},
		"no such Website":        {cached: func(s *state) { s.website = nil }},

		// From nothing.
		"a new Website": {
			cached: both(bare, func(s *state) { s.website.Finalizers = nil }),
			want:   []string{addFinalizer, newEntry, newConfigMap, newDeployment, newService, writeStatus(ReasonClaimed, ReasonProgressing)},
		},
		"a new Website with a finalizer of somebody else": {
			cached: both(bare, func(s *state) { s.website.Finalizers = []string{"other"} }),
			want: []string{
				`patch websites web/blog {"metadata":{"finalizers":["other","lab.example.com/directory"],"resourceVersion":"5"}}`,
				newEntry, newConfigMap, newDeployment, newService, writeStatus(ReasonClaimed, ReasonProgressing),
			},
		},
		"a new Website that changed meanwhile": {
			cached: both(bare, func(s *state) { s.website.Finalizers = nil }), fail: failures{"patch websites": errConflict},
			want: []string{addFinalizer}, err: errConflict,
		},
		"a new Website that is gone": {
			cached: both(bare, func(s *state) { s.website.Finalizers = nil }), fail: failures{"patch websites": errGone},
			want: []string{addFinalizer}, err: errGone,
		},

		// Each child, and the entry, deleted.
		"no entry":      {cached: func(s *state) { s.entry = nil }, want: []string{addFinalizer, newEntry}},
		"no ConfigMap":  {cached: func(s *state) { s.configMap = nil }, want: []string{newConfigMap}},
		"no Service":    {cached: func(s *state) { s.service = nil }, want: []string{newService}},
		"no Deployment": {cached: func(s *state) { s.deployment = nil }, want: []string{newDeployment, writeStatus(ReasonClaimed, ReasonProgressing)}},

		// Each of them changed: only it is written, and only if it is still that very object.
		"another entry":         {cached: func(s *state) { s.entry.Data["name"] = "mine" }, want: []string{mendEntry}},
		"another page":          {cached: func(s *state) { s.configMap.Data["index.html"] = "defaced" }, want: []string{mendConfigMap}},
		"another port":          {cached: func(s *state) { s.service.Spec.Ports[0].Port = 81 }, want: []string{mendService}},
		"another image":         {cached: func(s *state) { s.deployment.Spec.Template.Spec.Containers[0].Image = "x" }, want: []string{mendDeployment}},
		"no label":              {cached: func(s *state) { delete(s.service.Labels, LabelWebsite) }, want: []string{mendService}},
		"no owner reference":    {cached: func(s *state) { s.service.OwnerReferences = nil }, want: []string{mendService}},
		"a field owned no more": {cached: func(s *state) { s.configMap.ManagedFields = nil }, want: []string{mendConfigMap}},
		"what others add stays": {cached: func(s *state) {
			s.service.Labels["team"] = "blue"
			s.deployment.Spec.RevisionHistoryLimit = new(int32)
			s.configMap.Data["robots.txt"] = "Disallow: /"
		}},
		"managed fields that cannot be read": {
			cached: func(s *state) { s.configMap.ManagedFields[0].FieldsV1 = metav1.NewFieldsV1(`{"i:x":{}}`) },
			err:    errors.New("extract what we applied to the ConfigMap"),
		},

		// The spec changed.
		"a new page": {
			cached: func(s *state) { s.website.Spec.HTML = "new" },
			want:   []string{mendConfigMap, mendDeployment},
		},
		"more replicas": {
			cached: func(s *state) { s.website.Generation, *s.website.Spec.Replicas = 3, 3 },
			want:   []string{mendDeployment, writeStatus(ReasonClaimed, ReasonProgressing)},
		},
		"suspended, pods still run": {
			cached: func(s *state) { s.website.Generation, s.website.Spec.Suspend = 3, true },
			want:   []string{mendDeployment, writeStatus(ReasonClaimed, ReasonProgressing)},
		},
		"suspended, no pods": {
			cached: func(s *state) { // as before, and the Deployment has 0 already
				s.website.Spec.Suspend, *s.deployment.Spec.Replicas, s.deployment.Status = true, 0, appsv1.DeploymentStatus{ObservedGeneration: 1}
			},
			want:   []string{writeStatus(ReasonClaimed, ReasonSuspended)},
			events: []string{"Normal Suspended suspended: no pods run"},
		},

		// The status.
		"pods became available": {
			cached: func(s *state) {
				s.website.Status = statusOf(s.website, seen{claimed: true}, nil) // Progressing
			},
			want:   []string{writeStatus(ReasonClaimed, ReasonAvailable)},
			events: []string{"Normal Available 2 of 2 replicas are available"},
		},
		"a pod is lost: no event": {
			cached: func(s *state) { s.deployment.Status.AvailableReplicas = 1 },
			want:   []string{writeStatus(ReasonClaimed, ReasonProgressing)},
		},
		"a new generation, nothing else: no event": {
			cached: func(s *state) { s.website.Generation = 3 },
			want:   []string{writeStatus(ReasonClaimed, ReasonAvailable)},
		},
		"somebody else wrote the Website": {
			cached: func(s *state) { s.website.Generation = 3 }, fail: failures{"update websites/status": errConflict},
			want: []string{writeStatus(ReasonClaimed, ReasonAvailable)}, err: errConflict,
		},

		// What is not ours is left alone.
		"the host is another's": {
			cached: func(s *state) { s.entry.Labels[LabelOwner] = "other-uid" },
			want:   []string{writeStatus(ReasonHostTaken, ReasonHostTaken)},
			events: []string{"Warning HostTaken the host name blog.example.com is taken"},
		},
		"the host is a user's ConfigMap": {
			cached: func(s *state) { foreign(s.entry) },
			want:   []string{writeStatus(ReasonHostTaken, ReasonHostTaken)},
			events: []string{"Warning HostTaken the host name blog.example.com is taken"},
		},
		"a user's ConfigMap": {
			cached: func(s *state) { foreign(s.configMap) },
			want:   []string{writeStatus(ReasonClaimed, ReasonNameTaken)},
			events: []string{`Warning NameTaken a ConfigMap "blog" is there that is not this Website's`},
		},
		"a user's Deployment": {
			cached: func(s *state) { foreign(s.deployment) },
			want:   []string{writeStatus(ReasonClaimed, ReasonNameTaken)},
			events: []string{`Warning NameTaken a Deployment "blog" is there that is not this Website's`},
		},
		"a user's Service": {
			cached: func(s *state) { foreign(s.service) },
			want:   []string{writeStatus(ReasonClaimed, ReasonNameTaken)},
			events: []string{`Warning NameTaken a Service "blog" is there that is not this Website's`},
		},
		"a ConfigMap of an earlier Website": {
			cached: func(s *state) { otherOwner(s.configMap) },
			want:   []string{writeStatus(ReasonClaimed, ReasonNameTaken)},
			events: []string{`Warning NameTaken a ConfigMap "blog" is there that is not this Website's`},
		},
		"still a user's Service: nothing to say": {
			cached: func(s *state) {
				foreign(s.service)
				s.website.Status = statusOf(s.website, seen{claimed: true, deployment: s.deployment},
					&problem{reason: ReasonNameTaken, message: `a Service "blog" is there that is not this Website's`})
			},
		},
		"now a user's ConfigMap, too: a status, no second event": {
			cached: func(s *state) {
				foreign(s.configMap)
				s.website.Status = statusOf(s.website, seen{claimed: true, deployment: s.deployment},
					&problem{reason: ReasonNameTaken, message: `a Service "blog" is there that is not this Website's`})
			},
			want: []string{writeStatus(ReasonClaimed, ReasonNameTaken)},
		},
		// On a real server: TestPreconditionsOnCluster.
		"a ConfigMap that the cache does not have yet (injected: the fake would take it over)": {
			cached: func(s *state) { s.configMap = nil }, fail: failures{newConfigMap: errConflict},
			want: []string{newConfigMap}, err: errConflict,
		},
		"a ConfigMap that is gone (injected: the fake would make it)": {
			cached: func(s *state) { s.configMap.Data["index.html"] = "x" }, fail: failures{mendConfigMap: errConflict},
			want: []string{mendConfigMap}, err: errConflict,
		},
		"a ConfigMap that was replaced (injected: the fake would take it over)": {
			cached: func(s *state) { s.configMap.Data["index.html"] = "x" }, fail: failures{mendConfigMap: errOtherUID},
			want: []string{mendConfigMap}, conflict: true,
		},

		// The server says no. What lets a user act is said in the status; what passes is an error.
		"invalid": {
			cached: both(bare), fail: failures{newDeployment: errInvalid},
			want:   []string{addFinalizer, newEntry, newConfigMap, newDeployment, writeStatus(ReasonClaimed, ReasonInvalid)},
			events: []string{"Warning Invalid " + `apply the Deployment "blog": ` + errInvalid.Error()}, later: true,
		},
		"an invalid entry": {
			cached: both(bare), fail: failures{newEntry: errInvalid},
			want:   []string{addFinalizer, newEntry, writeStatus(ReasonInvalid, ReasonInvalid)},
			events: []string{"Warning Invalid " + `apply the ConfigMap "blog.example.com": ` + errInvalid.Error()}, later: true,
		},
		"still invalid: nothing to say, and again": {
			cached: func(s *state) {
				s.deployment.Spec.Template.Spec.Containers[0].Image = "x"
				s.website.Status = statusOf(s.website, seen{claimed: true, deployment: s.deployment},
					&problem{reason: ReasonInvalid, message: `apply the Deployment "blog": ` + errInvalid.Error()})
			},
			fail: failures{mendDeployment: errInvalid}, want: []string{mendDeployment}, later: true,
		},
		"still forbidden, in other words: nothing to say, and again": {
			cached: func(s *state) {
				s.deployment.Spec.Template.Spec.Containers[0].Image = "x"
				s.website.Status = statusOf(s.website, seen{claimed: true, deployment: s.deployment},
					problemOf(fmt.Errorf(`apply the Deployment "blog": %w`, apierrors.NewForbidden(configMapsGR, "blog", errors.New("request 1")))))
			},
			fail: failures{mendDeployment: errForbidden}, want: []string{mendDeployment}, err: errForbidden,
		},
		"a pod is lost while something is in the way": {
			cached: func(s *state) {
				foreign(s.configMap)
				s.website.Status = statusOf(s.website, seen{claimed: true, deployment: s.deployment},
					&problem{reason: ReasonNameTaken, message: `a ConfigMap "blog" is there that is not this Website's`})
				s.deployment.Status.AvailableReplicas = 1
			},
			want: []string{writeStatus(ReasonClaimed, ReasonNameTaken)},
		},
		"forbidden: a status, and again": {
			cached: both(bare), fail: failures{newService: errForbidden},
			want:   []string{addFinalizer, newEntry, newConfigMap, newDeployment, newService, writeStatus(ReasonClaimed, ReasonForbidden)},
			events: []string{"Warning Forbidden " + `apply the Service "blog": ` + errForbidden.Error()}, err: errForbidden,
		},
		"the namespace is being deleted: nothing": {
			cached: both(bare), fail: failures{newConfigMap: errEndingAccount},
			want: []string{addFinalizer, newEntry, newConfigMap},
		},
		"finalized by the last leader, and our cache is late: no entry is made": {
			cached: func(s *state) { s.entry = nil }, fail: failures{"patch websites": errConflict},
			want: []string{addFinalizer}, err: errConflict,
		},
		"the server is unwell": {
			cached: both(bare), fail: failures{newDeployment: errServer},
			want: []string{addFinalizer, newEntry, newConfigMap, newDeployment}, err: errServer,
		},
		"no answer": {
			cached: both(bare), fail: failures{newEntry: errTimeout},
			want: []string{addFinalizer, newEntry}, err: context.DeadlineExceeded,
		},
		"no answer to the status": {
			cached: func(s *state) { s.website.Generation = 3 }, fail: failures{"update": errTimeout},
			want: []string{writeStatus(ReasonClaimed, ReasonAvailable)}, err: context.DeadlineExceeded,
		},
		"a problem, and no answer to its status": {
			cached: func(s *state) { foreign(s.service) }, fail: failures{"update": errTimeout},
			want: []string{writeStatus(ReasonClaimed, ReasonNameTaken)}, err: context.DeadlineExceeded,
		},

		// Deletion.
		"deleted": {
			cached: deleted, want: []string{getEntry, deleteEntry, removeFinalizer},
		},
		"deleted, the entry is not in the cache yet": {
			cached: both(deleted, func(s *state) { s.entry = nil }),
			served: func(s *state) { s.entry = settled(t).entry },
			want:   []string{getEntry, deleteEntry, removeFinalizer},
		},
		"deleted, the entry is gone": {
			cached: deleted, served: func(s *state) { s.entry = nil }, want: []string{getEntry, removeFinalizer},
		},
		"deleted, the entry is another's": {
			cached: both(deleted, func(s *state) { s.entry.Labels[LabelOwner] = "other-uid" }), want: []string{getEntry, removeFinalizer},
		},
		"deleted, with the finalizer of somebody else": {
			cached: both(deleted, func(s *state) { s.website.Finalizers = []string{"a", Finalizer, "b"} }),
			want:   []string{getEntry, deleteEntry, `patch websites web/blog {"metadata":{"finalizers":["a","b"],"resourceVersion":"5"}}`},
		},
		"deleted, only others' finalizers": {
			cached: both(deleted, func(s *state) { s.website.Finalizers = []string{"other"} }),
		},
		"deleted, no answer about the entry": {
			cached: deleted, fail: failures{"get": errTimeout}, want: []string{getEntry}, err: context.DeadlineExceeded,
		},
		"deleted, the entry cannot be": {
			cached: deleted, fail: failures{"delete": errServer}, want: []string{getEntry, deleteEntry}, err: errServer,
		},
		"deleted, the entry is another one by now": {
			cached: deleted, fail: failures{"delete": errConflict}, want: []string{getEntry, deleteEntry}, err: errConflict,
		},
		"deleted, somebody else deleted the entry": {
			cached: deleted, fail: failures{"delete": errGone}, want: []string{getEntry, deleteEntry, removeFinalizer},
		},
		"deleted, somebody else removed the finalizer": {
			cached: deleted, fail: failures{"patch websites": errGone}, want: []string{getEntry, deleteEntry, removeFinalizer},
		},
		"deleted, the finalizers have changed": {
			cached: deleted, fail: failures{"patch websites": errConflict}, want: []string{getEntry, deleteEntry, removeFinalizer}, err: errConflict,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cached := settled(t)
			if row.cached != nil {
				row.cached(cached)
			}
			served := cached.copy()
			if row.served != nil {
				row.served(served)
			}
			f := newFixture(t, cached, served)
			for action, err := range row.fail {
				f.fail(action, err)
			}
			before := f.cachedObjects()

			err := f.c.reconcile(t.Context(), key)

			switch {
			case row.conflict:
				assert.True(t, apierrors.IsConflict(err), err)
			case row.err == nil:
				assert.NoError(t, err)
			case !errors.Is(err, row.err):
				assert.ErrorContains(t, err, row.err.Error())
			}
			assert.Equal(t, row.want, f.actions)
			var later []time.Duration
			if row.later {
				later = []time.Duration{invalidAgain}
			}
			assert.Equal(t, later, f.later.after)
			close(f.recorder.Events)
			var events []string
			for event := range f.recorder.Events {
				events = append(events, event)
			}
			assert.Equal(t, row.events, events)
			assert.Equal(t, before, f.cachedObjects(), "what is in the cache must not be changed")
			if row.err == nil && row.fail == nil {
				f.refill()
				require.NoError(t, f.c.reconcile(t.Context(), key))
				assert.Empty(t, f.actions, "a second time there is nothing to do")
			}
		})
	}
}

// cachedObjects returns copies of all that is in the caches.
func (f *fixture) cachedObjects() map[string]runtime.Object {
	copies := map[string]runtime.Object{}
	for _, indexer := range f.indexers() {
		for _, object := range indexer.List() {
			name, err := cache.ObjectToName(object)
			require.NoError(f.t, err)
			copies[fmt.Sprintf("%T %s", object, name)] = object.(runtime.Object).DeepCopyObject()
		}
	}
	return copies
}

// refill puts into the caches what the server has now, as informers would.
func (f *fixture) refill() {
	f.t.Helper()
	ctx, all := f.t.Context(), metav1.ListOptions{}
	websites, err1 := f.websites.Websites("").List(ctx, all)
	configMaps, err2 := f.kube.CoreV1().ConfigMaps("").List(ctx, all)
	deployments, err3 := f.kube.AppsV1().Deployments("").List(ctx, all)
	services, err4 := f.kube.CoreV1().Services("").List(ctx, all)
	require.NoError(f.t, errors.Join(err1, err2, err3, err4))
	for i, list := range []runtime.Object{websites, configMaps, deployments, services} {
		var objects []any
		require.NoError(f.t, meta.EachListItem(list, func(object runtime.Object) error {
			slimmed, err := slim(object)
			objects = append(objects, slimmed)
			return err
		}))
		require.NoError(f.t, f.indexers()[i].Replace(objects, ""))
	}
	f.actions = nil
}

func (f *fixture) indexers() []cache.Indexer {
	i := f.c.informers
	return []cache.Indexer{
		i.websites.GetIndexer(), i.configMaps.Informer().GetIndexer(), i.deployments.Informer().GetIndexer(), i.services.Informer().GetIndexer(),
	}
}

// The lister's only other error than "not found" is that of a broken store.
func TestReconcileReturnsTheErrorOfTheCache(t *testing.T) {
	f := newFixture(t, settled(t), settled(t))
	f.c.websites = NewWebsiteLister(brokenIndexer{f.c.informers.websites.GetIndexer()})
	require.ErrorIs(t, f.c.reconcile(t.Context(), key), errBroken)
	assert.Empty(t, f.actions)

	k := f.c.configMaps("web")
	k.get = func(string) (*corev1.ConfigMap, error) { return nil, errBroken }
	website := settled(t).website
	_, err := k.keep(t.Context(), website, website.Name, configMapFor(website))
	require.ErrorIs(t, err, errBroken)
	assert.Empty(t, f.actions)
}

var errBroken = errors.New("the store is broken")

type brokenIndexer struct{ cache.Indexer }

func (brokenIndexer) GetByKey(string) (any, bool, error) { return nil, false, errBroken }

// What the controller leaves to the server, and the fakes do not do. TestPreconditionsOnCluster does the same on a real
// server, which refuses all of it.
func TestFakeLies(t *testing.T) {
	s := settled(t)
	foreign(s.configMap)
	s.configMap.Data = map[string]string{"mine": "yes"}
	s.website.ResourceVersion = "6" // somebody wrote it since we saw it with "5"
	f := newFixture(t, &state{}, s)
	old := settled(t).website
	opts := metav1.ApplyOptions{FieldManager: FieldManager, Force: true}

	taken, err := f.kube.CoreV1().ConfigMaps("web").Apply(t.Context(), configMapFor(old).WithResourceVersion(notThere), opts)
	require.NoError(t, err, "the fake does not take resourceVersion 1 for a precondition")
	assert.Contains(t, taken.Data, "index.html", "and takes the object over")
	assert.Contains(t, taken.Data, "mine")

	taken, err = f.kube.CoreV1().ConfigMaps("web").Apply(t.Context(), configMapFor(old).WithUID("other-uid"), opts)
	require.NoError(t, err, "nor a UID")
	assert.Equal(t, types.UID("other-uid"), taken.UID, "it even sets it")

	_, err = f.kube.CoreV1().ConfigMaps("web").Apply(t.Context(), entryFor(old, "web").WithUID("gone-uid"), opts)
	require.NoError(t, err, "nor does it mind that an object with this UID is not there: it makes it")

	err = f.kube.CoreV1().ConfigMaps("web").Delete(t.Context(), "blog", *metav1.NewPreconditionDeleteOptions("third-uid"))
	require.NoError(t, err, "a delete with another UID deletes")

	_, err = f.websites.Websites("web").UpdateStatus(t.Context(), old, metav1.UpdateOptions{})
	require.NoError(t, err, "an old resourceVersion is good enough for a status")
	_, err = f.c.patchFinalizers(t.Context(), old, nil)
	require.NoError(t, err, "and for a patch")
}

// An update says what the whole object is. Whoever builds it anew takes away what others have set; an apply does not.
func TestUpdateWithAnObjectBuiltAnew(t *testing.T) {
	s := settled(t)
	s.configMap.Annotations = map[string]string{"team": "blue"}
	configMaps := fake.NewClientset(s.configMap).CoreV1().ConfigMaps("web")
	applied, err := configMaps.Apply(t.Context(), configMapFor(s.website), metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	require.NoError(t, err)
	assert.Equal(t, "blue", applied.Annotations["team"])
	anew := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "blog"}, Data: s.configMap.Data}
	updated, err := configMaps.Update(t.Context(), anew, metav1.UpdateOptions{FieldManager: FieldManager})
	require.NoError(t, err)
	assert.Empty(t, updated.Annotations)
}

// Two controllers want the same field, and force it. None of them gets an error: the value goes to and fro.
func TestTwoControllersForceOneField(t *testing.T) {
	configMaps := fake.NewClientset().CoreV1().ConfigMaps("web")
	var seen []string
	for _, manager := range []string{"one", "two", "one", "two"} {
		page := accore.ConfigMap("blog", "web").WithData(map[string]string{"index.html": manager})
		applied, err := configMaps.Apply(t.Context(), page, metav1.ApplyOptions{FieldManager: manager, Force: true})
		require.NoError(t, err)
		seen = append(seen, applied.Data["index.html"])
	}
	assert.Equal(t, []string{"one", "two", "one", "two"}, seen)
}

// The fixture is meant to see what is sent, so here it is as a whole, once.
func TestApplySendsTheWholeOfWhatWeDecideAndNothingElse(t *testing.T) {
	cached := settled(t)
	cached.configMap.Data["index.html"], cached.configMap.Data["robots.txt"] = "defaced", "Disallow: /"
	f := newFixture(t, cached, cached.copy())
	var patch clienttesting.PatchActionImpl
	f.kube.PrependReactor("patch", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch = action.(clienttesting.PatchActionImpl)
		return false, nil, nil
	})
	require.NoError(t, f.c.reconcile(t.Context(), key))
	assert.JSONEq(t, `{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": {
			"namespace": "web", "name": "blog", "uid": "configmap-uid",
			"labels": {"lab.example.com/website": "blog", "lab.example.com/owner-uid": "blog-uid", "app.kubernetes.io/managed-by": "website-controller"},
			"ownerReferences": [{"apiVersion": "lab.example.com/v1alpha1", "kind": "Website", "name": "blog", "uid": "blog-uid", "controller": true}]
		},
		"data": {"index.html": "<h1>Hello</h1>"}
	}`, string(patch.Patch))
	assert.Equal(t, FieldManager, patch.PatchOptions.FieldManager)
	assert.True(t, *patch.PatchOptions.Force)
	kept, err := f.kube.CoreV1().ConfigMaps("web").Get(t.Context(), "blog", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"index.html": "<h1>Hello</h1>", "robots.txt": "Disallow: /"}, kept.Data)
}
