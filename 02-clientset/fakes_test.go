package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/labtest"
)

// claims are what this chapter says about fake clientsets: each is one observation, made on both fakes and on a server.
// The README's table "Where fakes lie" has a row for each.
var claims = []struct {
	name    string
	observe func(t *testing.T, client kubernetes.Interface) string
	fake    string // what fake.NewClientset shows
	simple  string // what fake.NewSimpleClientset shows, if that is something else
	real    string // what a server shows
}{
	{name: "identity", observe: seeIdentity,
		fake: "uid false, resourceVersion false, creationTimestamp false, generation 0",
		real: "uid true, resourceVersion true, creationTimestamp true, generation 1"},
	{name: "defaults", observe: seeDefaults, fake: `strategy ""`, real: `strategy "RollingUpdate"`},
	{name: "validation", observe: seeValidation, fake: "no error", real: "Invalid"},
	{name: "stale-update", observe: seeStaleUpdate, fake: "no error", real: "Conflict"},
	{name: "field-selector", observe: seeFieldSelector, fake: "2 ConfigMaps", real: "1 ConfigMaps"},
	{name: "unknown-field", observe: seeUnknownField, fake: "no error", real: "BadRequest"},
	{name: "limit", observe: seeLimit, fake: "2 ConfigMaps, more to come: false", real: "1 ConfigMaps, more to come: true"},
	{name: "watch-selector", observe: seeWatchSelector, fake: "the first event is of blue", real: "the first event is of red"},
	{name: "watch-context", observe: seeWatchContext, fake: "open", real: "closed"},
	{name: "watch-buffer", observe: seeWatchBuffer, fake: "panic", real: "no error"},
	{name: "replay", observe: seeReplay, fake: "ADDED", real: "MODIFIED"},
	{name: "lost-delete", observe: seeLostDelete, fake: "nothing", real: "DELETED"},
	{name: "rest-client", observe: seeRESTClient, fake: "panic", real: "no error"},
	{name: "context", observe: seeContext, fake: "no error", real: "context canceled"},
	{name: "generate-name", observe: seeGenerateName, fake: `name "", the second: AlreadyExists`, real: `name "red-xxxxx", the second: no error`},
	{name: "delete-collection", observe: seeDeleteCollection, fake: "no error, 2 ConfigMaps left", real: "no error, 0 ConfigMaps left"},
	{name: "uid-precondition", observe: seeUidPrecondition, fake: "no error", real: "Conflict"},
	{name: "finalizers", observe: seeFinalizers, fake: "gone", real: "still there"},
	{name: "dry-run", observe: seeDryRun, fake: "stored", real: "not stored"},
	{name: "status-and-spec", observe: seeStatusAndSpec,
		fake: "Update wrote status: true, UpdateStatus wrote spec: true",
		real: "Update wrote status: false, UpdateStatus wrote spec: false"},
	{name: "evict", observe: seeEvict, fake: "no error, the pod is still there", real: "no error, the pod is gone"},
	{name: "bind", observe: seeBind, fake: "no error, on a node: false", real: "no error, on a node: true"},
	{name: "scale", observe: seeScale, fake: "panic", real: "2 replicas"},
	{name: "logs", observe: seeLogs, fake: "fake logs", real: "NotFound"},
	{name: "access-review", observe: seeAccessReview, fake: "an error without a reason", simple: "allowed: false", real: "allowed: true"},
	{name: "controllers", observe: seeControllers, fake: "no ReplicaSet", real: "a ReplicaSet"},
	{name: "patch-error", observe: seePatchError, fake: "an error without a reason", real: "Invalid"},
	{name: "kind", observe: seeKind, fake: `"Deployment"`, simple: `""`, real: `""`},
	{name: "apply-creates", observe: seeApplyMakes, fake: "no error", simple: "NotFound", real: "no error"},
	{name: "apply-conflict", observe: seeApplyClash, fake: "Conflict, by force: no error", simple: "no error, by force: no error", real: "Conflict, by force: no error"},
	{name: "apply-removes", observe: seeApplyRemoves, fake: "map[]", simple: "map[colour:red]", real: "map[]"},
}

