package main

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
)

func TestMain(m *testing.M) { chaptertest.Main(m, main) }

// program is this chapter under test.
var program = chaptertest.Program{Chapter: contents(), Expected: expected}

func TestAll(t *testing.T) { program.All(t) }

func TestConnectErrors(t *testing.T) { program.ConnectErrors(t, "timeline", "timeline") }

func TestGuard(t *testing.T) { program.Guard(t, "timeline") }

// The steps that need no cluster say so, and run where there is none. They run as processes: a logger's line would be seen.
func TestStepsWithoutCluster(t *testing.T) {
	chaptertest.Isolate(t)
	for _, step := range contents().Steps[1:] {
		t.Run(step.Name, func(t *testing.T) {
			assert.Contains(t, step.Summary, "(no cluster needed)")
			stdout, stderr, code := chaptertest.Command(t, nil, step.Name)
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr)
			program.RequireOutput(t, step.Name, stdout)
		})
	}
}

// quiet is the test's context, with the logger that main puts into it.
func quiet(t *testing.T) context.Context { return klog.NewContext(t.Context(), klog.Logger{}) }

// newFake is a fake clientset whose watches miss nothing. An informer lists, then watches. What is created in between, a
// real server replays from the list's resourceVersion, and the fake tells nobody; so this one listens from the list on.
func newFake(objects ...runtime.Object) *fake.Clientset {
	client := fake.NewClientset(objects...)
	var early watch.Interface // reactors run one at a time
	client.PrependReactor("list", "configmaps", func(action clienttesting.Action) (_ bool, _ runtime.Object, err error) {
		early, err = client.Tracker().Watch(action.GetResource(), action.GetNamespace())
		return err != nil, nil, err
	})
	client.PrependWatchReactor("configmaps", func(clienttesting.Action) (bool, watch.Interface, error) {
		return true, early, nil
	})
	return client
}

// onFake runs the main step as main does, on a fake clientset.
func onFake(ctx context.Context, client kubernetes.Interface, out *chaptertest.CancelAt) error {
	return inLab(ctx, client, func() error { return timeline(ctx, client, labNamespace, out) })
}

func requireEmpty(ctx context.Context, t *testing.T, client kubernetes.Interface) {
	t.Helper()
	list, err := client.CoreV1().ConfigMaps(labNamespace).List(ctx, mine())
	require.NoError(t, err)
	require.Empty(t, list.Items, "left behind")
}

func TestTimelineOnFake(t *testing.T) {
	client := newFake()
	out := &chaptertest.CancelAt{Word: "never", Cancel: func() {}}
	require.NoError(t, onFake(quiet(t), client, out))
	program.RequireOutput(t, "timeline", out.String())
	requireEmpty(t.Context(), t, client)
}

// Whenever Ctrl-C comes, the step ends, its workers end, and nothing stays behind.
func TestCancelledTimelineCleansUp(t *testing.T) {
	for _, word := range []string{"nobody works yet", "in the queue", "three workers", "made milk", "taken back"} {
		t.Run(word, func(t *testing.T) {
			ctx, cancel := context.WithCancel(quiet(t))
			defer cancel()
			client := newFake()
			err := onFake(ctx, client, &chaptertest.CancelAt{Word: word, Cancel: cancel})
			require.ErrorIs(t, err, context.Canceled)
			requireEmpty(t.Context(), t, client)
		})
	}
}

func TestCancelledStepsEnd(t *testing.T) {
	for _, step := range []string{"retry", "delay", "fair", "drain", "metrics", "poison"} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			out := &chaptertest.CancelAt{Word: "q in the queue", Cancel: cancel}
			var stderr bytes.Buffer
			assert.Equal(t, chapter.ExitInterrupted, contents().Main(ctx, []string{step}, out, &stderr))
			assert.Contains(t, stderr.String(), "06-workqueue: interrupted: ")
		})
	}
}

func TestLeftoversOfAnEarlierRun(t *testing.T) {
	client := newFake(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: labNamespace}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "eggs", Namespace: labNamespace, Labels: labels()}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "stranger", Namespace: labNamespace}},
	)
	out := &chaptertest.CancelAt{Word: "never", Cancel: func() {}}
	require.NoError(t, onFake(quiet(t), client, out))
	program.RequireOutput(t, "timeline", out.String())
	requireEmpty(t.Context(), t, client)
	_, err := client.CoreV1().ConfigMaps(labNamespace).Get(t.Context(), "stranger", metav1.GetOptions{})
	require.NoError(t, err, "what is not ours was touched")
}

// What cannot be cleaned up is said: the reader has to do it.
func TestCleanUpFails(t *testing.T) {
	client := newFake()
	client.PrependReactor("delete", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.(clienttesting.DeleteAction).GetName() == "tea" {
			return true, nil, errors.New("not today")
		}
		return false, nil, nil
	})
	err := onFake(quiet(t), client, &chaptertest.CancelAt{Word: "never", Cancel: func() {}})
	require.EqualError(t, err, "clean up the namespace client-go-lab: not today")
}

// strangers counts the events for a ConfigMap without our label that the kitchen's informer hears of, though it selects
// the label.
func strangers(ctx context.Context, t *testing.T, client kubernetes.Interface) int {
	t.Helper()
	k := &kitchen{client: client, trace: newTrace(), queue: newOrderQueue()}
	defer k.queue.ShutDown()
	stop, err := k.listen(ctx, client, labNamespace)
	require.NoError(t, err)
	defer stop()
	for _, configMap := range []*corev1.ConfigMap{
		{ObjectMeta: metav1.ObjectMeta{Name: "stranger"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "tea", Labels: labels()}},
	} {
		_, err := client.CoreV1().ConfigMaps(labNamespace).Create(ctx, configMap, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, k.trace.until(ctx, "tea", func(trace *trace) bool { return trace.count("tea", "queued") == 1 }))
	return k.trace.count("stranger", "queued")
}

// The fake lists by label, and watches everything. See the same on a real server in cluster_test.go.
func TestFakeWatchIgnoresSelector(t *testing.T) {
	assert.Equal(t, 1, strangers(quiet(t), t, newFake()))
}

// The reason for sweep's loop.
func TestFakeDeleteCollectionDeletesNothing(t *testing.T) {
	client := fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "tea", Namespace: labNamespace, Labels: labels()}})
	require.NoError(t, client.CoreV1().ConfigMaps(labNamespace).DeleteCollection(t.Context(), metav1.DeleteOptions{}, mine()))
	list, err := client.CoreV1().ConfigMaps(labNamespace).List(t.Context(), mine())
	require.NoError(t, err)
	assert.Len(t, list.Items, 1)
}
