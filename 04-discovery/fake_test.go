package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes"
	fakeclientset "k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"client-go-lab/internal/chapter"
)

// Each of these tests comes in two: what k8s.io/client-go/discovery/fake (or the fake clientset) says, and what a real
// server says. The README's table "Where fakes lie" names them.

// newFake is a fake discovery client with two versions of one resource. It serves what is in Resources, and no more.
func newFake() *fakediscovery.FakeDiscovery {
	scaler := metav1.APIResource{Name: "horizontalpodautoscalers", Kind: "HorizontalPodAutoscaler", Namespaced: true, Verbs: []string{"list"}}
	return &fakediscovery.FakeDiscovery{Fake: &k8stesting.Fake{Resources: []*metav1.APIResourceList{
		{GroupVersion: "autoscaling/v1", APIResources: []metav1.APIResource{scaler}},
		{GroupVersion: "autoscaling/v2", APIResources: []metav1.APIResource{scaler}},
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "Pod", Namespaced: true, Verbs: []string{"list"}}}},
	}}}
}

func TestPreferredResourcesOnFake(t *testing.T) {
	lists, err := newFake().ServerPreferredResourcesWithContext(t.Context())
	assert.NoError(t, err)
	assert.Nil(t, lists, "nothing, whatever is in Resources")

	// The package's function does it, and works with any client.
	lists, err = discovery.ServerPreferredResourcesWithContext(t.Context(), newFake())
	require.NoError(t, err)
	assert.Contains(t, byResource(lists)["horizontalpodautoscalers"], "autoscaling/v1")

	var out bytes.Buffer
	require.NoError(t, resources(t.Context(), newFake(), resourceOptions{}, &out))
	assert.Empty(t, out.String(), "the main step of this chapter prints nothing, and fails in nothing")
}

func TestPreferredResourcesOnCluster(t *testing.T) {
	c := newCluster(t)
	lists, err := c.discovery.ServerPreferredResourcesWithContext(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"autoscaling/v2"}, byResource(lists)["horizontalpodautoscalers"])
}

// The fake prefers the version that comes first in Resources; a server orders versions by their priority.
func TestPreferredVersionOnFake(t *testing.T) {
	groups, err := newFake().ServerGroupsWithContext(t.Context())
	require.NoError(t, err)
	for _, group := range groups.Groups {
		if group.Name == "autoscaling" {
			assert.Equal(t, "v1", group.PreferredVersion.Version)
		}
	}
}

func TestPreferredVersionOnCluster(t *testing.T) {
	c := newCluster(t)
	groups, err := c.discovery.ServerGroupsWithContext(t.Context())
	require.NoError(t, err)
	for _, group := range groups.Groups {
		if group.Name == "autoscaling" {
			assert.Equal(t, "v2", group.PreferredVersion.Version)
		}
	}
}

func TestOpenAPIOnFake(t *testing.T) {
	assert.Panics(t, func() { newFake().OpenAPIV3WithContext(t.Context()) })
	assert.Panics(t, func() { newFake().WithLegacyWithContext(t.Context()) })
	document, err := newFake().OpenAPISchemaWithContext(t.Context())
	assert.NoError(t, err)
	assert.Nil(t, document.Definitions, "no types at all")
}

func TestOpenAPIOnCluster(t *testing.T) {
	c := newCluster(t)
	paths, err := c.discovery.OpenAPIV3WithContext(t.Context()).PathsWithContext(t.Context())
	require.NoError(t, err)
	assert.Contains(t, paths, "apis/apps/v1")
	document, err := c.discovery.OpenAPISchemaWithContext(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, document.Definitions.AdditionalProperties)
}

// The fake's server has the version of client-go/pkg/version, which nobody sets. Set FakedServerVersion.
func TestServerVersionOnFake(t *testing.T) {
	info, err := newFake().ServerVersionWithContext(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "v0.0.0-master+$Format:%H$", info.GitVersion)
}

func TestServerVersionOnCluster(t *testing.T) {
	c := newCluster(t)
	info, err := c.discovery.ServerVersionWithContext(t.Context())
	require.NoError(t, err)
	assert.Regexp(t, `^v1\.\d+\.\d+`, info.GitVersion)
	assert.Regexp(t, `^\d+`, info.Minor)
}