func TestFakes(t *testing.T) {
	for _, claim := range claims {
		t.Run(claim.name, func(t *testing.T) {
			assert.Equal(t, claim.fake, claim.observe(t, fake.NewClientset()), "fake.NewClientset")
			simple := claim.simple
			if simple == "" {
				simple = claim.fake
			}
			assert.Equal(t, simple, claim.observe(t, fake.NewSimpleClientset()), "fake.NewSimpleClientset")
			assert.True(t, claim.fake != claim.real || simple != claim.real, "no fake lies here")
		})
	}
}

func TestFakesOnCluster(t *testing.T) {
	conn, err := connect(chapter.Flags{Kubeconfig: labtest.Kubeconfig(t)})
	require.NoError(t, err)
	config := rest.CopyConfig(conn.config)
	config.QPS = -1
	client, err := newClient(config)
	require.NoError(t, err)
	for _, claim := range claims {
		t.Run(claim.name, func(t *testing.T) {
			require.NoError(t, inLab(t.Context(), client, func() error {
				assert.Equal(t, claim.real, claim.observe(t, client))
				return nil
			}))
			assert.Empty(t, leftBehind(t, client))
		})
	}
}

// The table in the README has a row for every claim.
func TestReadmeHasEveryClaim(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, claim := range claims {
		assert.Contains(t, string(readme), "| `"+claim.name+"` |")
	}
}

// result says what an error is to a program.
func result(err error) string {
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

// panics runs f and says "panic" if it does.
func panics(f func() string) (observed string) {
	defer func() {
		if recover() != nil {
			observed = "panic"
		}
	}()
	return f()
}

// receive waits for an event, or for the end of the stream, but not for ever.
func receive(t *testing.T, stream watch.Interface) (event watch.Event, open bool) {
	t.Helper()
	select {
	case event, open = <-stream.ResultChan():
	case <-time.After(30 * time.Second):
		t.Error("the stream has brought nothing for 30 seconds")
	}
	return event, open
}

// makeColour creates a ConfigMap with a colour, as a label and as data.
func makeColour(t *testing.T, client kubernetes.Interface, colour string) *corev1.ConfigMap {
	t.Helper()
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: colour, Labels: labels()}, Data: map[string]string{"colour": colour}}
	configMap.Labels["colour"] = colour
	created, err := client.CoreV1().ConfigMaps(labNamespace).Create(t.Context(), configMap, metav1.CreateOptions{})
	require.NoError(t, err)
	return created
}

// makePod creates a pod that stays Pending: there is no scheduler of that name.
func makePod(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "red", Labels: labels()},
		Spec: corev1.PodSpec{
			SchedulerName: "nobody",
			Containers:    []corev1.Container{{Name: "app", Image: "pause:3.10"}},
		},
	}
	_, err := client.CoreV1().Pods(labNamespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
}

func seeIdentity(t *testing.T, client kubernetes.Interface) string {
	created, err := client.AppsV1().Deployments(labNamespace).Create(t.Context(), newDeployment("web", 0), metav1.CreateOptions{})
	require.NoError(t, err)
	return fmt.Sprintf("uid %t, resourceVersion %t, creationTimestamp %t, generation %d", created.UID != "",
		created.ResourceVersion != "", !created.CreationTimestamp.IsZero(), created.Generation)
}

func seeDefaults(t *testing.T, client kubernetes.Interface) string {
	created, err := client.AppsV1().Deployments(labNamespace).Create(t.Context(), newDeployment("web", 0), metav1.CreateOptions{})
	require.NoError(t, err)
	return fmt.Sprintf("strategy %q", created.Spec.Strategy.Type)
}

func seeValidation(t *testing.T, client kubernetes.Interface) string {
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "Not A Name", Labels: labels()}}
	_, err := client.CoreV1().ConfigMaps(labNamespace).Create(t.Context(), configMap, metav1.CreateOptions{})
	return result(err)
}

