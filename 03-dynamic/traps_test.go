package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/jsonpath"

	"client-go-lab/internal/labtest"
)

// What the lesson says that the reader will see.
func TestTrapsOnCluster(t *testing.T) {
	ctx, c := t.Context(), clusterClients(t, labtest.Kubeconfig(t))
	client := c.dynamic
	require.NoError(t, makeNamespace(ctx, client))
	require.NoError(t, sweep(ctx, client))
	t.Cleanup(func() { assert.NoError(t, sweep(context.WithoutCancel(ctx), client)) })
	resource := client.Resource(configMaps).Namespace(labNamespace)

	_, err := client.Resource(configMaps).Create(ctx, tea(), metav1.CreateOptions{})
	assert.EqualError(t, err, "the server does not allow this method on the requested resource")
	list, err := client.Resource(configMaps).List(ctx, metav1.ListOptions{})
	require.NoError(t, err, "without a namespace: every namespace")
	seen := map[string]bool{}
	for _, item := range list.Items {
		seen[item.GetNamespace()] = true
	}
	assert.Greater(t, len(seen), 1)
	for _, wrong := range []schema.GroupVersionResource{
		{Group: "apps", Version: "v1", Resource: "Deployment"},
		{Group: "apps/v1", Version: "v1", Resource: "deployments"},
		{Group: "scheduling.k8s.io", Version: "v1", Resource: "priorityclasses"}, // it has no namespaces
	} {
		_, err = client.Resource(wrong).Namespace(labNamespace).List(ctx, metav1.ListOptions{})
		assert.EqualError(t, err, "the server could not find the requested resource", wrong)
	}

	_, err = resource.Apply(ctx, "tea", tea(), metav1.ApplyOptions{})
	assert.ErrorContains(t, err, "fieldManager: Required value")
	applied, err := resource.Apply(ctx, "tea", tea(), metav1.ApplyOptions{FieldManager: manager})
	require.NoError(t, err)
	_, err = resource.Apply(ctx, "tea", applied, metav1.ApplyOptions{FieldManager: manager})
	assert.ErrorContains(t, err, "cannot apply an object with managed fields already set")
	_, err = resource.Apply(ctx, "", tea(), metav1.ApplyOptions{FieldManager: manager})
	assert.EqualError(t, err, "name is required")

	// What was applied once and is left out now is removed.
	less := tea()
	delete(less.Object, "data")
	applied, err = resource.Apply(ctx, "tea", less, metav1.ApplyOptions{FieldManager: manager})
	require.NoError(t, err)
	assert.NotContains(t, applied.Object, "data")
}

// Two requests for discovery, and the first list; then one for each list.
func TestRequestsOnCluster(t *testing.T) {
	c := clusterClients(t, labtest.Kubeconfig(t))
	var urls []string
	config := rest.CopyConfig(c.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			urls = append(urls, request.URL.Path)
			return next.RoundTrip(request)
		})
	})
	counted, err := newClients(config, labNamespace)
	require.NoError(t, err)
	for _, resource := range []string{"deploy", "cm"} {
		mapping, err := resolve(t.Context(), counted.mapper, resource)
		require.NoError(t, err)
		_, err = at(counted.dynamic, mapping, "default").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
	}
	assert.ElementsMatch(t, []string{"/api", "/apis", "/apis/apps/v1/namespaces/default/deployments", "/api/v1/namespaces/default/configmaps"}, urls)
}

// A CRD that is being deleted takes no new objects. A finalizer of ours holds it there.
func TestTerminatingDefinitionOnCluster(t *testing.T) {
	ctx, client := t.Context(), clusterClient(t, labtest.Kubeconfig(t))
	require.NoError(t, makeNamespace(ctx, client))
	require.NoError(t, sweep(ctx, client))
	crd := newCRD("Cup", map[string]any{"type": "object"})
	require.NoError(t, installCRD(ctx, client, crd))
	t.Cleanup(func() { assert.NoError(t, sweep(context.WithoutCancel(ctx), client)) })
	held := newCup("held", map[string]any{})
	held.SetFinalizers([]string{"example.com/hold"})
	cup := client.Resource(cups).Namespace(labNamespace)
	_, err := cup.Create(ctx, held, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, client.Resource(crds).Delete(ctx, crd.GetName(), metav1.DeleteOptions{}))

	_, err = client.Resource(crds).Create(ctx, crd, metav1.CreateOptions{})
	assert.True(t, apierrors.IsAlreadyExists(err), err)
	require.Eventually(t, func() bool {
		_, err = cup.Create(ctx, newCup("late", map[string]any{}), metav1.CreateOptions{})
		return apierrors.IsForbidden(err)
	}, patience, 10*time.Millisecond, "the server does not refuse")
	assert.ErrorContains(t, err, "create not allowed while custom resource definition is terminating")

	_, err = cup.Patch(ctx, "held", "application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	require.NoError(t, err)
}

// A CRD whose kind is taken is never established, and its condition says why.
func TestTakenNamesOnCluster(t *testing.T) {
	ctx, client := t.Context(), clusterClient(t, labtest.Kubeconfig(t))
	require.NoError(t, sweep(ctx, client))
	t.Cleanup(func() { assert.NoError(t, sweep(context.WithoutCancel(ctx), client)) })
	require.NoError(t, installCRD(ctx, client, newCRD("Cup", map[string]any{"type": "object"})))
	mugs := newCRD("Cup", map[string]any{"type": "object"})
	mugs.SetName("mugs." + group)
	require.NoError(t, unstructured.SetNestedField(mugs.Object, "mugs", "spec", "names", "plural"))
	require.NoError(t, unstructured.SetNestedField(mugs.Object, "mug", "spec", "names", "singular"))
	_, err := client.Resource(crds).Create(ctx, mugs, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the server takes a moment to say so
		err = waitEstablishedFor(ctx, client, mugs.GetName(), 200*time.Millisecond)
		return err != nil && strings.Contains(err.Error(), "NamesAccepted is False")
	}, patience, 10*time.Millisecond)
	assert.ErrorContains(t, err, "the CustomResourceDefinition mugs."+group+" is not established after ")
	assert.ErrorContains(t, err, `NamesAccepted is False: "Cup`)
}

func TestMissingKeys(t *testing.T) {
	for _, allow := range []bool{false, true} {
		path := jsonpath.New("zone").AllowMissingKeys(allow)
		require.NoError(t, path.Parse("{.spec.timeZone}"))
		results, err := path.FindResults(newCronJob("kettle").Object)
		if allow {
			assert.NoError(t, err)
			assert.Empty(t, results[0])
		} else {
			assert.EqualError(t, err, "timeZone is not found")
		}
	}
	path := jsonpath.New("label")
	require.NoError(t, path.Parse(`{.metadata.labels.app\.kubernetes\.io/name}`))
	results, err := path.FindResults(map[string]any{"metadata": map[string]any{"labels": map[string]any{"app.kubernetes.io/name": "tea"}}})
	require.NoError(t, err)
	assert.Equal(t, "tea", results[0][0].Interface())
}