// Versions as providers write them. Here the fake is the right tool: it says what it was told to say.
func TestServerMinor(t *testing.T) {
	for gitVersion, want := range map[string]uint{
		"v1.37.2": 37, "v1.37.3-eks-a5565ad": 37, "v1.36.8-gke.1067004": 36, "v1.35.0+k3s1": 35, "v1.38.0-alpha.1.123+0123456789abcd": 38,
	} {
		client := newFake()
		client.FakedServerVersion = &version.Info{Major: "1", Minor: "37+", GitVersion: gitVersion}
		var out bytes.Buffer
		got, err := serverMinor(t.Context(), client, &out)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.Equal(t, "server    "+gitVersion+"\n", out.String())
	}
	_, err := strconv.Atoi("37+")
	assert.EqualError(t, err, `strconv.Atoi: parsing "37+": invalid syntax`, "what comes of the Minor")
	client := newFake()
	client.FakedServerVersion = &version.Info{GitVersion: "unknown"}
	_, err = serverMinor(t.Context(), client, &bytes.Buffer{})
	assert.ErrorContains(t, err, `read the server's version "unknown"`)
}

// The fake answers a cancelled request, too.
func TestCancelledContextOnFake(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newFake().ServerGroupsWithContext(ctx)
	assert.NoError(t, err)
}

func TestCancelledContextOnCluster(t *testing.T) {
	c := newCluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.discovery.ServerGroupsWithContext(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

// The fake is never partial: an error of a reactor loses its group, and with it the meaning.
func TestPartialOnFake(t *testing.T) {
	client := newFake()
	client.PrependReactor("get", "resource", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("down")
	})
	_, _, err := client.ServerGroupsAndResourcesWithContext(t.Context())
	assert.EqualError(t, err, "down")
	assert.False(t, discovery.IsGroupDiscoveryFailedError(err))
}

func TestPartialOnCluster(t *testing.T) {
	c := newCluster(t)
	c.sweepAtTheEnd(t)
	require.NoError(t, breakIt(t.Context(), c.objects, c.discovery, labNamespace, &bytes.Buffer{}))
	_, lists, err := c.discovery.ServerGroupsAndResourcesWithContext(t.Context())
	assert.True(t, discovery.IsGroupDiscoveryFailedError(err))
	assert.NotEmpty(t, lists)
	served, described, err := hasGroup(t.Context(), c.discovery, brokenGroup)
	require.NoError(t, err)
	assert.True(t, served)
	assert.False(t, described, "OpenAPI does not describe what it cannot ask")
}

// The fake clientset keeps versions apart. What was created as v1 is not there as v2.
func TestTwoVersionsOnFake(t *testing.T) {
	client := fakeclientset.NewClientset()
	scaler := &autoscalingv1.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "teahouse"}}
	_, err := client.AutoscalingV1().HorizontalPodAutoscalers("garden").Create(t.Context(), scaler, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = client.AutoscalingV2().HorizontalPodAutoscalers("garden").Get(t.Context(), "teahouse", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), err)
	err = twoGroups(t.Context(), client, "garden", &bytes.Buffer{})
	assert.ErrorContains(t, err, "get it in the group events.k8s.io")
}

func TestTwoVersionsOnCluster(t *testing.T) {
	c := newCluster(t)
	c.sweepAtTheEnd(t)
	conn, err := connect(chapter.Flags{Kubeconfig: c.kubeconfig})
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(conn.config)
	require.NoError(t, err)
	assert.NoError(t, twoVersions(t.Context(), client, labNamespace, &bytes.Buffer{}))
	assert.NoError(t, twoGroups(t.Context(), client, labNamespace, &bytes.Buffer{}))
}

// Why an old client-go is "+-" and not "✓": what its types do not know is gone after read, change, update.
func TestOldTypesDropNewFields(t *testing.T) {
	stored := []byte(`{"metadata":{"name":"teahouse"},"spec":{"maxReplicas":3,"fieldOfNextYear":true}}`)
	var scaler autoscalingv1.HorizontalPodAutoscaler
	require.NoError(t, json.Unmarshal(stored, &scaler))
	sent, err := json.Marshal(scaler)
	require.NoError(t, err)
	assert.Contains(t, string(sent), `"maxReplicas":3`)
	assert.NotContains(t, string(sent), "fieldOfNextYear")
}
