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
	var errs []error
	for _, resource := range []schema.GroupVersionResource{apiServiceResource, crdResource} {
		errs = append(errs, l.empty(ctx, l.objects.Resource(resource)))
	}
	for _, resource := range []schema.GroupVersionResource{serviceResource, eventResource, autoscalerResource} {
		errs = append(errs, l.empty(ctx, l.objects.Resource(resource).Namespace(labNamespace)))
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

// empty deletes this chapter's objects of one resource and waits until they are gone: finalizers may take their time.
func (l *lab) empty(ctx context.Context, resource dynamic.ResourceInterface) error {
	if err := resource.DeleteCollection(ctx, metav1.DeleteOptions{}, mine()); err != nil {
		return err
	}
	return waitFor(ctx, "this chapter's objects to go", func(ctx context.Context) (bool, error) {
		left, err := resource.List(ctx, mine())
		return err == nil && len(left.Items) == 0, err
	})
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
func waitFor(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	if err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, done); err != nil {
		return fmt.Errorf("wait for %s: %w", what, err)
	}
	return nil
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