func seeStaleUpdate(t *testing.T, client kubernetes.Interface) string {
	configMaps := client.CoreV1().ConfigMaps(labNamespace)
	stale := makeColour(t, client, "red")
	fresh := stale.DeepCopy()
	fresh.Data["colour"] = "green"
	_, err := configMaps.Update(t.Context(), fresh, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = configMaps.Update(t.Context(), stale, metav1.UpdateOptions{})
	return result(err)
}

func seeFieldSelector(t *testing.T, client kubernetes.Interface) string {
	makeColour(t, client, "blue")
	makeColour(t, client, "red")
	list, err := client.CoreV1().ConfigMaps(labNamespace).List(t.Context(), metav1.ListOptions{
		LabelSelector: mine().LabelSelector, FieldSelector: "metadata.name=red"})
	require.NoError(t, err)
	return fmt.Sprintf("%d ConfigMaps", len(list.Items))
}

func seeUnknownField(t *testing.T, client kubernetes.Interface) string {
	_, err := client.CoreV1().ConfigMaps(labNamespace).List(t.Context(), metav1.ListOptions{FieldSelector: "data.colour=red"})
	return result(err)
}

func seeLimit(t *testing.T, client kubernetes.Interface) string {
	makeColour(t, client, "blue")
	makeColour(t, client, "red")
	list, err := client.CoreV1().ConfigMaps(labNamespace).List(t.Context(), metav1.ListOptions{LabelSelector: mine().LabelSelector, Limit: 1})
	require.NoError(t, err)
	return fmt.Sprintf("%d ConfigMaps, more to come: %t", len(list.Items), list.Continue != "")
}

func seeWatchSelector(t *testing.T, client kubernetes.Interface) string {
	stream, err := client.CoreV1().ConfigMaps(labNamespace).Watch(t.Context(), metav1.ListOptions{LabelSelector: "colour=red"})
	require.NoError(t, err)
	defer stream.Stop()
	makeColour(t, client, "blue")
	makeColour(t, client, "red")
	event, open := receive(t, stream)
	require.True(t, open)
	return "the first event is of " + event.Object.(*corev1.ConfigMap).Name
}

func seeWatchContext(t *testing.T, client kubernetes.Interface) string {
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.CoreV1().ConfigMaps(labNamespace).Watch(ctx, mine())
	require.NoError(t, err)
	defer stream.Stop()
	cancel()
	// Signs of life: a server's stream may bring one or two more, and an ERROR about the context, before it ends.
	for i := range 50 {
		makeColour(t, client, fmt.Sprintf("colour-%d", i))
		if _, open := receive(t, stream); !open {
			return "closed"
		}
	}
	return "open"
}

func seeWatchBuffer(t *testing.T, client kubernetes.Interface) string {
	stream, err := client.CoreV1().ConfigMaps(labNamespace).Watch(t.Context(), mine())
	require.NoError(t, err)
	defer stream.Stop()
	return panics(func() string {
		for i := range watch.DefaultChanSize + 1 { // nobody reads them
			makeColour(t, client, fmt.Sprintf("colour-%d", i))
		}
		return "no error"
	})
}

// seeReplay changes something between a list and the watch that goes on from there. The fake has no history: it compares
// the versions of what is there.
func seeReplay(t *testing.T, client kubernetes.Interface) string {
	return changeUnwatched(t, client, func() error { return setKettle(t.Context(), client, labNamespace, "hot") })
}

func seeLostDelete(t *testing.T, client kubernetes.Interface) string {
	return changeUnwatched(t, client, func() error {
		return client.CoreV1().ConfigMaps(labNamespace).Delete(t.Context(), "kettle", metav1.DeleteOptions{})
	})
}

// changeUnwatched returns what a watch brings of a change that was made after the list, and before the watch began. What
// the watch brings next, of the ConfigMap last, ends the waiting.
func changeUnwatched(t *testing.T, client kubernetes.Interface, change func() error) string {
	t.Helper()
	configMaps := client.CoreV1().ConfigMaps(labNamespace)
	require.NoError(t, setKettle(t.Context(), client, labNamespace, "cold"))
	list, err := configMaps.List(t.Context(), mine())
	require.NoError(t, err)
	require.NoError(t, change())
	stream, err := configMaps.Watch(t.Context(), metav1.ListOptions{LabelSelector: mine().LabelSelector, ResourceVersion: list.ResourceVersion})
	require.NoError(t, err)
	defer stream.Stop()
	makeColour(t, client, "last")
	event, err := next(t.Context(), stream)
	require.NoError(t, err)
	if event.Object.(*corev1.ConfigMap).Name == "last" {
		return "nothing"
	}
	return string(event.Type)
}

// seeRESTClient goes down to the RESTClient, as exec and port-forward do for their URLs. The fake's is nil.
func seeRESTClient(t *testing.T, client kubernetes.Interface) string {
	return panics(func() string {
		return result(client.CoreV1().RESTClient().Get().Resource("namespaces").Name(labNamespace).Do(t.Context()).Error())
	})
}

func seeContext(t *testing.T, client kubernetes.Interface) string {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.CoreV1().ConfigMaps(labNamespace).List(ctx, mine())
	return result(err)
}

func seeGenerateName(t *testing.T, client kubernetes.Interface) string {
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "red-", Labels: labels()}}
	created, err := client.CoreV1().ConfigMaps(labNamespace).Create(t.Context(), configMap, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = client.CoreV1().ConfigMaps(labNamespace).Create(t.Context(), configMap, metav1.CreateOptions{})
	name := created.Name
	if name != "" {
		require.Len(t, name, len("red-")+5)
		name = "red-xxxxx"
	}
	return fmt.Sprintf("name %q, the second: %s", name, result(err))
}

