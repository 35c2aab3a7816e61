package docs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	metadatafake "k8s.io/client-go/metadata/fake"
	"k8s.io/client-go/rest"
	restfake "k8s.io/client-go/rest/fake"
	fcache "k8s.io/client-go/tools/cache/testing"
	"k8s.io/client-go/tools/clientcmd"

	"client-go-lab/internal/labtest"
)

// The chapters' tests show most of what fake-versus-real.md says. What they do not show is here, in the same way: one
// observation, made on a fake and on a real server.

// world is what an observation looks at: the clients of one server, or the fakes in their place.
type world struct {
	fake      bool
	namespace string // the observation's own
	clientset kubernetes.Interface
	stranger  kubernetes.Interface // the same, for somebody without any right
	dynamic   dynamic.Interface
	metadata  metadata.Interface
	core      rest.Interface
	source    objectSource
	headers   func() http.Header // of the last request that core has sent
}

// objectSource is where an informer of ConfigMaps gets them from, with a way to change them.
type objectSource interface {
	List(options metav1.ListOptions) (runtime.Object, error)
	Watch(options metav1.ListOptions) (watch.Interface, error)
	Add(object runtime.Object) error
	Modify(object runtime.Object) error
}

var fakeLies = []struct {
	name    string
	observe func(t *testing.T, w world) string
	fake    string
	real    string
}{
	// The fake clientset.
	{"string-data", seeStringData, `data "", stringData "green"`, `data "green", stringData ""`},
	{"status-at-create", seeStatusAtCreate, "Running", "Pending"},
	{"missing-namespace", seeMissingNamespace, "no error", "NotFound"},
	{"namespace-content", seeNamespaceContent, "still there", "gone"},
	{"garbage", seeGarbage, "still there", "gone"},
	{"immutable", seeImmutable, "no error", "Invalid"},
	{"rights", seeRights, "no error", "Forbidden"},
	{"version-gone", seeVersionGone, "no error", "NotFound"},
	{"watch-timeout", seeWatchTimeout, "open", "closed"},
	{"initial-events", seeInitialEvents, "ADDED, nothing", "ADDED, BOOKMARK"},

	// The fake dynamic client.
	{"dynamic-limit", seeDynamicLimit, "2 found, more to come: false", "1 found, more to come: true"},
	{"dynamic-watch-selector", seeDynamicWatchSelector, "the first event is of blue", "the first event is of red"},

	// The fake metadata client.
	{"metadata-kind", seeMetadataKind, `apiVersion "v1", kind "ConfigMap"`, `apiVersion "", kind ""`},
	{"metadata-identity", seeMetadataIdentity, "uid false, resourceVersion false", "uid true, resourceVersion true"},
	{"metadata-field-selector", seeMetadataFieldSelector, "2 found", "1 found"},
	{"metadata-limit", seeMetadataLimit, "2 found, more to come: false", "1 found, more to come: true"},
	{"metadata-watch-selector", seeMetadataWatchSelector, "the first event is of blue", "the first event is of red"},
	{"metadata-unknown", seeMetadataUnknown, "no error", "NotFound"},
	{"metadata-delete-collection", seeMetadataDeleteCollection, "no error, 2 left", "no error, 0 left"},
	{"metadata-context", seeMetadataContext, "no error", "context canceled"},

	// rest/fake.RESTClient.
	{"rest-path", seeRestPath, "no error", "NotFound"},
	{"rest-answer", seeRestAnswer, "first: no error, second: an error without a reason", "first: no error, second: no error"},
	{"rest-user-agent", seeRestUserAgent, "", "teapot/1"},
	{"rest-limiter", seeRestLimiter, "none", "5 per second"},

	// FakeControllerSource.
	{"source-selector", seeSourceSelector, "list: blue red, watch: blue", "list: red, watch: red"},
	{"source-missing", seeSourceMissing, "no error, then an event of red", "NotFound, then an event of last"},
	{"source-no-version", seeSourceNoVersion, "an error without a reason", "ADDED"},
	{"source-initial-events", seeSourceInitialEvents, "nothing", "ADDED, BOOKMARK"},
	{"source-limit", seeSourceLimit, "2 found", "1 found"},
}

