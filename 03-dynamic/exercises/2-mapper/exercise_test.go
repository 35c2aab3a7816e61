package mapper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/restmapper"
	clienttesting "k8s.io/client-go/testing"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

// served is what the fake serves; where a group has two versions, the first one is preferred.
func served() []*metav1.APIResourceList {
	return []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "namespaces", SingularName: "namespace", Kind: "Namespace", ShortNames: []string{"ns"}},
			{Name: "endpoints", SingularName: "endpoints", Kind: "Endpoints", ShortNames: []string{"ep"}, Namespaced: true},
		}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{
			{Name: "deployments", SingularName: "deployment", Kind: "Deployment", ShortNames: []string{"deploy"}, Namespaced: true},
			{Name: "deployments/scale", Kind: "Scale", Group: "autoscaling", Version: "v1", Namespaced: true},
		}},
		{GroupVersion: "autoscaling/v2", APIResources: []metav1.APIResource{
			{Name: "horizontalpodautoscalers", SingularName: "horizontalpodautoscaler", Kind: "HorizontalPodAutoscaler", ShortNames: []string{"hpa"}, Namespaced: true},
		}},
		{GroupVersion: "autoscaling/v1", APIResources: []metav1.APIResource{
			{Name: "horizontalpodautoscalers", SingularName: "horizontalpodautoscaler", Kind: "HorizontalPodAutoscaler", ShortNames: []string{"hpa"}, Namespaced: true},
		}},
		{GroupVersion: "metrics.k8s.io/v1beta1", APIResources: []metav1.APIResource{
			{Name: "pods", Kind: "PodMetrics", Namespaced: true},
		}},
		{GroupVersion: "networking.k8s.io/v1", APIResources: []metav1.APIResource{
			{Name: "networkpolicies", SingularName: "networkpolicy", Kind: "NetworkPolicy", ShortNames: []string{"netpol"}, Namespaced: true},
		}},
	}
}

func onFake() meta.RESTMapperWithContext {
	return mapperOf(&fakediscovery.FakeDiscovery{Fake: &clienttesting.Fake{Resources: served()}})
}

func onReal(t *testing.T) meta.RESTMapperWithContext {
	client, err := discovery.NewDiscoveryClientForConfig(labtest.Cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	return mapperOf(client)
}

// mapperOf is the chapter's mapper: it asks once, and knows short names.
func mapperOf(client discovery.DiscoveryInterfaceWithContext) meta.RESTMapperWithContext {
	cached := memory.NewMemCacheClientWithContext(client)
	return restmapper.NewShortcutExpanderWithContext(restmapper.NewDeferredDiscoveryRESTMapperWithContext(cached), cached, nil)
}

// describe is a result as text: "apps/v1 deployments, namespaced".
func describe(mapping *meta.RESTMapping, err error) string {
	switch {
	case meta.IsNoMatchError(err):
		return "no match"
	case err != nil:
		return "another error: " + err.Error()
	case mapping == nil:
		return "nothing, and no error"
	}
	scope := "namespaced"
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		scope = "cluster-scoped"
	}
	return fmt.Sprintf("%s %s, %s", mapping.Resource.GroupVersion(), mapping.Resource.Resource, scope)
}

// result is what a function says, as text, also when it panics.
func result(f func() (*meta.RESTMapping, error)) (text string, panics bool) {
	defer func() {
		if r := recover(); r != nil {
			text, panics = fmt.Sprintf("nothing, but panics: %v", r), true
		}
	}()
	return describe(f()), false
}

func TestStep1ForObject(t *testing.T) {
	forObject(t, onFake())
	if got, want := describe(ForObject(t.Context(), onFake(), "metrics.k8s.io/v1beta1", "PodMetrics")), "metrics.k8s.io/v1beta1 pods, namespaced"; got != want {
		labtest.Unexpected(t, "of metrics.k8s.io/v1beta1, kind PodMetrics, ForObject says: "+got, want, "a plural cannot be guessed: the server says what it is")
	}
}

func forObject(t *testing.T, mapper meta.RESTMapperWithContext) {
	for _, c := range []struct{ apiVersion, kind, want, idea string }{
		{"apps/v1", "Deployment", "apps/v1 deployments, namespaced", "a mapper goes from the kind, as in a file, to the resource, as in a URL"},
		{"networking.k8s.io/v1", "NetworkPolicy", "networking.k8s.io/v1 networkpolicies, namespaced", "a mapper goes from the kind, as in a file, to the resource, as in a URL"},
		{"v1", "Endpoints", "v1 endpoints, namespaced", "the plural may be the kind itself; the server says it"},
		{"v1", "Namespace", "v1 namespaces, cluster-scoped", "whether a resource has namespaces cannot be guessed either: the mapping's Scope says it"},
		{"autoscaling/v1", "HorizontalPodAutoscaler", "autoscaling/v1 horizontalpodautoscalers, namespaced",
			"an object says its version, and its fields are those of that version: without a version you get the server's preferred one"},
		{"apps/v1", "Kettle", "no match", "what the server does not have is an error that meta.IsNoMatchError knows; wrap it with %w"},
		{"apps/v0", "Deployment", "no match", "a version that the server does not have is no match either"},
	} {
		if got := describe(ForObject(t.Context(), mapper, c.apiVersion, c.kind)); got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("of %s, kind %s, ForObject says: %s", c.apiVersion, c.kind, got), c.want, c.idea)
		}
	}
	if mapping, err := ForObject(t.Context(), mapper, "apps/v1/x", "Endpoints"); err == nil {
		labtest.Unexpected(t, "of apps/v1/x, kind Endpoints, ForObject says: "+describe(mapping, err), "an error",
			"an apiVersion is a version, or a group and a version: schema.ParseGroupVersion says so, and schema.FromAPIVersionAndKind drops its error")
	}
}

