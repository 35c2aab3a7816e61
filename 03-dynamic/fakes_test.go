package main

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	discoveryfake "k8s.io/client-go/discovery/fake"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
)

// bareFake is client-go's dynamic fake as it comes. Listing needs the kind of the list, which no URL tells: a resource
// that is not named here makes List panic.
func bareFake(objects ...runtime.Object) *dynamicfake.FakeDynamicClient {
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		{Version: "v1", Resource: "pods"}: "PodList",
		namespaces:                        "NamespaceList",
		configMaps:                        "ConfigMapList",
		cronJobs:                          "CronJobList",
		priorityClasses:                   "PriorityClassList",
		crds:                              "CustomResourceDefinitionList",
	}, objects...)
}

// fakeCluster is the dynamic fake and the discovery fake, with what this chapter needs and they do not do.
type fakeCluster struct {
	*dynamicfake.FakeDynamicClient
	disco  *sortedDiscovery
	mapper meta.RESTMapperWithContext
}

func newFakeCluster(objects ...runtime.Object) *fakeCluster {
	namespaced := func(name, kind string, shortNames ...string) metav1.APIResource {
		return metav1.APIResource{Name: name, SingularName: strings.ToLower(kind), Kind: kind, Namespaced: true, ShortNames: shortNames}
	}
	inCluster := func(name, kind string, shortNames ...string) metav1.APIResource {
		return metav1.APIResource{Name: name, SingularName: strings.ToLower(kind), Kind: kind, ShortNames: shortNames}
	}
	disco := &sortedDiscovery{FakeDiscovery: &discoveryfake.FakeDiscovery{Fake: &clienttesting.Fake{Resources: []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			namespaced("pods", "Pod", "po"), namespaced("configmaps", "ConfigMap", "cm"), namespaced("endpoints", "Endpoints", "ep"),
			namespaced("events", "Event", "ev"), inCluster("namespaces", "Namespace", "ns"),
		}},
		{GroupVersion: "apiextensions.k8s.io/v1", APIResources: []metav1.APIResource{inCluster("customresourcedefinitions", "CustomResourceDefinition", "crd")}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{namespaced("deployments", "Deployment", "deploy")}},
		{GroupVersion: "autoscaling/v2", APIResources: []metav1.APIResource{namespaced("horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa")}},
		{GroupVersion: "autoscaling/v1", APIResources: []metav1.APIResource{namespaced("horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa")}},
		{GroupVersion: "batch/v1", APIResources: []metav1.APIResource{namespaced("cronjobs", "CronJob", "cj")}},
		{GroupVersion: "events.k8s.io/v1", APIResources: []metav1.APIResource{namespaced("events", "Event", "ev")}},
		{GroupVersion: "networking.k8s.io/v1", APIResources: []metav1.APIResource{namespaced("networkpolicies", "NetworkPolicy", "netpol")}},
		{GroupVersion: "scheduling.k8s.io/v1", APIResources: []metav1.APIResource{inCluster("priorityclasses", "PriorityClass", "pc")}},
	}}}}
	c := &fakeCluster{FakeDynamicClient: bareFake(objects...), disco: disco, mapper: newMapper(disco)}
	// The reactor that is added last is asked first.
	c.PrependReactor("patch", "*", c.apply)
	c.PrependReactor("*", "cups", c.judgeCups)
	c.PrependReactor("create", "cronjobs", c.judgeCronJobs)
	c.PrependReactor("*", "customresourcedefinitions", c.establish)
	return c
}

// sortedDiscovery is the discovery fake with its groups in order. The fake itself takes them from a map, so that which of
// two groups comes first, and wins, is another at each call.
type sortedDiscovery struct {
	*discoveryfake.FakeDiscovery
	late  int // so many times what was defined is not listed yet
	after []*metav1.APIResourceList
}

// define lists a resource at once, or later if the fake is late.
func (d *sortedDiscovery) define(list *metav1.APIResourceList) {
	if d.late > 0 {
		d.after = append(d.after, list)
		return
	}
	d.Resources = append(d.Resources, list)
}

func (d *sortedDiscovery) ServerGroupsWithContext(ctx context.Context) (*metav1.APIGroupList, error) {
	if len(d.after) > 0 {
		if d.late--; d.late <= 0 {
			d.Resources, d.after = append(d.Resources, d.after...), nil
		}
	}
	list, err := d.FakeDiscovery.ServerGroupsWithContext(ctx)
	slices.SortFunc(list.Groups, func(a, b metav1.APIGroup) int { return cmp.Compare(a.Name, b.Name) })
	return list, err
}

