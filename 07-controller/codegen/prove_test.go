//go:build codegen

// Package websites proves what codegen.sh had generated: it copies this file to where it can be compiled.
package websites

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"example.com/websites/apis/lab/v1alpha1"
	ac "example.com/websites/applyconfiguration/lab/v1alpha1"
	"example.com/websites/clientset/versioned"
	"example.com/websites/clientset/versioned/fake"
	"example.com/websites/informers/externalversions"
)

var apply = metav1.ApplyOptions{FieldManager: "prove"}

func TestFake(t *testing.T) {
	client := fake.NewClientset()
	websites := client.LabV1alpha1().Websites("default")
	_, err := websites.Create(t.Context(), &v1alpha1.Website{
		ObjectMeta: metav1.ObjectMeta{Name: "hello", Namespace: "default"},
		Spec:       v1alpha1.WebsiteSpec{Host: "hello.example.com", Text: "Hello."},
	}, metav1.CreateOptions{FieldManager: "somebody"})
	require.NoError(t, err)
	website, err := websites.Get(t.Context(), "hello", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "Hello.", website.Spec.Text)

	// Server-side apply, with conflicts, forced and not.
	desired := ac.Website("hello", "default").WithSpec(ac.WebsiteSpec().WithText("Hello again."))
	_, err = websites.Apply(t.Context(), desired, apply)
	require.True(t, apierrors.IsConflict(err), "somebody owns spec.text: %v", err)
	force := apply
	force.Force = true
	website, err = websites.Apply(t.Context(), desired, force)
	require.NoError(t, err)
	assert.Equal(t, "Hello again.", website.Spec.Text)
	assert.Equal(t, "hello.example.com", website.Spec.Host, "what was not applied stays")

	// The schema says that a condition is an element of a list with a key: two managers have one each. (Two other managers, and
	// no ExtractWebsiteStatus: the fake takes an ApplyStatus for an Apply of the whole object.)
	for _, manager := range []string{"one", "two"} {
		condition := acmeta.Condition().WithType("From-" + manager).WithStatus(metav1.ConditionTrue).WithReason("Because")
		website, err = websites.ApplyStatus(t.Context(), ac.Website("hello", "default").WithStatus(ac.WebsiteStatus().WithConditions(condition)),
			metav1.ApplyOptions{FieldManager: manager})
		require.NoError(t, err)
	}
	assert.Len(t, website.Status.Conditions, 2)
	extracted, err := ac.ExtractWebsite(website, "two")
	require.NoError(t, err)
	require.NotNil(t, extracted.Status)
	require.Len(t, extracted.Status.Conditions, 1)
	assert.Equal(t, "From-two", *extracted.Status.Conditions[0].Type)

	// Informer and lister.
	factory := externalversions.NewSharedInformerFactory(client, 0)
	informer := factory.Lab().V1alpha1().Websites()
	lister := informer.Lister()
	factory.StartWithContext(t.Context())
	require.True(t, cache.WaitFor(t.Context(), "", informer.Informer().HasSyncedChecker()))
	all, err := lister.Websites("default").List(labels.Everything())
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, "Hello again.", all[0].Spec.Text)
}

// TestServer asks a real server.
func TestServer(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("LAB_TEST_KUBECONFIG"))
	require.NoError(t, err)
	config.Timeout = 30 * time.Second
	client, err := versioned.NewForConfig(config)
	require.NoError(t, err)
	_, err = client.LabV1alpha1().Websites(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
}
