package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"client-go-lab/07-controller/api/v1alpha1"
	"client-go-lab/07-controller/controller"
	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
	"client-go-lab/internal/labtest"
)

// labLesson is a lesson's clients, for looking behind the back of the lessons.
func labLesson(t *testing.T) (l *lesson, kubeconfig string) {
	t.Helper()
	kubeconfig = labtest.Kubeconfig(t)
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	l = &lesson{config: conn.config, out: t.Output()}
	l.kube, err = kubernetes.NewForConfig(conn.config)
	require.NoError(t, err)
	l.dynamic, err = dynamic.NewForConfig(conn.config)
	require.NoError(t, err)
	l.client, err = controller.NewClient(conn.config)
	require.NoError(t, err)
	require.NoError(t, makeNamespace(t.Context(), l.kube, labNamespace))
	return l, kubeconfig
}

// requireClean makes sure that nothing of the lessons is left.
func (l *lesson) requireClean(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	_, err := l.dynamic.Resource(crdResource).Get(ctx, crdName, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "the CRD is left: %v", err)
	_, err = l.kube.CoordinationV1().Leases(labNamespace).Get(ctx, leaseName, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "the Lease is left: %v", err)
	for _, opts := range []metav1.ListOptions{mine(), {LabelSelector: controller.LabelWebsite}} {
		configMaps, err := l.kube.CoreV1().ConfigMaps(labNamespace).List(ctx, opts)
		require.NoError(t, err)
		require.Zero(t, len(configMaps.Items), "configMaps are left")
		deployments, err := l.kube.AppsV1().Deployments(labNamespace).List(ctx, opts)
		require.NoError(t, err)
		require.Zero(t, len(deployments.Items), "deployments are left")
		services, err := l.kube.CoreV1().Services(labNamespace).List(ctx, opts)
		require.NoError(t, err)
		require.Zero(t, len(services.Items), "services are left")
		replicaSets, err := l.kube.AppsV1().ReplicaSets(labNamespace).List(ctx, opts)
		require.NoError(t, err)
		require.Zero(t, len(replicaSets.Items), "replicaSets are left")
		pods, err := l.kube.CoreV1().Pods(labNamespace).List(ctx, opts)
		require.NoError(t, err)
		require.Zero(t, len(pods.Items), "pods are left")
	}
	events, err := l.kube.EventsV1().Events(labNamespace).List(ctx, metav1.ListOptions{FieldSelector: "reportingController=" + controller.ReportingController})
	require.NoError(t, err)
	require.Zero(t, len(events.Items), "events are left")
}

func TestLessonsOnCluster(t *testing.T) {
	l, kubeconfig := labLesson(t)
	for _, step := range contents().All() {
		t.Run(step.Name, func(t *testing.T) {
			stdout, stderr, code := program.Run(quiet(t), step.Name, "-kubeconfig", kubeconfig)
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr)
			program.RequireOutput(t, step.Name, stdout)
			l.requireClean(t)
		})
	}
}

// Whenever Ctrl-C comes, the lesson ends, its controllers end, and nothing stays behind.
func TestCancelledLessonsCleanUpOnCluster(t *testing.T) {
	l, kubeconfig := labLesson(t)
	for _, c := range []struct{ step, word string }{
		{"minimal", "a new page"},
		{"ownership", "others change"},
		{"ownership", "is somebody's"},
		{"status", "suspended"},
		{"events", "another Website"},
		{"finalizer", "and waits"},
		{"finalizer", "no controller runs"},
		{"election", "no longer renew"},
		{"election", "OnStartedLeading"},
		{"metrics", "fails three times"},
	} {
		t.Run(c.step+" "+c.word, func(t *testing.T) {
			ctx, cancel := context.WithCancel(quiet(t))
			defer cancel()
			out := &chaptertest.CancelAt{Word: c.word, Cancel: cancel}
			var stderr bytes.Buffer
			code := contents().Main(ctx, []string{c.step, "-kubeconfig", kubeconfig}, out, &stderr)
			assert.Equal(t, chapter.ExitInterrupted, code, stderr.String())
			assert.Contains(t, out.String(), c.word)
			l.requireClean(t)
		})
	}
}

func TestInterruptOnCluster(t *testing.T) {
	l, kubeconfig := labLesson(t)
	_, stderr, code := chaptertest.Command(t, func(p *os.Process) {
		eventually(t, "the Deployment shop is there", func(ctx context.Context) error {
			_, err := l.kube.AppsV1().Deployments(labNamespace).Get(ctx, "shop", metav1.GetOptions{})
			return err
		})
		require.NoError(t, p.Signal(os.Interrupt))
	}, "ownership", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitInterrupted, code)
	assert.Contains(t, stderr, "07-controller: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	l.requireClean(t)
}

// leave leaves behind what a lesson that was killed might: a Website with its finalizer, in its deletion or not, a child, an
// entry, a Lease, and somebody's ConfigMap.
func (l *lesson) leave(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, installCRD(ctx, l.dynamic, l.client, labels()))
	for _, name := range []string{"shop", "old"} {
		website, err := l.create(ctx, name, name+".example.com", nil)
		require.NoError(t, err)
		require.NoError(t, l.change(ctx, name, `{"metadata":{"finalizers":["`+controller.Finalizer+`"]}}`))
		owned := map[string]string{controller.LabelWebsite: name, controller.LabelOwner: string(website.UID)}
		reference := *metav1.NewControllerRef(website, v1alpha1.GroupVersion.WithKind("Website"))
		for _, meta := range []metav1.ObjectMeta{
			{Name: name, Labels: owned, OwnerReferences: []metav1.OwnerReference{reference}},
			{Name: website.Spec.Host, Labels: owned},
		} {
			_, err = l.kube.CoreV1().ConfigMaps(labNamespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: meta}, metav1.CreateOptions{})
			require.NoError(t, err)
		}
	}
	require.NoError(t, l.client.Websites(labNamespace).Delete(ctx, "old", metav1.DeleteOptions{}))
	require.NoError(t, l.configMap(ctx, "bar"))
	l.lease(t, labNamespace, -time.Minute)
}