func TestFakesLie(t *testing.T) {
	for _, lie := range fakeLies {
		t.Run(lie.name, func(t *testing.T) {
			// In a bubble the clock jumps ahead when everybody waits: "nothing comes" needs no waiting.
			synctest.Test(t, func(t *testing.T) {
				assert.Equal(t, lie.fake, lie.observe(t, fakeWorld(t)))
				assert.NotEqual(t, lie.fake, lie.real)
			})
		})
	}
}

func TestFakesLieOnCluster(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", labtest.Kubeconfig(t))
	require.NoError(t, err)
	config.QPS = -1
	for _, lie := range fakeLies {
		t.Run(lie.name, func(t *testing.T) {
			assert.Equal(t, lie.real, lie.observe(t, realWorld(t, config)))
		})
	}
}

func fakeWorld(t *testing.T) world {
	withMeta := metadatafake.NewTestScheme()
	require.NoError(t, metav1.AddMetaToScheme(withMeta))
	core := &restfake.RESTClient{
		NegotiatedSerializer: scheme.Codecs.WithoutConversion(), GroupVersion: corev1.SchemeGroupVersion, VersionedAPIPath: "/api/v1",
		Resp: &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(`{"kind":"ConfigMapList","apiVersion":"v1"}`))},
	}
	clientset := fake.NewClientset()
	source := fcache.NewFakeControllerSource()
	t.Cleanup(source.Shutdown)
	return world{
		fake: true, namespace: "tearoom", clientset: clientset, stranger: clientset,
		dynamic:  dynamicfake.NewSimpleDynamicClient(scheme.Scheme),
		metadata: metadatafake.NewSimpleMetadataClient(withMeta),
		core:     core, headers: func() http.Header { return core.Req.Header }, source: fakeSource{source},
	}
}

func realWorld(t *testing.T, config *rest.Config) world {
	config = rest.CopyConfig(config)
	config.UserAgent = "teapot/1"
	var last http.Header
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			last = r.Header
			return next.RoundTrip(r)
		})
	})
	w := world{namespace: labtest.Namespace(t, labtest.CoreClient(t, config)), headers: func() http.Header { return last }}
	var err error
	w.clientset, err = kubernetes.NewForConfig(config)
	require.NoError(t, err)
	w.dynamic, err = dynamic.NewForConfig(config)
	require.NoError(t, err)
	w.metadata, err = metadata.NewForConfig(config)
	require.NoError(t, err)
	w.source = realSource{w.clientset, w.namespace}

	impersonating := rest.CopyConfig(config)
	impersonating.Impersonate.UserName = "stranger"
	w.stranger, err = kubernetes.NewForConfig(impersonating)
	require.NoError(t, err)

	limited := rest.CopyConfig(config)
	limited.QPS, limited.APIPath, limited.GroupVersion = 0, "/api", &corev1.SchemeGroupVersion
	limited.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	w.core, err = rest.RESTClientFor(limited)
	require.NoError(t, err)
	return w
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fakeSource is a FakeControllerSource. What it is told to change never fails.
type fakeSource struct{ *fcache.FakeControllerSource }

func (s fakeSource) Add(object runtime.Object) error {
	s.FakeControllerSource.Add(object)
	return nil
}

func (s fakeSource) Modify(object runtime.Object) error {
	s.FakeControllerSource.Modify(object)
	return nil
}

// realSource is the ConfigMaps of a namespace, on a server.
type realSource struct {
	clientset kubernetes.Interface
	namespace string
}

func (s realSource) List(options metav1.ListOptions) (runtime.Object, error) {
	return s.clientset.CoreV1().ConfigMaps(s.namespace).List(context.Background(), options)
}

