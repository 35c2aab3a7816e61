package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"

	"client-go-lab/07-controller/api/v1alpha1"
	"client-go-lab/07-controller/controller"
)

var (
	websitesGVR    = v1alpha1.GroupVersion.WithResource("websites")
	configMapsGVR  = corev1.SchemeGroupVersion.WithResource("configmaps")
	servicesGVR    = corev1.SchemeGroupVersion.WithResource("services")
	deploymentsGVR = appsv1.SchemeGroupVersion.WithResource("deployments")
)

// The API as the CRD has it. No controller runs.
func TestCRDOnCluster(t *testing.T) {
	w := labWorld(t)
	ctx := t.Context()
	websites := w.websites.Websites(w.namespace)

	t.Run("what is refused", func(t *testing.T) {
		for name, c := range map[string]struct {
			change func(*v1alpha1.WebsiteSpec)
			want   string
		}{
			"html and text":     {func(s *v1alpha1.WebsiteSpec) { s.Text = "both" }, "give either html or text"},
			"no page":           {func(s *v1alpha1.WebsiteSpec) { s.HTML = "" }, "give either html or text"},
			"no host":           {func(s *v1alpha1.WebsiteSpec) { s.Host = "" }, "spec.host"},
			"a host in capital": {func(s *v1alpha1.WebsiteSpec) { s.Host = "Blog.example.com" }, "spec.host"},
			"a host with a dot": {func(s *v1alpha1.WebsiteSpec) { s.Host = "blog.example.com." }, "spec.host"},
			"a long host":       {func(s *v1alpha1.WebsiteSpec) { s.Host = strings.Repeat("a", 254) }, "spec.host"},
			"a book":            {func(s *v1alpha1.WebsiteSpec) { s.HTML = strings.Repeat("a", 100001) }, "spec.html"},
			"-1 replicas":       {func(s *v1alpha1.WebsiteSpec) { *s.Replicas = -1 }, "spec.replicas"},
			"101 replicas":      {func(s *v1alpha1.WebsiteSpec) { *s.Replicas = 101 }, "spec.replicas"},
		} {
			website := w.website("refused")
			c.change(&website.Spec)
			_, err := websites.Create(ctx, website, metav1.CreateOptions{})
			require.True(t, apierrors.IsInvalid(err), "%s: %v", name, err)
			assert.ErrorContains(t, err, c.want, name)
		}
	})

	website := w.website("crd")
	website.Spec.Replicas = nil
	website.Status.URL = "http://mine/"
	website, err := websites.Create(ctx, website, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, int32(1), *website.Spec.Replicas, "the default")
	assert.Empty(t, website.Status.URL, "create writes no status")
	assert.Equal(t, int64(1), website.Generation)

	t.Run("the host is for ever", func(t *testing.T) {
		_, err := websites.Patch(ctx, "crd", types.MergePatchType, []byte(`{"spec":{"host":"other.example.com"}}`), metav1.PatchOptions{})
		require.True(t, apierrors.IsInvalid(err), err)
		assert.ErrorContains(t, err, "the host cannot change: make a new Website")
	})

	t.Run("spec and status are written apart", func(t *testing.T) {
		website, err := websites.Get(ctx, "crd", metav1.GetOptions{})
		require.NoError(t, err)
		website.Spec.HTML, website.Status.URL = "new", "http://crd.example.com/"
		website, err = websites.UpdateStatus(ctx, website, metav1.UpdateOptions{})
		require.NoError(t, err)
		assert.Equal(t, "http://crd.example.com/", website.Status.URL)
		assert.Equal(t, "<h1>crd</h1>", website.Spec.HTML, "a write to the status leaves the spec alone")
		assert.Equal(t, int64(1), website.Generation, "and is no new generation")

		website.Spec.HTML, website.Status.URL = "new", "http://mine/"
		website, err = websites.Update(ctx, website, metav1.UpdateOptions{})
		require.NoError(t, err)
		assert.Equal(t, "new", website.Spec.HTML)
		assert.Equal(t, "http://crd.example.com/", website.Status.URL, "a write to the rest leaves the status alone")
		assert.Equal(t, int64(2), website.Generation)
	})

	t.Run("scale", func(t *testing.T) {
		website, err := websites.Get(ctx, "crd", metav1.GetOptions{})
		require.NoError(t, err)
		website.Status.AvailableReplicas = 1
		_, err = websites.UpdateStatus(ctx, website, metav1.UpdateOptions{})
		require.NoError(t, err)
		client := w.dynamic.Resource(websitesGVR).Namespace(w.namespace)
		scale, err := client.Patch(ctx, "crd", types.MergePatchType, []byte(`{"spec":{"replicas":4}}`), metav1.PatchOptions{}, "scale")
		require.NoError(t, err)
		assert.Equal(t, "autoscaling/v1, Kind=Scale", scale.GroupVersionKind().String())
		assert.Equal(t, map[string]any{"replicas": int64(4)}, scale.Object["spec"])
		assert.Equal(t, map[string]any{"replicas": int64(1)}, scale.Object["status"])
		website, err = websites.Get(ctx, "crd", metav1.GetOptions{})
		require.NoError(t, err)
		assert.Equal(t, int32(4), *website.Spec.Replicas)
	})

	t.Run("printer columns", func(t *testing.T) {
		website, err := websites.Get(ctx, "crd", metav1.GetOptions{})
		require.NoError(t, err)
		meta.SetStatusCondition(&website.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: controller.ReasonAvailable,
		})
		_, err = websites.UpdateStatus(ctx, website, metav1.UpdateOptions{})
		require.NoError(t, err)
		raw, err := w.kube.CoreV1().RESTClient().Get().AbsPath("/apis/lab.example.com/v1alpha1/namespaces", w.namespace, "websites").
			SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(ctx).Raw()
		require.NoError(t, err)
		table := &metav1.Table{}
		require.NoError(t, json.Unmarshal(raw, table))
		var columns []string
		for _, column := range table.ColumnDefinitions {
			columns = append(columns, column.Name)
		}
		assert.Equal(t, []string{"Name", "Ready", "Reason", "Replicas", "Available", "URL", "Age"}, columns)
		require.Len(t, table.Rows, 1)
		assert.Equal(t, []any{"crd", "True", "Available", float64(4), float64(1), "http://crd.example.com/"}, table.Rows[0].Cells[:6])
	})

	t.Run("short name", func(t *testing.T) {
		resources, err := w.kube.Discovery().ServerResourcesForGroupVersionWithContext(ctx, v1alpha1.GroupVersion.String())
		require.NoError(t, err)
		assert.Equal(t, []string{"web"}, resources.APIResources[0].ShortNames)
	})
}