func seeDeleteCollection(t *testing.T, client kubernetes.Interface) string {
	makeColour(t, client, "blue")
	makeColour(t, client, "red")
	configMaps := client.CoreV1().ConfigMaps(labNamespace)
	deleted := configMaps.DeleteCollection(t.Context(), metav1.DeleteOptions{}, mine())
	list, err := configMaps.List(t.Context(), mine())
	require.NoError(t, err)
	return fmt.Sprintf("%s, %d ConfigMaps left", result(deleted), len(list.Items))
}

func seeUidPrecondition(t *testing.T, client kubernetes.Interface) string {
	makeColour(t, client, "red")
	return result(client.CoreV1().ConfigMaps(labNamespace).Delete(t.Context(), "red", *metav1.NewPreconditionDeleteOptions("another")))
}

func seeFinalizers(t *testing.T, client kubernetes.Interface) string {
	configMaps := client.CoreV1().ConfigMaps(labNamespace)
	red := makeColour(t, client, "red")
	red.Finalizers = []string{"client-go-lab/hold"}
	_, err := configMaps.Update(t.Context(), red, metav1.UpdateOptions{})
	require.NoError(t, err)
	defer func() {
		_, err := configMaps.Patch(t.Context(), "red", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if !apierrors.IsNotFound(err) {
			require.NoError(t, err)
		}
	}()
	require.NoError(t, configMaps.Delete(t.Context(), "red", metav1.DeleteOptions{}))
	if _, err := configMaps.Get(t.Context(), "red", metav1.GetOptions{}); apierrors.IsNotFound(err) {
		return "gone"
	}
	return "still there"
}

func seeDryRun(t *testing.T, client kubernetes.Interface) string {
	configMaps := client.CoreV1().ConfigMaps(labNamespace)
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "red", Labels: labels()}}
	_, err := configMaps.Create(t.Context(), configMap, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	require.NoError(t, err)
	if _, err := configMaps.Get(t.Context(), "red", metav1.GetOptions{}); apierrors.IsNotFound(err) {
		return "not stored"
	}
	return "stored"
}

func seeStatusAndSpec(t *testing.T, client kubernetes.Interface) string {
	pods := client.CoreV1().Pods(labNamespace)
	makePod(t, client)
	change := func() *corev1.Pod {
		pod, err := pods.Get(t.Context(), "red", metav1.GetOptions{})
		require.NoError(t, err)
		pod.Status.Message = "written"
		pod.Spec.ActiveDeadlineSeconds = new(int64(3600))
		return pod
	}
	wrong := change()
	wrong.Spec.ActiveDeadlineSeconds = nil
	updated, err := pods.Update(t.Context(), wrong, metav1.UpdateOptions{})
	require.NoError(t, err)
	withStatus, err := pods.UpdateStatus(t.Context(), change(), metav1.UpdateOptions{})
	require.NoError(t, err)
	return fmt.Sprintf("Update wrote status: %t, UpdateStatus wrote spec: %t",
		updated.Status.Message != "", withStatus.Spec.ActiveDeadlineSeconds != nil)
}

func seeEvict(t *testing.T, client kubernetes.Interface) string {
	makePod(t, client)
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "red", Namespace: labNamespace}}
	err := client.CoreV1().Pods(labNamespace).EvictV1(t.Context(), eviction)
	if _, getErr := client.CoreV1().Pods(labNamespace).Get(t.Context(), "red", metav1.GetOptions{}); apierrors.IsNotFound(getErr) {
		return result(err) + ", the pod is gone"
	}
	return result(err) + ", the pod is still there"
}

