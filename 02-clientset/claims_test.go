package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/labtest"
)

// What the README says in passing, and no step shows.

func TestSelectorsFromValues(t *testing.T) {
	glued := klabels.SelectorFromSet(klabels.Set{"app": "api,tier=db"}).String()
	assert.Equal(t, "app=api,tier=db", glued, "one value became two selectors")
	_, err := klabels.ValidatedSelectorFromSet(klabels.Set{"app": "api,tier=db"})
	assert.Error(t, err)
	assert.Equal(t, `metadata.name=a\,b`, fields.OneTermEqualSelector("metadata.name", "a,b").String())

	empty, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{})
	require.NoError(t, err)
	assert.True(t, empty.Matches(klabels.Set{"app": "api"}))
	none, err := metav1.LabelSelectorAsSelector(nil)
	require.NoError(t, err)
	assert.False(t, none.Matches(klabels.Set{"app": "api"}))
}

func TestSchemeKnowsTheKind(t *testing.T) {
	kinds, _, err := scheme.Scheme.ObjectKinds(&corev1.Pod{})
	require.NoError(t, err)
	assert.Equal(t, []schema.GroupVersionKind{{Version: "v1", Kind: "Pod"}}, kinds)
}

func TestWholeObjectIsNoPatch(t *testing.T) {
	patch, err := json.Marshal(newShop("web"))
	require.NoError(t, err)
	for _, zero := range []string{`"status":{}`, `"strategy":{}`, `"resources":{}`} {
		assert.Contains(t, string(patch), zero)
	}
}