// What the controller leaves to the server. TestFakeLies, in the package controller, does the same on the fakes.
func TestPreconditionsOnCluster(t *testing.T) {
	w := labWorld(t)
	ctx := t.Context()
	configMaps := w.kube.CoreV1().ConfigMaps(w.namespace)
	websites := w.websites.Websites(w.namespace)
	opts := metav1.ApplyOptions{FieldManager: controller.FieldManager, Force: true}
	desired := func(name string) *accore.ConfigMapApplyConfiguration {
		return accore.ConfigMap(name, w.namespace).WithData(map[string]string{"index.html": "ours"})
	}
	before, err := configMaps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "there"}, Data: map[string]string{"mine": "yes"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	conflict := func(err error, what string) {
		t.Helper()
		assert.True(t, apierrors.IsConflict(err), "%s: %v", what, err)
	}

	_, err = configMaps.Apply(ctx, desired("there").WithResourceVersion("1"), opts)
	conflict(err, "resourceVersion 1 says: must not exist")
	_, err = configMaps.Apply(ctx, desired("there").WithUID("other-uid"), opts)
	assert.True(t, apierrors.IsInvalid(err), "a UID says: this very object. That is no 409, but keep makes one of it: %v", err)
	assert.ErrorContains(t, err, "metadata.uid")
	conflict(configMaps.Delete(ctx, "there", *metav1.NewPreconditionDeleteOptions("other-uid")), "to delete, too")
	after, err := configMaps.Get(ctx, "there", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, before, after, "nothing was written")

	_, err = configMaps.Apply(ctx, desired("gone").WithUID("gone-uid"), opts)
	conflict(err, "an object with this UID is not there")
	_, err = configMaps.Get(ctx, "gone", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "and none was made: %v", err)
	made, err := configMaps.Apply(ctx, desired("new").WithResourceVersion("1"), opts)
	require.NoError(t, err, "what does not exist is made")
	_, err = configMaps.Apply(ctx, desired("new").WithUID(made.UID), opts)
	require.NoError(t, err, "this very object")

	// Somebody else's write takes the field out of what we own: the extract differs from what we want, and drift is found.
	made, err = configMaps.Patch(ctx, "new", types.MergePatchType, []byte(`{"data":{"index.html":"defaced"}}`), metav1.PatchOptions{FieldManager: "other"})
	require.NoError(t, err)
	extracted, err := accore.ExtractConfigMap(made, controller.FieldManager)
	require.NoError(t, err)
	assert.Empty(t, extracted.Data)

	old, err := websites.Create(ctx, w.website("old"), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = websites.Patch(ctx, "old", types.MergePatchType, []byte(`{"spec":{"suspend":true}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	_, err = websites.UpdateStatus(ctx, old, metav1.UpdateOptions{})
	conflict(err, "an old resourceVersion")
	patch := fmt.Appendf(nil, `{"metadata":{"finalizers":["lab.example.com/directory"],"resourceVersion":%q}}`, old.ResourceVersion)
	_, err = websites.Patch(ctx, "old", types.MergePatchType, patch, metav1.PatchOptions{})
	conflict(err, "an old resourceVersion in a merge patch")

	same, err := websites.Get(ctx, "old", metav1.GetOptions{})
	require.NoError(t, err)
	same, err = websites.UpdateStatus(ctx, same, metav1.UpdateOptions{}) // makes the empty status that was not there
	require.NoError(t, err)
	again, err := websites.UpdateStatus(ctx, same, metav1.UpdateOptions{})
	require.NoError(t, err)
	assert.Equal(t, same.ResourceVersion, again.ResourceVersion, "what changes nothing is not stored: nobody hears of it")
}

// Each feature, from end to end. The controller is a process of its own, under its own service account.
func TestFeaturesOnCluster(t *testing.T) {
	t.Setenv("KUBE_CACHE_MUTATION_DETECTOR", "true") // the controller panics if it changes what is in a cache
	w := labWorld(t)
	r := w.start(w.kubeconfig(""), "-lease", "1m").neverForbidden().leading()
	for _, feature := range []struct {
		name string
		test func(*world)
	}{
		{"drift", testDrift},
		{"a name that is taken", testNameTaken},
		{"a host that is taken", testHostTaken},
		{"an entry that lost its label", testEntryWithoutLabel},
		{"suspend", testSuspend},
		{"a name that no Service can have", testInvalid},
		{"a new page", testNewPage},
		{"delete", testDelete},
		{"delete in the foreground", testDeleteInForeground},
		{"somebody else writes the status", testStatusOfOthers},
		{"somebody else writes all the time", testBusyObject},
		{"events", testEvents},
	} {
		if !t.Run(feature.name, func(t *testing.T) {
			w := w.in(t)
			feature.test(w)
			w.deleteAll()
		}) {
			break // what is left of one would fail the others
		}
	}
	assert.Zero(t, r.metric("website_reconcile_total", `result="error"`), "nothing of all this is an error")
}

// deleteAll deletes the Websites of the namespace and waits until all that they had is gone, too.
func (w *world) deleteAll() {
	w.t.Helper()
	websites, err := w.websites.Websites(w.namespace).List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	for _, website := range websites.Items {
		require.NoError(w.t, w.websites.Websites(w.namespace).Delete(w.t.Context(), website.Name, metav1.DeleteOptions{}))
	}
	w.requireAsSpecified(0)
}

// patch changes a Website by a merge patch.
func (w *world) patch(name, patch string) *v1alpha1.Website {
	w.t.Helper()
	website, err := w.websites.Websites(w.namespace).Patch(w.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(w.t, err)
	return website
}

// requireReason waits until a Website's condition Ready has a reason, for its latest generation.
func (w *world) requireReason(name, reason string) *v1alpha1.Website {
	w.t.Helper()
	var website *v1alpha1.Website
	eventually(w.t, name+" is "+reason, func(ctx context.Context) (err error) {
		website, err = w.websites.Websites(w.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		ready := meta.FindStatusCondition(website.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Reason != reason || ready.ObservedGeneration != website.Generation {
			return fmt.Errorf("it is %v", ready)
		}
		return nil
	})
	return website
}

// requireEvent waits until there is an event about a Website.
func (w *world) requireEvent(name, kind, reason, note string) {
	w.t.Helper()
	eventually(w.t, "there is an event "+reason, func(ctx context.Context) error {
		list, err := w.kube.EventsV1().Events(w.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, event := range list.Items {
			if event.Regarding.Kind == "Website" && event.Regarding.Name == name && event.Type == kind && event.Reason == reason &&
				strings.Contains(event.Note, note) && event.ReportingController == controller.ReportingController && event.Action == "Reconcile" {
				return nil
			}
		}
		return fmt.Errorf("%d events, not this one", len(list.Items))
	})
}

// essence is what of an object has to be as it was, when it has been repaired or made anew.
func essence(object *unstructured.Unstructured) map[string]any {
	object = object.DeepCopy()
	if spec, ok := object.Object["spec"].(map[string]any); ok && object.GetKind() == "Service" {
		delete(spec, "clusterIP") // a new one each time
		delete(spec, "clusterIPs")
	}
	return map[string]any{
		"labels": object.GetLabels(), "owners": object.GetOwnerReferences(), "data": object.Object["data"], "spec": object.Object["spec"],
	}
}

func testDrift(w *world) {
	t := w.t
	w.create("drift")
	w.requireAsSpecified(1)
	client := func(gvr schema.GroupVersionResource, namespace string) dynamic.ResourceInterface {
		return w.dynamic.Resource(gvr).Namespace(namespace)
	}
	const noOwner, noLabel = `{"metadata":{"ownerReferences":null}}`, `{"metadata":{"labels":{"lab.example.com/website":null}}}`
	const noOwnerLabel, otherLabel = `{"metadata":{"labels":{"lab.example.com/owner-uid":null}}}`, `{"metadata":{"labels":{"lab.example.com/website":"x"}}}`
	for _, kind := range []struct {
		client  dynamic.ResourceInterface
		name    string
		patches []string // "": delete it
	}{
		{client(configMapsGVR, w.namespace), "drift", []string{`{"data":{"index.html":"defaced"}}`, `{"data":null}`, noOwner, noLabel, noOwnerLabel, otherLabel, ""}},
		{client(servicesGVR, w.namespace), "drift", []string{`{"spec":{"selector":{"lab.example.com/website":"x"}}}`, noOwner, noLabel, noOwnerLabel, ""}},
		{client(deploymentsGVR, w.namespace), "drift", []string{
			`{"spec":{"replicas":3}}`, `{"spec":{"template":{"metadata":{"annotations":{"lab.example.com/page":"x"}}}}}`,
			`{"spec":{"template":{"spec":{"securityContext":null}}}}`, noOwner, noLabel, noOwnerLabel, "",
		}},
		{client(configMapsGVR, w.system), "drift.example.com", []string{`{"data":{"name":"x"}}`, noLabel, ""}},
	} {
		before, err := kind.client.Get(t.Context(), kind.name, metav1.GetOptions{})
		require.NoError(t, err)
		for _, patch := range kind.patches {
			what := before.GetKind() + " after " + patch
			if patch == "" {
				what = before.GetKind() + ", deleted"
				require.NoError(t, kind.client.Delete(t.Context(), kind.name, metav1.DeleteOptions{}))
			} else {
				_, err := kind.client.Patch(t.Context(), kind.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "other"})
				require.NoError(t, err, what)
			}
			eventually(t, what+" is as before", func(ctx context.Context) error {
				now, err := kind.client.Get(ctx, kind.name, metav1.GetOptions{})
				if err == nil && !assert.ObjectsAreEqual(essence(before), essence(now)) {
					err = fmt.Errorf("it is %v instead of %v", essence(now), essence(before))
				}
				return err
			})
		}
	}
	// What others add stays, whatever else is repaired.
	configMaps := client(configMapsGVR, w.namespace)
	_, err := configMaps.Patch(t.Context(), "drift", types.MergePatchType, []byte(`{"metadata":{"labels":{"team":"blue"}},"data":{"index.html":"defaced"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	eventually(t, "the page is back", func(ctx context.Context) error {
		now, err := w.kube.CoreV1().ConfigMaps(w.namespace).Get(ctx, "drift", metav1.GetOptions{})
		if err == nil && now.Data["index.html"] != "<h1>drift</h1>" {
			err = errors.New("not yet")
		}
		if err == nil {
			assert.Equal(t, "blue", now.Labels["team"])
		}
		return err
	})
	w.requireAsSpecified(1)
}

// foreigners are a user's objects of the three kinds.
func foreigners(name string) map[schema.GroupVersionResource]*unstructured.Unstructured {
	objects := map[schema.GroupVersionResource]*unstructured.Unstructured{
		configMapsGVR: {Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"mine": "yes"},
		}},
		servicesGVR: {Object: map[string]any{
			"apiVersion": "v1", "kind": "Service", "spec": map[string]any{"ports": []any{map[string]any{"port": int64(99)}}},
		}},
		deploymentsGVR: {Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "spec": map[string]any{
				"replicas": int64(0), "selector": map[string]any{"matchLabels": map[string]any{"app": "mine"}},
				"template": map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"app": "mine"}},
					"spec":     map[string]any{"containers": []any{map[string]any{"name": "mine", "image": "mine:1"}}},
				},
			},
		}},
	}
	for _, object := range objects {
		object.SetName(name)
	}
	return objects
}

