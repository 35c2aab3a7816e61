package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"client-go-lab/internal/labtest"
)

// lies are where client-go's dynamic fake and a real server part. Each is one program with two outcomes: TestFakeLies
// runs it on the fake, TestFakeLiesOnCluster on a real server.
var lies = []struct {
	name string
	do   func(ctx context.Context, client dynamic.Interface) string
	fake string
	real string
}{
	{"list a resource that nobody has registered", func(ctx context.Context, client dynamic.Interface) string {
		kettles := schema.GroupVersionResource{Group: "kitchen.example.com", Version: "v1", Resource: "kettles"}
		var err error
		if panicOf(func() { _, err = client.Resource(kettles).List(ctx, metav1.ListOptions{}) }) != nil {
			return "panics"
		}
		return fmt.Sprint(apierrors.ReasonForError(err))
	}, "panics", "NotFound"},

	{"apply what is not there yet", func(ctx context.Context, client dynamic.Interface) string {
		_, err := client.Resource(configMaps).Namespace(labNamespace).Apply(ctx, "tea", tea(), metav1.ApplyOptions{FieldManager: manager})
		return outcome(err)
	}, "NotFound", "done"},

	{"create: what the server adds", func(ctx context.Context, client dynamic.Interface) string {
		created, err := client.Resource(cronJobs).Namespace(labNamespace).Create(ctx, newCronJob("tea"), metav1.CreateOptions{})
		if err != nil {
			return err.Error()
		}
		policy, _, _ := unstructured.NestedString(created.Object, "spec", "concurrencyPolicy")
		return fmt.Sprintf("uid %t, version %t, policy %q", created.GetUID() != "", created.GetResourceVersion() != "", policy)
	}, `uid false, version false, policy ""`, `uid true, version true, policy "Allow"`},

	{"update with an old resourceVersion", func(ctx context.Context, client dynamic.Interface) string {
		resource := client.Resource(configMaps).Namespace(labNamespace)
		created, err := resource.Create(ctx, tea(), metav1.CreateOptions{})
		if err != nil {
			return err.Error()
		}
		first, second := created.DeepCopy(), created.DeepCopy()
		first.Object["data"] = map[string]any{"leaves": "black"}
		if _, err := resource.Update(ctx, first, metav1.UpdateOptions{}); err != nil {
			return err.Error()
		}
		_, err = resource.Update(ctx, second, metav1.UpdateOptions{})
		return outcome(err)
	}, "done", "Conflict"},

	{"create as a dry run", func(ctx context.Context, client dynamic.Interface) string {
		resource := client.Resource(configMaps).Namespace(labNamespace)
		if _, err := resource.Create(ctx, tea(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
			return err.Error()
		}
		_, err := resource.Get(ctx, "tea", metav1.GetOptions{})
		return outcome(err)
	}, "done", "NotFound"},

	{"create what is not valid", func(ctx context.Context, client dynamic.Interface) string {
		job := newCronJob("tea")
		job.Object["spec"].(map[string]any)["schedule"] = "at five"
		_, err := client.Resource(cronJobs).Namespace(labNamespace).Create(ctx, job, metav1.CreateOptions{})
		return outcome(err)
	}, "done", "Invalid"},

	{"create with an unknown field, strictly", func(ctx context.Context, client dynamic.Interface) string {
		job := newCronJob("tea")
		job.Object["spec"].(map[string]any)["schedul"] = "0 5 * * *"
		_, err := client.Resource(cronJobs).Namespace(labNamespace).Create(ctx, job, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
		return outcome(err)
	}, "done", "BadRequest"},

	{"create without naming the namespace", func(ctx context.Context, client dynamic.Interface) string {
		_, err := client.Resource(configMaps).Create(ctx, tea(), metav1.CreateOptions{})
		return outcome(err)
	}, "done", "MethodNotAllowed"},

	{"list with a field selector", func(ctx context.Context, client dynamic.Interface) string {
		resource := client.Resource(configMaps).Namespace(labNamespace)
		if _, err := resource.Create(ctx, tea(), metav1.CreateOptions{}); err != nil {
			return err.Error()
		}
		list, err := resource.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=coffee"})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%d found", len(list.Items))
	}, "1 found", "0 found"},

	{"delete a collection", func(ctx context.Context, client dynamic.Interface) string {
		resource := client.Resource(configMaps).Namespace(labNamespace)
		if _, err := resource.Create(ctx, tea(), metav1.CreateOptions{}); err != nil {
			return err.Error()
		}
		if err := resource.DeleteCollection(ctx, metav1.DeleteOptions{}, mine()); err != nil {
			return err.Error()
		}
		list, err := resource.List(ctx, mine())
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%d left", len(list.Items))
	}, "1 left", "0 left"},

	{"a context that has ended", func(ctx context.Context, client dynamic.Interface) string {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		_, err := client.Resource(configMaps).Namespace(labNamespace).List(ctx, mine())
		return outcome(err)
	}, "done", context.Canceled.Error()},
}

// tea is a ConfigMap of this chapter.
func tea() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "ConfigMap",
		"metadata":   map[string]any{"name": "tea", "labels": labels()},
		"data":       map[string]any{"leaves": "green"},
	}}
}

// outcome says in a word how a call has ended.
func outcome(err error) string {
	switch reason := apierrors.ReasonForError(err); {
	case err == nil:
		return "done"
	case reason != metav1.StatusReasonUnknown:
		return string(reason)
	default:
		return err.Error()
	}
}

func TestFakeLies(t *testing.T) {
	for _, lie := range lies {
		t.Run(lie.name, func(t *testing.T) {
			assert.Equal(t, lie.fake, lie.do(t.Context(), bareFake()))
			assert.NotEqual(t, lie.fake, lie.real)
		})
	}
}

func TestFakeLiesOnCluster(t *testing.T) {
	client := clusterClient(t, labtest.Kubeconfig(t))
	require.NoError(t, makeNamespace(t.Context(), client))
	for _, lie := range lies {
		t.Run(lie.name, func(t *testing.T) {
			require.NoError(t, sweep(t.Context(), client))
			assert.Equal(t, lie.real, lie.do(t.Context(), client))
			require.NoError(t, sweep(t.Context(), client))
		})
	}
}

// Which of two groups comes first decides what "events" means. A server has an order; the discovery fake takes its groups
// from a map.
func TestFakeLiesAboutTheOrderOfGroups(t *testing.T) {
	fake := newFakeCluster().disco.FakeDiscovery
	seen := map[string]bool{}
	for range 200 {
		list, err := fake.ServerGroupsWithContext(t.Context())
		require.NoError(t, err)
		seen[list.Groups[0].Name] = true
	}
	assert.Greater(t, len(seen), 1, "the first group is always the same")
}

func TestOrderOfGroupsOnCluster(t *testing.T) {
	c := clusterClients(t, labtest.Kubeconfig(t))
	for range 5 {
		kind, err := newMapper(c.disco).KindForWithContext(t.Context(), schema.GroupVersionResource{Resource: "events"})
		require.NoError(t, err)
		assert.Equal(t, "/v1, Kind=Event", kind.String())
	}
}