// A field that is younger than this program's types does not survive a Get and an Update.
func TestUpdateDropsUnknownFields(t *testing.T) {
	var sent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			sent = string(body)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"paint"},"data":{"colour":"red"},"gloss":"high"}`)
	}))
	defer server.Close()
	client, err := newClient(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	require.NoError(t, err)
	paint, err := client.CoreV1().ConfigMaps("default").Get(t.Context(), "paint", metav1.GetOptions{})
	require.NoError(t, err)
	_, err = client.CoreV1().ConfigMaps("default").Update(t.Context(), paint, metav1.UpdateOptions{})
	require.NoError(t, err)
	assert.Contains(t, sent, "red")
	assert.NotContains(t, sent, "gloss")
}

// What a manager wrote by Update stays when it leaves it out of an Apply: the same name is another owner.
func TestUpdateAndApplyAreTwoOwners(t *testing.T) {
	twoOwners(t, fake.NewClientset())
}

func twoOwners(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	configMaps := client.CoreV1().ConfigMaps(labNamespace)
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "red", Labels: labels()}, Data: map[string]string{"colour": "red"}}
	_, err := configMaps.Create(t.Context(), configMap, metav1.CreateOptions{FieldManager: "ann"})
	require.NoError(t, err)
	left, err := configMaps.Apply(t.Context(), paint(""), by("ann"))
	require.NoError(t, err)
	assert.Equal(t, "red", left.Data["colour"])
	operations := map[metav1.ManagedFieldsOperationType]bool{}
	for _, entry := range left.ManagedFields {
		assert.Equal(t, "ann", entry.Manager)
		operations[entry.Operation] = true
	}
	assert.Len(t, operations, 2)
}

// Whoever applies a whole object that it has read owns everything in it.
func TestWholeObjectOwnsEverything(t *testing.T) {
	wholeObject(t, newHonestClientset(t))
}

func wholeObject(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	deployments := client.AppsV1().Deployments(labNamespace)
	_, err := deployments.Apply(t.Context(), wanted(labNamespace), by("deployer"))
	require.NoError(t, err)
	read, err := deployments.Get(t.Context(), "shop", metav1.GetOptions{})
	require.NoError(t, err)
	read.ManagedFields, read.ResourceVersion = nil, ""
	data, err := json.Marshal(read)
	require.NoError(t, err)
	all := appsv1ac.Deployment("shop", labNamespace)
	require.NoError(t, json.Unmarshal(data, all))
	_, err = deployments.Apply(t.Context(), all, by("editor"))
	require.NoError(t, err)
	_, err = deployments.Apply(t.Context(), replicas(labNamespace, 3), by("scaler"))
	require.True(t, apierrors.IsConflict(err), "%v", err)
	assert.ErrorContains(t, err, `conflict with "editor": .spec.replicas`)
}

func TestSlashInAJSONPatch(t *testing.T) {
	slashInAPatch(t, fake.NewClientset())
}

func slashInAPatch(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	makeColour(t, client, "blue")
	patched, err := client.CoreV1().ConfigMaps(labNamespace).Patch(t.Context(), "blue", types.JSONPatchType,
		[]byte(`[{"op":"add","path":"/metadata/labels/shop.example~1colour","value":"green"}]`), metav1.PatchOptions{})
	require.NoError(t, err)
	assert.Equal(t, "green", patched.Labels["shop.example/colour"])
}

func TestClaimsOnCluster(t *testing.T) {
	conn, err := connect(chapter.Flags{Kubeconfig: labtest.Kubeconfig(t)})
	require.NoError(t, err)
	conn.config.WarningHandlerWithContext = rest.NoWarnings{} // there is one about Jobs and their pods
	client, err := newClient(conn.config)
	require.NoError(t, err)
	for name, check := range map[string]func(*testing.T, kubernetes.Interface){
		"two owners":              twoOwners,
		"whole object":            wholeObject,
		"slash in a JSON patch":   slashInAPatch,
		"empty namespace":         emptyNamespace,
		"group-version not there": notServed,
		"fields of pods":          fieldsOfPods,
		"stale merge patch":       stalePatch,
		"waiting for a finalizer": waitingForFinalizer,
		"jobs leave their pods":   jobsLeaveTheirPods,
		"custom resources":        noStrategicMerge,
		"collection, no selector": deleteWithoutSelector,
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, inLab(t.Context(), client, func() error {
				check(t, client)
				return nil
			}))
			assert.Empty(t, leftBehind(t, client))
		})
	}
}

func emptyNamespace(t *testing.T, client kubernetes.Interface) {
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "red", Labels: labels()}}
	_, err := client.CoreV1().ConfigMaps("").Create(t.Context(), configMap, metav1.CreateOptions{})
	assert.True(t, apierrors.IsMethodNotSupported(err), "%v", err)
	assert.EqualError(t, err, "the server does not allow this method on the requested resource")
}

func notServed(t *testing.T, client kubernetes.Interface) {
	_, err := client.AppsV1beta1().Deployments("default").List(t.Context(), metav1.ListOptions{})
	assert.True(t, apierrors.IsNotFound(err), "%v", err)
}

func fieldsOfPods(t *testing.T, client kubernetes.Interface) {
	for _, field := range []string{
		"metadata.name", "metadata.namespace", "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
		"spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
	} {
		_, err := client.CoreV1().Pods(labNamespace).List(t.Context(), metav1.ListOptions{FieldSelector: field + "=x"})
		assert.NoError(t, err)
	}
}

// With empty ListOptions nothing is left out, and nobody asks: not even what Kubernetes itself keeps in every namespace.
func deleteWithoutSelector(t *testing.T, client kubernetes.Interface) {
	namespaces := client.CoreV1().Namespaces()
	own, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "all-gone-", Labels: labels()}}, metav1.CreateOptions{})
	require.NoError(t, err)
	defer func() {
		assert.NoError(t, namespaces.Delete(context.WithoutCancel(t.Context()), own.Name, metav1.DeleteOptions{}))
	}()
	configMaps := client.CoreV1().ConfigMaps(own.Name)
	uids := map[string]types.UID{}
	for _, name := range []string{"mine", "yours"} {
		made, err := configMaps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"owner": name}}}, metav1.CreateOptions{})
		require.NoError(t, err)
		uids[name] = made.UID
	}
	rootCA := "kube-root-ca.crt" // a controller puts it into every namespace, for the pods
	require.NoError(t, poll(t.Context(), rootCA, func(ctx context.Context) (bool, error) {
		found, err := configMaps.Get(ctx, rootCA, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		uids[rootCA] = found.GetUID()
		return err == nil, err
	}))
	require.NoError(t, configMaps.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}))
	left, err := configMaps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, configMap := range left.Items { // the controller may have been quick to make its own again
		assert.NotEqual(t, uids[configMap.Name], configMap.UID, configMap.Name)
	}
}

func stalePatch(t *testing.T, client kubernetes.Interface) {
	makeColour(t, client, "red")
	_, err := client.CoreV1().ConfigMaps(labNamespace).Patch(t.Context(), "red", types.MergePatchType,
		[]byte(`{"metadata":{"resourceVersion":"1"},"data":{"colour":"green"}}`), metav1.PatchOptions{})
	assert.True(t, apierrors.IsConflict(err), "%v", err)
}

func waitingForFinalizer(t *testing.T, client kubernetes.Interface) {
	configMaps := client.CoreV1().ConfigMaps(labNamespace)
	red := makeColour(t, client, "red")
	red.Finalizers = []string{"client-go-lab/hold"}
	_, err := configMaps.Update(t.Context(), red, metav1.UpdateOptions{})
	require.NoError(t, err)
	defer func() { // also if something goes wrong below: nobody else would remove it
		_, err := configMaps.Patch(context.WithoutCancel(t.Context()), "red", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		assert.NoError(t, err)
	}()
	require.NoError(t, configMaps.Delete(t.Context(), "red", metav1.DeleteOptions{}))
	_, err = configMaps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "red"}}, metav1.CreateOptions{})
	assert.True(t, apierrors.IsAlreadyExists(err), "%v", err)
	assert.ErrorContains(t, err, "object is being deleted")
}

// Jobs are older than garbage collection, and their default is still the old one.
func jobsLeaveTheirPods(t *testing.T, client kubernetes.Interface) {
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "count", Labels: labels()},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels()},
			Spec: corev1.PodSpec{
				SchedulerName: "nobody", RestartPolicy: corev1.RestartPolicyNever,
				Containers: []corev1.Container{{Name: "app", Image: "pause:3.10"}},
			},
		}},
	}
	jobs, pods := client.BatchV1().Jobs(labNamespace), client.CoreV1().Pods(labNamespace)
	_, err := jobs.Create(t.Context(), job, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, poll(t.Context(), "the Job to count its pod", func(ctx context.Context) (bool, error) {
		job, err := jobs.Get(ctx, "count", metav1.GetOptions{}) // the controller makes the pod first, and then counts it
		return err == nil && job.Status.Active == 1, err
	}))
	require.NoError(t, jobs.Delete(t.Context(), "count", metav1.DeleteOptions{}))
	require.NoError(t, poll(t.Context(), "the Job to go", func(ctx context.Context) (bool, error) {
		_, err := jobs.Get(ctx, "count", metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	}))
	list, err := pods.List(t.Context(), mine())
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	assert.Empty(t, list.Items[0].OwnerReferences)
}

// A strategic merge patch needs Go types that say how lists merge. The server has none for a custom resource.
func noStrategicMerge(t *testing.T, client kubernetes.Interface) {
	const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	const name = "paints.chapter02.client-go-lab.example"
	definition := `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
		"metadata":{"name":"` + name + `","labels":{"` + labLabel + `":"02"}},
		"spec":{"group":"chapter02.client-go-lab.example","scope":"Namespaced","names":{"kind":"Paint","plural":"paints"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`
	raw := client.CoreV1().RESTClient()
	remove := func() error {
		return raw.Delete().AbsPath(definitions, name).Do(context.WithoutCancel(t.Context())).Error()
	}
	require.NoError(t, ignoreNotFound(remove()))
	require.NoError(t, raw.Post().AbsPath(definitions).SetHeader("Content-Type", "application/json").Body([]byte(definition)).Do(t.Context()).Error())
	defer func() { require.NoError(t, remove()) }()

	paints := "/apis/chapter02.client-go-lab.example/v1/namespaces/" + labNamespace + "/paints"
	require.NoError(t, poll(t.Context(), "the new resource", func(ctx context.Context) (bool, error) {
		err := raw.Get().AbsPath(paints).Do(ctx).Error()
		return err == nil, ignoreNotFound(err)
	}))
	for patchType, is := range map[types.PatchType]func(error) bool{
		types.StrategicMergePatchType: apierrors.IsUnsupportedMediaType,
		types.MergePatchType:          apierrors.IsNotFound, // it looked for the object
	} {
		err := raw.Patch(patchType).AbsPath(paints, "red").Body([]byte(`{}`)).Do(t.Context()).Error()
		assert.True(t, is(err), "%s: %v", patchType, err)
	}
}

// One Clientset, one connection: HTTP/2 carries all groups and all goroutines.
func TestOneConnectionOnCluster(t *testing.T) {
	conn, err := connect(chapter.Flags{Kubeconfig: labtest.Kubeconfig(t)})
	require.NoError(t, err)
	config := rest.CopyConfig(conn.config)
	var dials atomic.Int32
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	client, err := newClient(config)
	require.NoError(t, err)
	require.NoError(t, list(t.Context(), client, "default", io.Discard))
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() { assert.NoError(t, list(t.Context(), client, "default", io.Discard)) })
	}
	wait.Wait()
	assert.EqualValues(t, 1, dials.Load())
}