// createForeigner creates a user's object and returns it as it is when all others are done with it.
func (w *world) createForeigner(gvr schema.GroupVersionResource, object *unstructured.Unstructured) *unstructured.Unstructured {
	w.t.Helper()
	client := w.dynamic.Resource(gvr).Namespace(w.namespace)
	created, err := client.Create(w.t.Context(), object, metav1.CreateOptions{})
	require.NoError(w.t, err)
	if gvr != deploymentsGVR {
		return created
	}
	eventually(w.t, "the Deployment controller has seen it", func(ctx context.Context) error {
		created, err = client.Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		status := &appsv1.Deployment{}
		raw, _ := created.MarshalJSON()
		if err := json.Unmarshal(raw, status); err != nil {
			return err
		}
		if status.Status.ObservedGeneration != status.Generation || len(status.Status.Conditions) < 2 || status.Annotations["deployment.kubernetes.io/revision"] == "" {
			return errors.New("not yet")
		}
		return nil
	})
	return created
}

// requireSame makes sure that an object was not written, by nobody and in nothing.
func (w *world) requireSame(gvr schema.GroupVersionResource, before *unstructured.Unstructured) {
	w.t.Helper()
	after, err := w.dynamic.Resource(gvr).Namespace(before.GetNamespace()).Get(w.t.Context(), before.GetName(), metav1.GetOptions{})
	require.NoError(w.t, err)
	want, err1 := before.MarshalJSON()
	got, err2 := after.MarshalJSON()
	require.NoError(w.t, errors.Join(err1, err2))
	require.Equal(w.t, string(want), string(got), "a foreign object was written to")
}

