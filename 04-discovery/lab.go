package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// labNamespace is where the steps write. They leave it there, empty, for the next step.
const labNamespace = "client-go-lab"

// labLabel is on everything that this chapter makes, so that it can be found again.
const labLabel = "client-go-lab/chapter"

// The API groups that the steps add to the server for a moment. Nobody else uses them.
const (
	teapotGroup = "teapot.lab.example.com" // cached.go
	brokenGroup = "broken.lab.example.com" // partial.go
)

var (
	namespaceResource  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	apiServiceResource = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	crdResource        = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	serviceResource    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	eventResource      = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	teapotResource     = schema.GroupVersionResource{Group: teapotGroup, Version: "v1", Resource: "teapots"}
	autoscalerResource = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
)

// labels returns the labels of this chapter's objects.
func labels() map[string]string { return map[string]string{labLabel: "04"} }

// mine selects this chapter's objects.
func mine() metav1.ListOptions { return metav1.ListOptions{LabelSelector: labLabel + "=04"} }

// lab is what cleaning up needs. Several groups are written to, so the client is the dynamic one of chapter 03.
type lab struct {
	objects   dynamic.Interface
	discovery discovery.DiscoveryInterfaceWithContext
}

func newLab(config *rest.Config) (*lab, error) {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a dynamic client: %w", err)
	}
	client, err := newDiscoveryClient(config)
	if err != nil {
		return nil, err
	}
	return &lab{objects: objects, discovery: client}, nil
}

// run runs a step that writes. It makes the namespace if there is none, removes what an interrupted run may have left
// behind, and cleans up after the step, however that ends.
func (l *lab) run(ctx context.Context, step func() error) (err error) {
	if err := l.makeNamespace(ctx); err != nil {
		return fmt.Errorf("make the namespace %s: %w", labNamespace, err)
	}
	if err := l.sweep(ctx); err != nil {
		return fmt.Errorf("remove what an earlier run left: %w", err)
	}
	defer func() {
		// After Ctrl-C ctx is cancelled and no request with it would leave this machine. Cleaning up gets a context that
		// keeps ctx's values but not its end, and a time limit of its own.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 90*time.Second)
		defer cancel()
		if cleanErr := l.sweep(ctx); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("clean up: %w (by hand: kubectl delete apiservices,crds -l %s)", cleanErr, mine().LabelSelector))
		}
	}()
	return step()
}

// makeNamespace makes the lab's namespace if it is not there.
func (l *lab) makeNamespace(ctx context.Context) error {
	namespace, err := l.objects.Resource(namespaceResource).Get(ctx, labNamespace, metav1.GetOptions{})
	phase := ""
	if err == nil {
		phase, _, _ = unstructured.NestedString(namespace.Object, "status", "phase")
	}
	switch {
	case phase == "Terminating":
		return errors.New("it is being deleted: wait until it is gone, then try again")
	case !apierrors.IsNotFound(err):
		return err // nil if it is there
	}
	namespace = object("v1", "Namespace", labNamespace, nil)
	_, err = l.objects.Resource(namespaceResource).Create(ctx, namespace, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // another program was faster
	}
	return err
}

// sweep deletes this chapter's objects and waits until discovery has forgotten them, too. What changes discovery goes
// first: it is seen by every client of the cluster.
func (l *lab) sweep(ctx context.Context) error {
	errs := []error{l.useCustomResources(ctx)}
	for _, resource := range []schema.GroupVersionResource{apiServiceResource, crdResource} {
		errs = append(errs, l.empty(ctx, resource, ""))
	}
	for _, resource := range []schema.GroupVersionResource{serviceResource, eventResource, autoscalerResource} {
		errs = append(errs, l.empty(ctx, resource, labNamespace))
	}
	errs = append(errs, waitFor(ctx, "the lab's groups to leave discovery", func(ctx context.Context) (bool, error) {
		for _, group := range []string{teapotGroup, brokenGroup} {
			if served, described, err := hasGroup(ctx, l.discovery, group); served || described || err != nil {
				return false, err
			}
		}
		return true, nil
	}))
	return errors.Join(errs...)
}