const ideaDots = "a.b.c is the resource a in version b of group c, or in any version of group b.c: try the one, and then the other"

func TestStep2ForArgument(t *testing.T) { forArgument(t, onFake()) }

// halfDeaf is a mapper that gets no answer when somebody asks for a version.
type halfDeaf struct{ meta.RESTMapperWithContext }

func (h halfDeaf) down(resource schema.GroupVersionResource) error {
	if resource.Version == "" {
		return nil
	}
	return errors.New("connection refused")
}

func (h halfDeaf) KindForWithContext(ctx context.Context, resource schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	if err := h.down(resource); err != nil {
		return schema.GroupVersionKind{}, err
	}
	return h.RESTMapperWithContext.KindForWithContext(ctx, resource)
}

func (h halfDeaf) KindsForWithContext(ctx context.Context, resource schema.GroupVersionResource) ([]schema.GroupVersionKind, error) {
	if err := h.down(resource); err != nil {
		return nil, err
	}
	return h.RESTMapperWithContext.KindsForWithContext(ctx, resource)
}

func (h halfDeaf) ResourceForWithContext(ctx context.Context, resource schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	if err := h.down(resource); err != nil {
		return schema.GroupVersionResource{}, err
	}
	return h.RESTMapperWithContext.ResourceForWithContext(ctx, resource)
}

func (h halfDeaf) ResourcesForWithContext(ctx context.Context, resource schema.GroupVersionResource) ([]schema.GroupVersionResource, error) {
	if err := h.down(resource); err != nil {
		return nil, err
	}
	return h.RESTMapperWithContext.ResourcesForWithContext(ctx, resource)
}

func TestStep2NoAnswer(t *testing.T) {
	got, _ := result(func() (*meta.RESTMapping, error) {
		return ForArgument(t.Context(), halfDeaf{onFake()}, "deployments.v1.apps")
	})
	if !strings.Contains(got, "connection refused") {
		labtest.Unexpected(t, `of "deployments.v1.apps", when the server does not answer for a version, ForArgument says: `+got, "another error: connection refused",
			"no answer is no no: only after a no match is it worth trying the other reading")
	}
}

func forArgument(t *testing.T, mapper meta.RESTMapperWithContext) {
	for _, c := range []struct{ argument, want, idea string }{
		{"deployments", "apps/v1 deployments, namespaced", "KindFor looks in all groups, if it is told none"},
		{"deployment", "apps/v1 deployments, namespaced", "a singular is as good as a plural, for the mapper; not in a URL"},
		{"deploy", "apps/v1 deployments, namespaced", "this mapper knows the server's short names; the resource in a URL is the mapping's, and not what was typed"},
		{"ns", "v1 namespaces, cluster-scoped", "the mapping says the scope as well"},
		{"deployments.apps", "apps/v1 deployments, namespaced", "behind the first dot is the group"},
		{"deployments.v1.apps", "apps/v1 deployments, namespaced", ideaDots},
		{"hpa", "autoscaling/v2 horizontalpodautoscalers, namespaced", "who names no version gets the preferred one"},
		{"horizontalpodautoscalers.v1.autoscaling", "autoscaling/v1 horizontalpodautoscalers, namespaced", ideaDots + "; and who names a version wants that one"},
		{"networkpolicies.networking.k8s.io", "networking.k8s.io/v1 networkpolicies, namespaced", ideaDots},
		{"networkpolicies.v1.networking.k8s.io", "networking.k8s.io/v1 networkpolicies, namespaced", ideaDots},
		{"nobodyskettles", "no match", "what the server does not have is an error that meta.IsNoMatchError knows; wrap it with %w"},
		{"kettles.v1.apps", "no match", "what the server does not have is an error that meta.IsNoMatchError knows; wrap it with %w"},
	} {
		got, panics := result(func() (*meta.RESTMapping, error) { return ForArgument(t.Context(), mapper, c.argument) })
		if panics {
			c.idea = "ParseResourceArg returns nil for the first reading if there are fewer than two dots"
		}
		if got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("of %q ForArgument says: %s", c.argument, got), c.want, c.idea)
		}
	}
}

// The same on a real API server.
func TestStep1RealServer(t *testing.T) { forObject(t, onReal(t)) }
func TestStep2RealServer(t *testing.T) { forArgument(t, onReal(t)) }