func testNameTaken(w *world) {
	for gvr, object := range foreigners("taken") {
		before := w.createForeigner(gvr, object)
		w.create("taken")
		website := w.requireReason("taken", controller.ReasonNameTaken)
		message := fmt.Sprintf(`a %s "taken" is there that is not this Website's`, object.GetKind())
		assert.Equal(w.t, message, meta.FindStatusCondition(website.Status.Conditions, v1alpha1.ConditionReady).Message)
		assert.True(w.t, meta.IsStatusConditionTrue(website.Status.Conditions, v1alpha1.ConditionHostClaimed))
		w.requireEvent("taken", corev1.EventTypeWarning, controller.ReasonNameTaken, message)
		w.requireSame(gvr, before)
		w.patch("taken", `{"spec":{"html":"another try"}}`)
		w.requireReason("taken", controller.ReasonNameTaken)
		w.requireSame(gvr, before)

		require.NoError(w.t, w.dynamic.Resource(gvr).Namespace(w.namespace).Delete(w.t.Context(), "taken", metav1.DeleteOptions{}))
		w.requireAsSpecified(1)
		w.deleteAll()
	}
}

func testHostTaken(w *world) {
	w.create("first")
	w.requireAsSpecified(1)
	second := w.website("second")
	second.Spec.Host = "first.example.com"
	_, err := w.websites.Websites(w.namespace).Create(w.t.Context(), second, metav1.CreateOptions{})
	require.NoError(w.t, err)
	second = w.requireReason("second", controller.ReasonHostTaken)
	assert.True(w.t, meta.IsStatusConditionFalse(second.Status.Conditions, v1alpha1.ConditionHostClaimed))
	assert.Empty(w.t, second.Status.URL)
	w.requireEvent("second", corev1.EventTypeWarning, controller.ReasonHostTaken, "the host name first.example.com is taken")
	_, err = w.kube.CoreV1().Services(w.namespace).Get(w.t.Context(), "second", metav1.GetOptions{})
	assert.True(w.t, apierrors.IsNotFound(err), "without a host it gets nothing")
	w.requireReason("first", controller.ReasonAvailable)

	require.NoError(w.t, w.websites.Websites(w.namespace).Delete(w.t.Context(), "first", metav1.DeleteOptions{}))
	w.requireAsSpecified(1)
	w.requireReason("second", controller.ReasonAvailable)
	w.deleteAll()

	// A ConfigMap of a user in the directory.
	mine := foreigners("mine.example.com")[configMapsGVR]
	directory := w.dynamic.Resource(configMapsGVR).Namespace(w.system)
	mine, err = directory.Create(w.t.Context(), mine, metav1.CreateOptions{})
	require.NoError(w.t, err)
	w.create("mine")
	w.requireReason("mine", controller.ReasonHostTaken)
	w.requireSame(configMapsGVR, mine)
	require.NoError(w.t, directory.Delete(w.t.Context(), mine.GetName(), metav1.DeleteOptions{}))
	w.requireAsSpecified(1)
	// While the Website waits for the host, it can be deleted, and the ConfigMap stays.
	w.deleteAll()
	mine, err = directory.Create(w.t.Context(), foreigners("mine.example.com")[configMapsGVR], metav1.CreateOptions{})
	require.NoError(w.t, err)
	w.create("mine")
	w.requireReason("mine", controller.ReasonHostTaken)
	w.deleteAll()
	w.requireSame(configMapsGVR, mine)
	require.NoError(w.t, directory.Delete(w.t.Context(), mine.GetName(), metav1.DeleteOptions{}))
}