// apply does what the fake does not: it creates the object, or replaces it, which is enough for one manager.
func (c *fakeCluster) apply(action clienttesting.Action) (bool, runtime.Object, error) {
	patch := action.(clienttesting.PatchActionImpl)
	if patch.PatchType != types.ApplyPatchType {
		return false, nil, nil
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(patch.Patch, &object.Object); err != nil {
		return true, nil, err
	}
	if object.GetKind() == "" {
		return true, nil, apierrors.NewBadRequest("invalid object type: /, Kind=")
	}
	if len(object.GetManagedFields()) > 0 {
		return true, nil, apierrors.NewBadRequest("metadata.managedFields must be nil")
	}
	data, _, _ := unstructured.NestedMap(object.Object, "data")
	if _, isNumber := data["lumps"].(float64); isNumber {
		return true, nil, apierrors.NewBadRequest("failed to create typed patch object (/sugar; /v1, Kind=ConfigMap): " +
			".data.lumps: expected string, got &value.valueUnstructured{Value:2}")
	}
	object.SetNamespace(patch.Namespace)
	if slices.Contains(patch.PatchOptions.DryRun, metav1.DryRunAll) {
		return true, object, nil
	}
	if object.GroupVersionKind().GroupKind() == crdKind {
		c.serve(object)
	}
	err := c.Tracker().Create(patch.GetResource(), object, patch.Namespace)
	if apierrors.IsAlreadyExists(err) {
		err = c.Tracker().Update(patch.GetResource(), object, patch.Namespace)
	}
	return true, object, err
}

// establish lets the discovery fake list what a CRD defines, and says so in the CRD's status.
func (c *fakeCluster) establish(action clienttesting.Action) (bool, runtime.Object, error) {
	if create, ok := action.(clienttesting.CreateAction); ok {
		c.serve(create.GetObject().(*unstructured.Unstructured))
	}
	return false, nil, nil
}

func (c *fakeCluster) serve(crd *unstructured.Unstructured) {
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	for _, kind := range definedKinds(crd) {
		known := func(list *metav1.APIResourceList) bool {
			return list.GroupVersion == kind.GroupVersion().String() && list.APIResources[0].Kind == kind.Kind
		}
		if slices.ContainsFunc(c.disco.Resources, known) {
			continue
		}
		c.disco.define(&metav1.APIResourceList{
			GroupVersion: kind.GroupVersion().String(),
			APIResources: []metav1.APIResource{{Name: plural, SingularName: strings.ToLower(kind.Kind), Kind: kind.Kind, Namespaced: true}},
		})
	}
	crd.Object["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Established", "status": "True"}}}
}

// strictError is what a server says to a field that it does not know.
func strictError(kind, path string) error {
	return apierrors.NewBadRequest(kind + ` in version "v1" cannot be handled as a ` + kind + `: strict decoding error: unknown field "` + path + `"`)
}

// judgeCronJobs knows one slip.
func (c *fakeCluster) judgeCronJobs(action clienttesting.Action) (bool, runtime.Object, error) {
	create := action.(clienttesting.CreateActionImpl)
	object := create.GetObject().(*unstructured.Unstructured)
	spec := object.Object["spec"].(map[string]any)
	if _, slip := spec["schedul"]; slip {
		if create.CreateOptions.FieldValidation == metav1.FieldValidationStrict {
			return true, nil, strictError("CronJob", "spec.schedul")
		}
		delete(spec, "schedul")
	}
	if len(create.CreateOptions.DryRun) > 0 {
		return true, object, nil
	}
	return false, nil, nil
}

// judgeCups does by hand what a server does with the schema of this chapter's Cups: defaults, pruning, errors, and a
// status that has a door of its own.
func (c *fakeCluster) judgeCups(action clienttesting.Action) (bool, runtime.Object, error) {
	var object *unstructured.Unstructured
	var strict bool
	switch action := action.(type) {
	case clienttesting.CreateActionImpl:
		object = action.GetObject().(*unstructured.Unstructured)
		strict = action.CreateOptions.FieldValidation == metav1.FieldValidationStrict
		delete(object.Object, "status")
		object.SetGeneration(1)
	case clienttesting.UpdateActionImpl:
		object = action.GetObject().(*unstructured.Unstructured)
		stored, err := c.Tracker().Get(cups, action.GetNamespace(), object.GetName())
		if err != nil {
			return true, nil, err
		}
		old := stored.(*unstructured.Unstructured)
		if action.GetSubresource() == "status" {
			object.Object["spec"] = old.Object["spec"]
		} else {
			delete(object.Object, "status")
			object.SetGeneration(old.GetGeneration() + 1)
		}
	default:
		return false, nil, nil
	}
	spec := object.Object["spec"].(map[string]any)
	if _, found := spec["handle"]; found && strict {
		return true, nil, strictError("Cup", "spec.handle")
	}
	delete(spec, "handle")
	if errs := judge(spec); len(errs) > 0 {
		return true, nil, apierrors.NewInvalid(schema.GroupKind{Group: group, Kind: "Cup"}, object.GetName(), errs)
	}
	for name, value := range map[string]any{"colour": "white", "filled": int64(0)} {
		if _, found := spec[name]; !found {
			spec[name] = value
		}
	}
	return false, nil, nil
}

func judge(spec map[string]any) field.ErrorList {
	var errs field.ErrorList
	holds, found := spec["holds"]
	number, isNumber := holds.(int64)
	path := field.NewPath("spec", "holds")
	switch {
	case !found:
		errs = append(errs, field.Required(path, ""))
	case !isNumber:
		errs = append(errs, field.TypeInvalid(path, "string", `spec.holds in body must be of type integer: "string"`))
	case number < 50:
		errs = append(errs, field.Invalid(path, number, "spec.holds in body should be greater than or equal to 50"))
	}
	if colour, found := spec["colour"]; found && colour != "white" && colour != "blue" {
		errs = append(errs, field.NotSupported(field.NewPath("spec", "colour"), colour, []string{"white", "blue"}))
	}
	if len(errs) > 0 {
		return append(errs, field.Invalid(nil, nil, "some validation rules were not checked because the object was invalid; "+
			"correct the existing errors to complete validation"))
	}
	if filled, _ := spec["filled"].(int64); filled > number {
		errs = append(errs, &field.Error{Type: field.ErrorTypeInvalid, Field: "spec", BadValue: field.OmitValueType{}, Detail: "there is more in the cup than it holds"})
	}
	return errs
}

// left returns what the fake still has of a resource.
func left(t *testing.T, client *fakeCluster, resource schema.GroupVersionResource) []string {
	t.Helper()
	list, err := client.Resource(resource).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var names []string
	for _, item := range list.Items {
		names = append(names, item.GetName())
	}
	slices.Sort(names)
	return names
}