func seeBind(t *testing.T, client kubernetes.Interface) string {
	makePod(t, client)
	node := "node"
	if nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err == nil && len(nodes.Items) > 0 {
		node = nodes.Items[0].Name
	}
	err := client.CoreV1().Pods(labNamespace).Bind(t.Context(), &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: "red", Namespace: labNamespace}, Target: corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	pod, getErr := client.CoreV1().Pods(labNamespace).Get(t.Context(), "red", metav1.GetOptions{})
	require.NoError(t, getErr)
	return fmt.Sprintf("%s, on a node: %t", result(err), pod.Spec.NodeName != "")
}

func seeScale(t *testing.T, client kubernetes.Interface) string {
	deployment := newDeployment("web", 2)
	deployment.Spec.Paused = true
	_, err := client.AppsV1().Deployments(labNamespace).Create(t.Context(), deployment, metav1.CreateOptions{})
	require.NoError(t, err)
	return panics(func() string {
		scale, err := client.AppsV1().Deployments(labNamespace).GetScale(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		return fmt.Sprintf("%d replicas", scale.Spec.Replicas)
	})
}

func seeLogs(t *testing.T, client kubernetes.Interface) string {
	text, err := client.CoreV1().Pods(labNamespace).GetLogs("nobody", &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		return result(err)
	}
	return string(text)
}

func seeAccessReview(t *testing.T, client kubernetes.Interface) string {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods"}}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		return result(err)
	}
	return fmt.Sprintf("allowed: %t", answer.Status.Allowed)
}

func seeControllers(t *testing.T, client kubernetes.Interface) string {
	_, err := client.AppsV1().Deployments(labNamespace).Create(t.Context(), newDeployment("web", 0), metav1.CreateOptions{})
	require.NoError(t, err)
	if _, isFake := client.(*fake.Clientset); !isFake {
		require.NoError(t, waitForFamily(t.Context(), client, labNamespace, "web", 1, 0))
	}
	replicaSets, _, _, err := family(t.Context(), client, labNamespace, "web")
	require.NoError(t, err)
	return map[int]string{0: "no ReplicaSet", 1: "a ReplicaSet"}[replicaSets]
}

func seePatchError(t *testing.T, client kubernetes.Interface) string {
	makeColour(t, client, "red")
	_, err := client.CoreV1().ConfigMaps(labNamespace).Patch(t.Context(), "red", types.JSONPatchType,
		[]byte(`[{"op":"test","path":"/data/colour","value":"green"}]`), metav1.PatchOptions{})
	return result(err)
}

func seeKind(t *testing.T, client kubernetes.Interface) string {
	created, err := client.AppsV1().Deployments(labNamespace).Create(t.Context(), newDeployment("web", 0), metav1.CreateOptions{})
	require.NoError(t, err)
	return fmt.Sprintf("%q", created.Kind)
}

// paint is an apply configuration with one colour, or none.
func paint(colour string) *corev1ac.ConfigMapApplyConfiguration {
	paint := corev1ac.ConfigMap("red", labNamespace).WithLabels(labels())
	if colour != "" {
		paint.WithData(map[string]string{"colour": colour})
	}
	return paint
}

func seeApplyMakes(t *testing.T, client kubernetes.Interface) string {
	_, err := client.CoreV1().ConfigMaps(labNamespace).Apply(t.Context(), paint("red"), by("ann"))
	return result(err)
}

// applied makes a ConfigMap that belongs to ann. The weaker fake cannot apply to what is not there.
func applied(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	configMaps := client.CoreV1().ConfigMaps(labNamespace)
	if seeApplyMakes(t, client) != "no error" {
		makeColour(t, client, "red")
		_, err := configMaps.Apply(t.Context(), paint("red"), by("ann"))
		require.NoError(t, err)
	}
}

func seeApplyClash(t *testing.T, client kubernetes.Interface) string {
	applied(t, client)
	_, err := client.CoreV1().ConfigMaps(labNamespace).Apply(t.Context(), paint("green"), by("ben"))
	force := by("ben")
	force.Force = true
	_, forced := client.CoreV1().ConfigMaps(labNamespace).Apply(t.Context(), paint("green"), force)
	return fmt.Sprintf("%s, by force: %s", result(err), result(forced))
}

func seeApplyRemoves(t *testing.T, client kubernetes.Interface) string {
	applied(t, client)
	left, err := client.CoreV1().ConfigMaps(labNamespace).Apply(t.Context(), paint(""), by("ann"))
	require.NoError(t, err)
	return fmt.Sprint(left.Data)
}