func (s realSource) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return s.clientset.CoreV1().ConfigMaps(s.namespace).Watch(context.Background(), options)
}

func (s realSource) Add(object runtime.Object) error {
	_, err := s.clientset.CoreV1().ConfigMaps(s.namespace).Create(context.Background(), object.(*corev1.ConfigMap), metav1.CreateOptions{})
	return err
}

func (s realSource) Modify(object runtime.Object) error {
	_, err := s.clientset.CoreV1().ConfigMaps(s.namespace).Update(context.Background(), object.(*corev1.ConfigMap), metav1.UpdateOptions{})
	return err
}

// reasonOf says what an error is to a program.
func reasonOf(err error) string {
	switch reason := apierrors.ReasonForError(err); {
	case err == nil:
		return "no error"
	case errors.Is(err, context.Canceled):
		return "context canceled"
	case reason == metav1.StatusReasonUnknown:
		return "an error without a reason"
	default:
		return string(reason)
	}
}

// quietFor is how long nothing may come before it counts as nothing. On a fake it takes no time.
const quietFor = 30 * time.Second

// nextEvent is the next event of a stream, or nil if none comes. open is false once the stream has ended.
func nextEvent(stream watch.Interface) (event *watch.Event, open bool) {
	select {
	case event, open := <-stream.ResultChan():
		if !open {
			return nil, false
		}
		return &event, true
	case <-time.After(quietFor):
		return nil, true
	}
}

// nextName is the name of the object in the next event, "nothing" without one.
func nextName(t *testing.T, stream watch.Interface) string {
	t.Helper()
	event, _ := nextEvent(stream)
	if event == nil {
		return "nothing"
	}
	object, err := meta.Accessor(event.Object)
	require.NoError(t, err)
	return object.GetName()
}

// nextType is the type of the next event, "nothing" without one. Of a bookmark, it has to be the one that ends a list.
func nextType(t *testing.T, stream watch.Interface) string {
	t.Helper()
	event, _ := nextEvent(stream)
	if event == nil {
		return "nothing"
	}
	if event.Type == watch.Bookmark {
		object, err := meta.Accessor(event.Object)
		require.NoError(t, err)
		require.Contains(t, object.GetAnnotations(), metav1.InitialEventsAnnotationKey)
	}
	return string(event.Type)
}

// coloured is a ConfigMap with a colour as its name and as its label.
func coloured(colour string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: colour, Labels: map[string]string{"colour": colour}}}
}

func createColoured(t *testing.T, w world, object *corev1.ConfigMap) *corev1.ConfigMap {
	t.Helper()
	created, err := w.clientset.CoreV1().ConfigMaps(w.namespace).Create(t.Context(), object, metav1.CreateOptions{})
	require.NoError(t, err)
	return created
}

// stillThere says whether a ConfigMap is still there. The server needs a moment to remove what its owner leaves behind.
func stillThere(t *testing.T, w world, namespace, name string) string {
	t.Helper()
	left := "still there"
	look := func(ctx context.Context) (bool, error) {
		_, err := w.clientset.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			left, err = "gone", nil
		}
		return left == "gone", err
	}
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 2*time.Minute, true, look)
	if !wait.Interrupted(err) {
		require.NoError(t, err)
	}
	return left
}

func seeStringData(t *testing.T, w world) string {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "tea"}, StringData: map[string]string{"leaves": "green"}}
	created, err := w.clientset.CoreV1().Secrets(w.namespace).Create(t.Context(), secret, metav1.CreateOptions{})
	require.NoError(t, err)
	return fmt.Sprintf("data %q, stringData %q", created.Data["leaves"], created.StringData["leaves"])
}