// useCustomResources lists the objects of each custom resource of this chapter, before it is deleted: see makeTeapots. A
// run that was interrupted may not have come so far.
func (l *lab) useCustomResources(ctx context.Context) error {
	crds, err := l.objects.Resource(crdResource).List(ctx, mine())
	if err != nil {
		return fmt.Errorf("list the CustomResourceDefinitions: %w", err)
	}
	var errs []error
	for _, crd := range crds.Items {
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
		versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
		for _, v := range versions {
			version, _ := v.(map[string]any)["name"].(string)
			resource := schema.GroupVersionResource{Group: group, Version: version, Resource: plural}
			if _, err := l.objects.Resource(resource).List(ctx, metav1.ListOptions{}); err != nil && !apierrors.IsNotFound(err) {
				errs = append(errs, fmt.Errorf("list %s: %w", resource.GroupResource(), err))
			}
		}
	}
	return errors.Join(errs...)
}

// empty deletes this chapter's objects of one resource and waits until they are gone: finalizers may take their time.
func (l *lab) empty(ctx context.Context, resource schema.GroupVersionResource, namespace string) error {
	objects := l.objects.Resource(resource).Namespace(namespace) // "" for none
	if err := objects.DeleteCollection(ctx, metav1.DeleteOptions{}, mine()); err != nil {
		return fmt.Errorf("delete %s: %w", resource.Resource, err)
	}
	patience := time.Now().Add(2 * time.Second)
	why := ""
	err := waitFor(ctx, "this chapter's "+resource.Resource+" to go", func(ctx context.Context) (bool, error) {
		left, err := objects.List(ctx, mine())
		if err != nil || len(left.Items) == 0 {
			return err == nil, err
		}
		why = whyTerminating(left.Items[0])
		if time.Now().Before(patience) {
			return false, nil
		}
		patience = time.Now().Add(2 * time.Second)
		return false, touch(ctx, objects, left.Items)
	})
	if err != nil && why != "" {
		err = fmt.Errorf("%w (the server says: %s)", err, why)
	}
	return err
}

// touch changes an annotation of each object. It is the second net below the first request of makeTeapots: whoever has
// to finish a deletion, and has missed its turn, looks at an object again when it changes.
func touch(ctx context.Context, objects dynamic.ResourceInterface, items []unstructured.Unstructured) error {
	for _, item := range items {
		// The resource version is another one each time; the same value again would be no change.
		patch := fmt.Sprintf(`{"metadata":{"annotations":{"client-go-lab/touched":%q}}}`, item.GetResourceVersion())
		_, err := objects.Patch(ctx, item.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("touch %s: %w", item.GetName(), err)
		}
	}
	return nil
}

// whyTerminating returns what a CustomResourceDefinition's condition Terminating says; other objects have none.
func whyTerminating(object unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok && condition["type"] == "Terminating" {
			message, _ := condition["message"].(string)
			return message
		}
	}
	return ""
}

// hasGroup asks the server, without a cache, whether it serves a group in any version, and whether OpenAPI describes it.
// The two come and go at different times: different parts of the server see to them.
func hasGroup(ctx context.Context, client discovery.DiscoveryInterfaceWithContext, name string) (served, described bool, err error) {
	groups, err := client.ServerGroupsWithContext(ctx)
	if err != nil {
		return false, false, err
	}
	documents, err := client.OpenAPIV3WithContext(ctx).PathsWithContext(ctx)
	if err != nil {
		return false, false, err
	}
	served = slices.ContainsFunc(groups.Groups, func(group metav1.APIGroup) bool { return group.Name == name })
	return served, documents["apis/"+name] != nil || documents["apis/"+name+"/v1"] != nil, nil
}

// waitFor asks ten times a second, at once the first time, until done says true or an error, for a minute at most.
// A server that is busy for a moment has not answered: the question is asked again.
func waitFor(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	var busy error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		ok, err := done(ctx)
		if busy = nil; isBusy(err) {
			busy = err
			return false, nil
		}
		return ok, err
	})
	switch {
	case err != nil && busy != nil:
		return fmt.Errorf("wait for %s: %w; the last answer: %w", what, err, busy)
	case err != nil:
		return fmt.Errorf("wait for %s: %w", what, err)
	}
	return nil
}

// isBusy says whether an error means "not now".
func isBusy(err error) bool {
	return apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err)
}

// object makes an object of any kind, with this chapter's label and, if it is not nil, a spec.
func object(apiVersion, kind, name string, spec map[string]any) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: map[string]any{}}
	made.SetAPIVersion(apiVersion)
	made.SetKind(kind)
	made.SetName(name)
	if kind != "Namespace" { // which stays
		made.SetLabels(labels())
	}
	if spec != nil {
		made.Object["spec"] = spec
	}
	return made
}