// The label is all that says whose an entry is. Without it the controller does not guess. Deleting the entry mends it.
func testEntryWithoutLabel(w *world) {
	w.create("lost")
	w.requireAsSpecified(1)
	directory := w.kube.CoreV1().ConfigMaps(w.system)
	_, err := directory.Patch(w.t.Context(), "lost.example.com", types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"lab.example.com/owner-uid":null}}}`), metav1.PatchOptions{})
	require.NoError(w.t, err)
	w.requireReason("lost", controller.ReasonHostTaken)
	require.NoError(w.t, directory.Delete(w.t.Context(), "lost.example.com", metav1.DeleteOptions{}))
	w.requireAsSpecified(1)
}

func testSuspend(w *world) {
	w.create("suspended")
	w.requireAsSpecified(1)
	w.patch("suspended", `{"spec":{"suspend":true}}`)
	w.requireReason("suspended", controller.ReasonSuspended)
	w.requireAsSpecified(1) // no pods, all else is there
	w.requireEvent("suspended", corev1.EventTypeNormal, controller.ReasonSuspended, "no pods run")
	w.patch("suspended", `{"spec":{"suspend":false}}`)
	w.requireReason("suspended", controller.ReasonAvailable)
	w.requireAsSpecified(1)
}

func testInvalid(w *world) {
	website := w.website("a.b") // a Website's name may have a dot, a Service's not
	_, err := w.websites.Websites(w.namespace).Create(w.t.Context(), website, metav1.CreateOptions{})
	require.NoError(w.t, err)
	website = w.requireReason("a.b", controller.ReasonInvalid)
	assert.Contains(w.t, meta.FindStatusCondition(website.Status.Conditions, v1alpha1.ConditionReady).Message, `Service "a.b" is invalid`)
	w.requireEvent("a.b", corev1.EventTypeWarning, controller.ReasonInvalid, `Service "a.b" is invalid`)
}

func testNewPage(w *world) {
	w.create("page")
	w.requireAsSpecified(1)
	template := func() map[string]string {
		deployment, err := w.kube.AppsV1().Deployments(w.namespace).Get(w.t.Context(), "page", metav1.GetOptions{})
		require.NoError(w.t, err)
		return deployment.Spec.Template.Annotations
	}
	before := template()
	w.patch("page", `{"spec":{"html":null,"text":"Hello"}}`)
	w.requireReason("page", controller.ReasonAvailable)
	w.requireAsSpecified(1)
	assert.NotEqual(w.t, before, template(), "pods read their page once: new ones are made")
	sets, err := w.kube.AppsV1().ReplicaSets(w.namespace).List(w.t.Context(), metav1.ListOptions{LabelSelector: controller.LabelWebsite + "=page"})
	require.NoError(w.t, err)
	assert.Len(w.t, sets.Items, 2, "the Deployment was rolled")
}

func testDelete(w *world) {
	w.create("deleted")
	w.requireAsSpecified(1)
	website, err := w.websites.Websites(w.namespace).Get(w.t.Context(), "deleted", metav1.GetOptions{})
	require.NoError(w.t, err)
	assert.Equal(w.t, []string{controller.Finalizer}, website.Finalizers)
	require.NoError(w.t, w.websites.Websites(w.namespace).Delete(w.t.Context(), "deleted", metav1.DeleteOptions{}))
	w.requireAsSpecified(0)
	_, err = w.kube.CoreV1().ConfigMaps(w.system).Get(w.t.Context(), "deleted.example.com", metav1.GetOptions{})
	assert.True(w.t, apierrors.IsNotFound(err), "no entry: %v", err)

	w.create("deleted") // and anew, with another UID
	w.requireAsSpecified(1)
}

func testDeleteInForeground(w *world) {
	w.create("foreground")
	w.requireAsSpecified(1)
	foreground := metav1.DeletePropagationForeground
	require.NoError(w.t, w.websites.Websites(w.namespace).Delete(w.t.Context(), "foreground", metav1.DeleteOptions{PropagationPolicy: &foreground}))
	w.requireAsSpecified(0)
}

func testStatusOfOthers(w *world) {
	w.create("status")
	w.requireAsSpecified(1)
	client := w.websites.Websites(w.namespace)
	before, err := client.Get(w.t.Context(), "status", metav1.GetOptions{})
	require.NoError(w.t, err)
	_, err = client.Patch(w.t.Context(), "status", types.MergePatchType, []byte(`{"status":{"url":"http://mine/","conditions":[]}}`), metav1.PatchOptions{}, "status")
	require.NoError(w.t, err)
	w.requireAsSpecified(1)
	after := w.requireReason("status", controller.ReasonAvailable)
	assert.Equal(w.t, before.Status.URL, after.Status.URL)
}

// Somebody else writes the Website while the controller does: it gets conflicts, and its status is about the last spec.
func testBusyObject(w *world) {
	w.create("busy")
	for i := range 30 {
		w.patch("busy", fmt.Sprintf(`{"metadata":{"annotations":{"count":"%d"}},"spec":{"html":"page %d"}}`, i, i))
	}
	w.requireAsSpecified(1)
	website, err := w.websites.Websites(w.namespace).Get(w.t.Context(), "busy", metav1.GetOptions{})
	require.NoError(w.t, err)
	assert.Equal(w.t, "29", website.Annotations["count"], "the controller writes nothing but what is its own")
}

func testEvents(w *world) {
	w.create("events")
	w.requireAsSpecified(1)
	w.requireEvent("events", corev1.EventTypeNormal, controller.ReasonAvailable, "2 of 2 replicas are available")
}

// A user makes an object in the very moment before the controller does, and before its cache knows. Here the cache never
// knows: its informer asks for all objects but this one.
func TestObjectUnknownToTheCacheOnCluster(t *testing.T) {
	w := labWorld(t)
	for gvr, object := range foreigners("late") {
		t.Run(object.GetKind(), func(t *testing.T) {
			w := w.in(t)
			before := w.createForeigner(gvr, object)
			reads := rest.CopyConfig(w.admin)
			reads.Wrap(func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(request *http.Request) (*http.Response, error) {
					if strings.HasSuffix(request.URL.Path, "/"+gvr.Resource) {
						request = request.Clone(request.Context())
						query := request.URL.Query()
						query.Set("fieldSelector", "metadata.name!=late")
						request.URL.RawQuery = query.Encode()
					}
					return next.RoundTrip(request)
				})
			})
			blind, err := kubernetes.NewForConfig(reads)
			require.NoError(t, err)
			informers, err := controller.NewInformers(blind, w.websites, 0)
			require.NoError(t, err)
			var conflicts atomic.Int32
			c, err := controller.New(controller.Options{
				Kube: w.kube, Websites: w.websites, Informers: informers, Recorder: events.NewFakeRecorder(100), Directory: w.system, Image: defaultImage,
				Observe: func(result string) {
					if result == "conflict" {
						conflicts.Add(1)
					}
				},
			})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), klog.Logger{}))
			ended := make(chan error, 1)
			informers.Start(ctx)
			go func() { ended <- c.Run(ctx, 1) }()
			defer func() {
				w.deleteAll()
				cancel()
				require.NoError(t, <-ended)
				informers.Wait()
			}()

			w.create("late")
			eventually(t, "the server has refused it three times", func(context.Context) error {
				if n := conflicts.Load(); n < 3 {
					return fmt.Errorf("%d conflicts", n)
				}
				return nil
			})
			w.requireSame(gvr, before)
			require.NoError(t, w.dynamic.Resource(gvr).Namespace(w.namespace).Delete(t.Context(), "late", metav1.DeleteOptions{}))
		})
	}
}

// A resync looks at each Website again, and writes nothing.
func TestResyncWritesNothingOnCluster(t *testing.T) {
	w := labWorld(t)
	proxy := w.audit()
	r := w.start(w.kubeconfig(proxy.url), "-lease", "1m", "-resync", "2s").neverForbidden().leading()
	w.create(names(3)...)
	w.requireAsSpecified(3)
	assert.NotEmpty(t, proxy.written(), "the audit sees writes")
	done := func() float64 { return r.metric("website_reconcile_total", `result="done"`) }
	wait := func(more float64) {
		before := done()
		eventually(t, "the Websites were looked at again", func(context.Context) error {
			if now := done(); now < before+more {
				return fmt.Errorf("%v of %v times", now-before, more)
			}
			return nil
		})
	}
	wait(3) // what was under way is over: Deployments settle after they are available
	proxy.written()
	before := r.metric("rest_client_requests_total", `code="200"`, `method="PATCH"`) + r.metric("rest_client_requests_total", `method="POST"`)
	wait(6) // two resyncs of three
	assert.Empty(t, proxy.written())
	assert.Equal(t, before, r.metric("rest_client_requests_total", `code="200"`, `method="PATCH"`)+r.metric("rest_client_requests_total", `method="POST"`))
}