func seeStatusAtCreate(t *testing.T, w world) string {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "tea"},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "tea", Image: "tea"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if !w.fake { // a pod needs its namespace's service account, which a controller makes
		require.Eventually(t, func() bool {
			_, err := w.clientset.CoreV1().ServiceAccounts(w.namespace).Get(t.Context(), "default", metav1.GetOptions{})
			return err == nil
		}, 30*time.Second, 50*time.Millisecond)
	}
	created, err := w.clientset.CoreV1().Pods(w.namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	return string(created.Status.Phase)
}

func seeMissingNamespace(t *testing.T, w world) string {
	_, err := w.clientset.CoreV1().ConfigMaps("nowhere").Create(t.Context(), coloured("red"), metav1.CreateOptions{})
	return reasonOf(err)
}

func seeNamespaceContent(t *testing.T, w world) string {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-annexe"}}
	_, err := w.clientset.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = w.clientset.CoreV1().ConfigMaps(namespace.Name).Create(t.Context(), coloured("red"), metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, w.clientset.CoreV1().Namespaces().Delete(t.Context(), namespace.Name, metav1.DeleteOptions{}))
	return stillThere(t, w, namespace.Name, "red")
}

func seeGarbage(t *testing.T, w world) string {
	owner := createColoured(t, w, coloured("blue"))
	child := coloured("red")
	child.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}}
	createColoured(t, w, child)
	require.NoError(t, w.clientset.CoreV1().ConfigMaps(w.namespace).Delete(t.Context(), "blue", metav1.DeleteOptions{}))
	return stillThere(t, w, w.namespace, "red")
}

func seeImmutable(t *testing.T, w world) string {
	deployments := w.clientset.AppsV1().Deployments(w.namespace)
	web := map[string]string{"app": "web"}
	created, err := deployments.Create(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{
		Replicas: new(int32(0)),
		Selector: &metav1.LabelSelector{MatchLabels: web},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: web},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}}},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	other := map[string]string{"app": "other"}
	created.Spec.Selector.MatchLabels, created.Spec.Template.Labels = other, other
	created.ResourceVersion = "" // no conflict with the Deployment's controller
	_, err = deployments.Update(t.Context(), created, metav1.UpdateOptions{})
	return reasonOf(err)
}

func seeRights(t *testing.T, w world) string {
	_, err := w.stranger.CoreV1().Secrets(w.namespace).List(t.Context(), metav1.ListOptions{})
	return reasonOf(err)
}

// seeVersionGone uses a version that servers no longer have since Kubernetes 1.25. client-go keeps its types.
func seeVersionGone(t *testing.T, w world) string {
	_, err := w.clientset.BatchV1beta1().CronJobs(w.namespace).Create(t.Context(),
		&batchv1beta1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "tea"}}, metav1.CreateOptions{})
	return reasonOf(err)
}

func seeWatchTimeout(t *testing.T, w world) string {
	stream, err := w.clientset.CoreV1().Secrets(w.namespace).Watch(t.Context(), metav1.ListOptions{TimeoutSeconds: new(int64(1))})
	require.NoError(t, err)
	defer stream.Stop()
	for range 3 {
		if _, open := nextEvent(stream); !open {
			return "closed"
		}
	}
	return "open"
}

// initialEvents asks as an informer of today does: for everything that is there, and a bookmark behind it.
func initialEvents() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: "colour", SendInitialEvents: new(true), AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan}
}

func seeInitialEvents(t *testing.T, w world) string {
	createColoured(t, w, coloured("red"))
	stream, err := w.clientset.CoreV1().ConfigMaps(w.namespace).Watch(t.Context(), initialEvents())
	require.NoError(t, err)
	defer stream.Stop()
	return nextType(t, stream) + ", " + nextType(t, stream)
}

// configMaps are what the dynamic and the metadata client look at here.
var configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")

