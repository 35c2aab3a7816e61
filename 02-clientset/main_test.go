package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"client-go-lab/internal/chaptertest"
)

func TestMain(m *testing.M) { chaptertest.Main(m, main) }

// program is this chapter under test.
var program = chaptertest.Program{Chapter: contents(), Expected: expected}

// samples are the workloads of the lab's cluster, as far as the step list sees them.
func samples() []runtime.Object {
	var objects []runtime.Object
	for _, name := range []string{"cassandra-x7k2p", "liveness-exec", "mysql-x7k2p", "myweb-x7k2p", "myweb-z7k2p", "nginx-pod-node1"} {
		objects = append(objects, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}})
	}
	for _, name := range []string{"coredns", "default-http-backend", "metrics-server"} {
		objects = append(objects, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "kube-system"}})
	}
	return objects
}

// The main step needs nothing that client-go's fake does not have.
func TestListOnFake(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, list(t.Context(), fake.NewClientset(samples()...), "default", &out))
	program.RequireOutput(t, "list", out.String())
}

// The steps that write, on a fake that was taught what they need.
func TestStepsOnHonestFake(t *testing.T) {
	for name, step := range map[string]clientStep{
		"crud":     crud,
		"select":   selectors,
		"patch":    patches,
		"apply":    apply,
		"conflict": conflicts,
	} {
		t.Run(name, func(t *testing.T) {
			client := newHonestClientset(t)
			var out bytes.Buffer
			require.NoError(t, inLab(t.Context(), client, func() error {
				return step(t.Context(), client, labNamespace, &out)
			}))
			program.RequireOutput(t, name, out.String())
			assert.Empty(t, leftBehind(t, client))
		})
	}
}

// leftBehind lists what this chapter's steps have not removed.
func leftBehind(t *testing.T, client kubernetes.Interface) []string {
	t.Helper()
	var left []string
	for _, kind := range swept(client) {
		names, err := kind.names(t.Context())
		require.NoError(t, err)
		for _, name := range names {
			left = append(left, kind.name+" "+name)
		}
	}
	return left
}

// What an interrupted run left is removed before a step, and what a failing step leaves is removed after it.
func TestLeftovers(t *testing.T) {
	client := newHonestClientset(t)
	make := func(name string) {
		_, err := client.AppsV1().Deployments(labNamespace).Create(t.Context(), newDeployment(name, 1), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	make("web")
	failure := errors.New("the step failed")
	err := inLab(t.Context(), client, func() error {
		assert.Empty(t, leftBehind(t, client))
		make("shop")
		assert.Equal(t, []string{"Deployment shop", "ReplicaSet shop-1", "Pod shop-1-1"}, leftBehind(t, client))
		return failure
	})
	require.ErrorIs(t, err, failure)
	assert.Empty(t, leftBehind(t, client))
}

// Nothing of anybody else is touched: no other label, no other namespace.
func TestSweepTouchesOnlyOurs(t *testing.T) {
	client := newHonestClientset(t,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: labNamespace, Labels: map[string]string{labLabel: "01"}}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere", Namespace: "default", Labels: labels()}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "ours", Namespace: labNamespace, Labels: labels()}},
	)
	require.NoError(t, sweep(t.Context(), client))
	left, err := client.CoreV1().ConfigMaps("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var names []string
	for _, configMap := range left.Items {
		names = append(names, configMap.Name)
	}
	assert.Equal(t, []string{"elsewhere", "theirs"}, names)
}

// An object may stay a while after it was deleted: until its finalizers, or its pods, are gone.
func TestSweepWaits(t *testing.T) {
	client := newHonestClientset(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "ours", Namespace: labNamespace, Labels: labels()}})
	deletes := 0
	client.PrependReactor("delete", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		deletes++
		return deletes < 3, nil, nil // accepted, and not done yet
	})
	require.NoError(t, sweep(t.Context(), client))
	assert.Empty(t, leftBehind(t, client))
}

func TestConnectErrors(t *testing.T) { program.ConnectErrors(t, "list", "crud") }

func TestGuard(t *testing.T) {
	program.Guard(t, "crud", "select", "patch", "apply", "conflict", "watch", "subresources", "streams", "errors", "incluster")
}

func TestAll(t *testing.T) { program.All(t) }