// lease makes a Lease of a leader, which ends some time from now.
func (l *lesson) lease(t *testing.T, namespace string, ends time.Duration) {
	t.Helper()
	_, err := l.kube.CoordinationV1().Leases(namespace).Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: leaseName},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("somebody"), LeaseDurationSeconds: new(int32(15)), RenewTime: new(metav1.NewMicroTime(time.Now().Add(ends - 15*time.Second))),
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

func TestLeftoversOnCluster(t *testing.T) {
	l, kubeconfig := labLesson(t)
	for _, step := range []string{"minimal", "finalizer"} {
		l.leave(t)
		stdout, stderr, code := program.Run(quiet(t), step, "-kubeconfig", kubeconfig)
		require.Zero(t, code, stderr)
		program.RequireOutput(t, step, stdout)
		l.requireClean(t)
	}
}

// Where a controller runs, the lessons touch nothing.
func TestControllerRunsAlreadyOnCluster(t *testing.T) {
	l, kubeconfig := labLesson(t)
	l.lease(t, labNamespace, time.Hour)
	t.Cleanup(func() {
		assert.NoError(t, l.kube.CoordinationV1().Leases(labNamespace).Delete(context.Background(), leaseName, metav1.DeleteOptions{}))
		l.requireClean(t)
	})
	stdout, stderr, code := program.Run(quiet(t), "ownership", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "07-controller: a controller for Websites runs already, or was killed a moment ago: "+
		"somebody has the Lease client-go-lab/website-controller (stop it first: the lesson runs its own)\n", stderr)
	_, err := l.dynamic.Resource(crdResource).Get(t.Context(), crdName, metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "the lesson has installed the CRD: %v", err)
}

// What the reader has made stays: a CRD without our label, and Websites without it, also in the lab's namespace.
func TestReadersOwnStaysOnCluster(t *testing.T) {
	l, kubeconfig := labLesson(t)
	require.NoError(t, installCRD(t.Context(), l.dynamic, l.client, nil))
	websites := l.client.Websites(labNamespace)
	_, err := websites.Create(t.Context(), &v1alpha1.Website{
		ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: v1alpha1.WebsiteSpec{Host: "own.example.com", Text: "mine"},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { // with the chapter's label, it is the chapter's to remove
		ctx := context.Background()
		patch := []byte(`{"metadata":{"labels":{"` + labLabel + `":"07"}}}`)
		_, err := websites.Patch(ctx, "own", types.MergePatchType, patch, metav1.PatchOptions{})
		assert.NoError(t, err)
		assert.NoError(t, l.sweep(ctx))
		_, err = l.dynamic.Resource(crdResource).Patch(ctx, crdName, types.MergePatchType, patch, metav1.PatchOptions{})
		assert.NoError(t, err)
		assert.NoError(t, l.removeCRD(ctx))
		l.requireClean(t)
	})
	stdout, stderr, code := program.Run(quiet(t), "finalizer", "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "finalizer", stdout)

	list, err := websites.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	assert.Equal(t, "own", list.Items[0].Name)
	entry, err := l.kube.CoreV1().ConfigMaps(labNamespace).Get(t.Context(), "own.example.com", metav1.GetOptions{})
	require.NoError(t, err, "the lesson's controller has seen to it, too, and its entry stays")
	assert.Equal(t, string(list.Items[0].UID), entry.Labels[controller.LabelOwner])
}

// The same cluster under a name that could be anybody's: the guard sends nothing, unless -context names it.
func TestGuardOnCluster(t *testing.T) {
	config, err := clientcmd.LoadFromFile(labtest.Kubeconfig(t))
	require.NoError(t, err)
	config.Contexts["prod"] = config.Contexts[config.CurrentContext]
	config.CurrentContext = "prod"
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, clientcmd.WriteToFile(*config, kubeconfig))

	stdout, stderr, code := program.Run(quiet(t), "minimal", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "-context prod")

	stdout, stderr, code = program.Run(quiet(t), "minimal", "-kubeconfig", kubeconfig, "-context", "prod")
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "minimal", stdout)
}

// An owner is looked for in the namespace of what it owns. So a reference into another one names nobody, and what has no owner
// any more is garbage.
func TestOwnerInAnotherNamespaceOnCluster(t *testing.T) {
	l, _ := labLesson(t)
	require.NoError(t, l.configMap(t.Context(), "owner"))
	configMaps := l.kube.CoreV1().ConfigMaps(labNamespace)
	t.Cleanup(func() {
		assert.NoError(t, configMaps.Delete(context.Background(), "owner", metav1.DeleteOptions{}))
	})
	owner, err := configMaps.Get(t.Context(), "owner", metav1.GetOptions{})
	require.NoError(t, err)
	far := l.kube.CoreV1().ConfigMaps(metav1.NamespaceDefault)
	_, err = far.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "far-child", Labels: labels(), OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID},
		},
	}}, metav1.CreateOptions{})
	require.NoError(t, err, "the server takes it")
	t.Cleanup(func() { _ = far.Delete(context.Background(), "far-child", metav1.DeleteOptions{}) })
	require.NoError(t, l.until(t.Context(), "the child is deleted", func(ctx context.Context) (bool, error) {
		_, err := far.Get(ctx, "far-child", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	}))
	_, err = configMaps.Get(t.Context(), "owner", metav1.GetOptions{})
	assert.NoError(t, err, "the owner is still there")
}