func createDynamic(t *testing.T, w world, colours ...string) dynamic.ResourceInterface {
	t.Helper()
	client := w.dynamic.Resource(configMaps).Namespace(w.namespace)
	for _, colour := range colours {
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(coloured(colour))
		require.NoError(t, err)
		object["apiVersion"], object["kind"] = "v1", "ConfigMap"
		_, err = client.Create(t.Context(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	return client
}

func seeDynamicLimit(t *testing.T, w world) string {
	list, err := createDynamic(t, w, "blue", "red").List(t.Context(), metav1.ListOptions{LabelSelector: "colour", Limit: 1})
	require.NoError(t, err)
	return fmt.Sprintf("%d found, more to come: %t", len(list.Items), list.GetContinue() != "")
}

func seeDynamicWatchSelector(t *testing.T, w world) string {
	stream, err := createDynamic(t, w).Watch(t.Context(), metav1.ListOptions{LabelSelector: "colour=red"})
	require.NoError(t, err)
	defer stream.Stop()
	createDynamic(t, w, "blue", "red")
	return "the first event is of " + nextName(t, stream)
}

// createMetadata makes a ConfigMap that the metadata client sees: the real one cannot create, and the fake one does not
// know the clientset.
func createMetadata(t *testing.T, w world, colours ...string) metadata.ResourceInterface {
	t.Helper()
	client := w.metadata.Resource(configMaps).Namespace(w.namespace)
	for _, colour := range colours {
		fake, isFake := client.(metadatafake.MetadataClient)
		if !isFake {
			createColoured(t, w, coloured(colour))
			continue
		}
		_, err := fake.CreateFake(&metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: colour, Labels: map[string]string{"colour": colour}},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	return client
}

func seeMetadataKind(t *testing.T, w world) string {
	red, err := createMetadata(t, w, "red").Get(t.Context(), "red", metav1.GetOptions{})
	require.NoError(t, err)
	return fmt.Sprintf("apiVersion %q, kind %q", red.APIVersion, red.Kind)
}

func seeMetadataIdentity(t *testing.T, w world) string {
	red, err := createMetadata(t, w, "red").Get(t.Context(), "red", metav1.GetOptions{})
	require.NoError(t, err)
	return fmt.Sprintf("uid %t, resourceVersion %t", red.UID != "", red.ResourceVersion != "")
}

func seeMetadataFieldSelector(t *testing.T, w world) string {
	list, err := createMetadata(t, w, "blue", "red").List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=red"})
	require.NoError(t, err)
	return fmt.Sprintf("%d found", len(list.Items))
}

func seeMetadataLimit(t *testing.T, w world) string {
	list, err := createMetadata(t, w, "blue", "red").List(t.Context(), metav1.ListOptions{LabelSelector: "colour", Limit: 1})
	require.NoError(t, err)
	return fmt.Sprintf("%d found, more to come: %t", len(list.Items), list.Continue != "")
}

func seeMetadataWatchSelector(t *testing.T, w world) string {
	stream, err := createMetadata(t, w).Watch(t.Context(), metav1.ListOptions{LabelSelector: "colour=red"})
	require.NoError(t, err)
	defer stream.Stop()
	createMetadata(t, w, "blue", "red")
	return "the first event is of " + nextName(t, stream)
}

func seeMetadataUnknown(t *testing.T, w world) string {
	kettles := schema.GroupVersionResource{Group: "kitchen.example.com", Version: "v1", Resource: "kettles"}
	_, err := w.metadata.Resource(kettles).List(t.Context(), metav1.ListOptions{})
	return reasonOf(err)
}

func seeMetadataDeleteCollection(t *testing.T, w world) string {
	client := createMetadata(t, w, "blue", "red")
	deleted := client.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "colour"})
	list, err := client.List(t.Context(), metav1.ListOptions{LabelSelector: "colour"})
	require.NoError(t, err)
	return fmt.Sprintf("%s, %d left", reasonOf(deleted), len(list.Items))
}

func seeMetadataContext(t *testing.T, w world) string {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.metadata.Resource(configMaps).Namespace(w.namespace).List(ctx, metav1.ListOptions{})
	return reasonOf(err)
}

func seeRestPath(t *testing.T, w world) string {
	return reasonOf(w.core.Get().Namespace(w.namespace).Resource("configmapz").Do(t.Context()).Error())
}

func seeRestAnswer(t *testing.T, w world) string {
	ask := func() string {
		return reasonOf(w.core.Get().Namespace(w.namespace).Resource("configmaps").Do(t.Context()).Into(&corev1.ConfigMapList{}))
	}
	return fmt.Sprintf("first: %s, second: %s", ask(), ask())
}

func seeRestUserAgent(t *testing.T, w world) string {
	require.NoError(t, w.core.Get().Namespace(w.namespace).Resource("configmaps").Do(t.Context()).Error())
	return w.headers().Get("User-Agent")
}

func seeRestLimiter(_ *testing.T, w world) string {
	limiter := w.core.GetRateLimiter()
	if limiter == nil {
		return "none"
	}
	return fmt.Sprintf("%v per second", limiter.QPS())
}

// colouredNames are the names of the ConfigMaps with a colour in a list, sorted. Any namespace of a server has others, too.
func colouredNames(t *testing.T, list runtime.Object) string {
	t.Helper()
	var names []string
	require.NoError(t, meta.EachListItem(list, func(item runtime.Object) error {
		object, err := meta.Accessor(item)
		if err == nil && object.GetLabels()["colour"] != "" {
			names = append(names, object.GetName())
		}
		return err
	}))
	slices.Sort(names)
	return strings.Join(names, " ")
}

func seeSourceSelector(t *testing.T, w world) string {
	stream, err := w.source.Watch(metav1.ListOptions{LabelSelector: "colour=red", ResourceVersion: "0"})
	require.NoError(t, err)
	defer stream.Stop()
	for _, colour := range []string{"blue", "red"} {
		require.NoError(t, w.source.Add(coloured(colour)))
	}
	list, err := w.source.List(metav1.ListOptions{LabelSelector: "colour=red"})
	require.NoError(t, err)
	return fmt.Sprintf("list: %s, watch: %s", colouredNames(t, list), nextName(t, stream))
}

// seeSourceMissing changes what is not there, and then adds something.
func seeSourceMissing(t *testing.T, w world) string {
	stream, err := w.source.Watch(metav1.ListOptions{LabelSelector: "colour", ResourceVersion: "0"})
	require.NoError(t, err)
	defer stream.Stop()
	changed := reasonOf(w.source.Modify(coloured("red")))
	require.NoError(t, w.source.Add(coloured("last")))
	return fmt.Sprintf("%s, then an event of %s", changed, nextName(t, stream))
}

func seeSourceNoVersion(t *testing.T, w world) string {
	require.NoError(t, w.source.Add(coloured("red")))
	stream, err := w.source.Watch(metav1.ListOptions{LabelSelector: "colour"})
	if err != nil {
		return reasonOf(err)
	}
	defer stream.Stop()
	return nextType(t, stream)
}

func seeSourceInitialEvents(t *testing.T, w world) string {
	require.NoError(t, w.source.Add(coloured("red")))
	options := initialEvents()
	if w.fake {
		options.ResourceVersion = "1" // it takes no watch without one
	}
	stream, err := w.source.Watch(options)
	require.NoError(t, err)
	defer stream.Stop()
	if first := nextType(t, stream); first != "ADDED" {
		return first
	}
	return "ADDED, " + nextType(t, stream)
}

func seeSourceLimit(t *testing.T, w world) string {
	for _, colour := range []string{"blue", "red"} {
		require.NoError(t, w.source.Add(coloured(colour)))
	}
	list, err := w.source.List(metav1.ListOptions{LabelSelector: "colour", Limit: 1})
	require.NoError(t, err)
	return fmt.Sprintf("%d found", meta.LenList(list))
}
