package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// newHonestClientset is client-go's fake with what our steps need and it does not do. fakes_test.go shows each lie; this
// file is what it takes to mend it: a reactor that stands before the fake's own.
func newHonestClientset(t *testing.T, objects ...runtime.Object) *fake.Clientset {
	t.Helper()
	client := fake.NewClientset(objects...)
	// A server has them, or makes them.
	require.NoError(t, client.Tracker().Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: labNamespace}}))
	require.NoError(t, client.Tracker().Add(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: labNamespace}}))
	honest := &honest{tracker: client.Tracker()}
	client.PrependReactor("*", "*", honest.react)
	client.PrependWatchReactor("*", honest.watch)
	return client
}

// honest does what a server does and the fake does not. The clientset holds a lock while a reactor runs: a reactor uses
// the tracker, never the clientset.
type honest struct {
	tracker clienttesting.ObjectTracker
	version int
}

func (h *honest) react(action clienttesting.Action) (handled bool, object runtime.Object, err error) {
	switch action := action.(type) {
	case clienttesting.CreateActionImpl:
		if action.Subresource != "" {
			return false, nil, nil // as the fake has it
		}
		object, err = h.create(action)
	case clienttesting.UpdateActionImpl:
		object, err = h.update(action)
	case clienttesting.PatchActionImpl:
		object, err = h.patch(action)
	case clienttesting.DeleteActionImpl:
		return true, nil, h.delete(action.Resource, action.Namespace, action.Name, action.DeleteOptions)
	case clienttesting.DeleteCollectionActionImpl:
		return true, nil, h.deleteCollection(action)
	case clienttesting.ListActionImpl:
		object, err = h.list(action)
		return true, object, err
	default:
		_, object, err = clienttesting.ObjectReaction(h.tracker)(action)
	}
	if err == nil && object != nil {
		complete(object)
	}
	return true, object, err
}

// complete sets defaults, and takes away the kind, which a typed client does not get from a server.
func complete(object runtime.Object) {
	object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	if deployment, ok := object.(*appsv1.Deployment); ok {
		spec := &deployment.Spec
		if spec.Replicas == nil {
			spec.Replicas = new(int32(1))
		}
		if spec.RevisionHistoryLimit == nil {
			spec.RevisionHistoryLimit = new(int32(10))
		}
		if spec.Strategy.Type == "" {
			spec.Strategy.Type = appsv1.RollingUpdateDeploymentStrategyType
		}
	}
}

func (h *honest) nextVersion() string {
	h.version++
	return strconv.Itoa(h.version)
}

// create chooses a name, and gives a uid, a resourceVersion and a generation.
func (h *honest) create(action clienttesting.CreateActionImpl) (runtime.Object, error) {
	object := action.Object.DeepCopyObject()
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	if accessor.GetName() == "" {
		accessor.SetName(accessor.GetGenerateName() + rand.String(5))
	}
	accessor.SetNamespace(action.Namespace)
	accessor.SetUID(types.UID("uid-" + h.nextVersion()))
	accessor.SetResourceVersion(h.nextVersion())
	accessor.SetGeneration(1)
	if err := h.tracker.Create(action.Resource, object, action.Namespace, action.CreateOptions); err != nil {
		return nil, err
	}
	if deployment, ok := object.(*appsv1.Deployment); ok && *deployment.Spec.Replicas > 0 {
		if err := h.makeFamily(deployment); err != nil {
			return nil, err
		}
	}
	return h.tracker.Get(action.Resource, action.Namespace, accessor.GetName())
}

// makeFamily does the work of the controllers: one ReplicaSet and one pod.
func (h *honest) makeFamily(deployment *appsv1.Deployment) error {
	replicaSet := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Name: deployment.Name + "-1", Namespace: deployment.Namespace, Labels: deployment.Spec.Template.Labels,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(deployment, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
	}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: deployment.Name + "-1-1", Namespace: deployment.Namespace, Labels: deployment.Spec.Template.Labels,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(replicaSet, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
	}}
	return errors.Join(h.tracker.Add(replicaSet), h.tracker.Add(pod))
}

// update refuses what was read too long ago.
func (h *honest) update(action clienttesting.UpdateActionImpl) (runtime.Object, error) {
	object := action.Object.DeepCopyObject()
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	stored, err := h.tracker.Get(action.Resource, action.Namespace, accessor.GetName())
	if err != nil {
		return nil, err
	}
	storedMeta, err := meta.Accessor(stored)
	if err != nil {
		return nil, err
	}
	if have := accessor.GetResourceVersion(); have != "" && have != storedMeta.GetResourceVersion() {
		return nil, apierrors.NewConflict(action.Resource.GroupResource(), accessor.GetName(),
			errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	}
	accessor.SetResourceVersion(h.nextVersion())
	accessor.SetGeneration(storedMeta.GetGeneration() + 1)
	if err := h.tracker.Update(action.Resource, object, action.Namespace, action.UpdateOptions); err != nil {
		return nil, err
	}
	return h.tracker.Get(action.Resource, action.Namespace, accessor.GetName())
}

// patch says 422 when a patch does not fit. The fake returns the error of the library that it uses.
func (h *honest) patch(action clienttesting.PatchActionImpl) (runtime.Object, error) {
	_, object, err := clienttesting.ObjectReaction(h.tracker)(action)
	if err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown {
		err = apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "patch", schema.GroupResource{}, "", err.Error(), 0, false)
	}
	return object, err
}

// delete looks at the preconditions, and does the work of the garbage collector.
func (h *honest) delete(resource schema.GroupVersionResource, namespace, name string, options metav1.DeleteOptions) error {
	object, err := h.tracker.Get(resource, namespace, name)
	if err != nil {
		return err
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	if want := options.Preconditions; want != nil &&
		(want.UID != nil && *want.UID != accessor.GetUID() || want.ResourceVersion != nil && *want.ResourceVersion != accessor.GetResourceVersion()) {
		return apierrors.NewConflict(resource.GroupResource(), name, errors.New("the precondition does not match"))
	}
	deployment, ok := object.(*appsv1.Deployment)
	if !ok {
		return h.tracker.Delete(resource, namespace, name)
	}
	policy := metav1.DeletePropagationBackground
	if options.PropagationPolicy != nil {
		policy = *options.PropagationPolicy
	}
	finalizer := map[metav1.DeletionPropagation]string{
		metav1.DeletePropagationForeground: metav1.FinalizerDeleteDependents,
		metav1.DeletePropagationOrphan:     metav1.FinalizerOrphanDependents,
	}[policy]
	if finalizer != "" {
		deployment.Finalizers, deployment.DeletionTimestamp = []string{finalizer}, &metav1.Time{Time: time.Unix(1, 0)}
		if err := h.tracker.Update(resource, deployment, namespace); err != nil {
			return err
		}
	}
	replicaSets, pods := appsv1.SchemeGroupVersion.WithResource("replicasets"), corev1.SchemeGroupVersion.WithResource("pods")
	replicaSet, err := h.tracker.Get(replicaSets, namespace, name+"-1")
	switch {
	case apierrors.IsNotFound(err): // it wanted no replicas
	case err != nil:
		return err
	case policy == metav1.DeletePropagationOrphan:
		replicaSet.(*appsv1.ReplicaSet).OwnerReferences = nil
		err = h.tracker.Update(replicaSets, replicaSet, namespace)
	default:
		err = errors.Join(h.tracker.Delete(pods, namespace, name+"-1-1"), h.tracker.Delete(replicaSets, namespace, name+"-1"))
	}
	return errors.Join(ignoreNotFound(err), h.tracker.Delete(resource, namespace, name))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// deleteCollection deletes. The fake only says that it has.
func (h *honest) deleteCollection(action clienttesting.DeleteCollectionActionImpl) error {
	kinds := map[string]string{"deployments": "Deployment", "configmaps": "ConfigMap", "pods": "Pod"}
	list, err := h.list(clienttesting.NewListActionWithOptions(action.Resource,
		action.Resource.GroupVersion().WithKind(kinds[action.Resource.Resource]), action.Namespace, action.ListOptions))
	if err != nil {
		return err
	}
	return meta.EachListItem(list, func(object runtime.Object) error {
		return h.delete(action.Resource, action.Namespace, object.(metav1.Object).GetName(), action.DeleteOptions)
	})
}

// list selects by labels and by fields, sorts, and cuts pages.
func (h *honest) list(action clienttesting.ListActionImpl) (runtime.Object, error) {
	list, err := h.tracker.List(action.Resource, action.Kind, action.Namespace)
	if err != nil {
		return nil, err
	}
	byLabel, byField, _ := clienttesting.ExtractFromListOptions(action.ListOptions)
	var kept []runtime.Object
	err = meta.EachListItem(list, func(object runtime.Object) error {
		matches, err := matchesFields(byField, object)
		if matches && byLabel.Matches(klabels.Set(object.(metav1.Object).GetLabels())) {
			complete(object)
			kept = append(kept, object)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(kept, func(a, b runtime.Object) int {
		if a.(metav1.Object).GetName() < b.(metav1.Object).GetName() {
			return -1
		}
		return 1
	})
	begin, _ := strconv.Atoi(action.ListOptions.Continue) // our tokens are numbers
	end := len(kept)
	if limit := int(action.ListOptions.Limit); limit > 0 && begin+limit < end {
		end = begin + limit
		list.(metav1.ListInterface).SetContinue(strconv.Itoa(end))
	}
	return list, meta.SetList(list, kept[begin:end])
}

// matchesFields knows the fields that the steps select by. A server knows a few for each resource, and refuses others.
func matchesFields(selector fields.Selector, object runtime.Object) (bool, error) {
	known := fields.Set{"metadata.name": object.(metav1.Object).GetName()}
	if pod, ok := object.(*corev1.Pod); ok {
		known["spec.restartPolicy"] = string(pod.Spec.RestartPolicy)
		known["status.phase"] = string(corev1.PodPending) // nothing runs here
	}
	for _, requirement := range selector.Requirements() {
		if !known.Has(requirement.Field) {
			return false, apierrors.NewBadRequest(fmt.Sprintf("field label not supported: %s", requirement.Field))
		}
	}
	return selector.Matches(known), nil
}

// watch selects by labels and names. The fake's watches bring everything.
func (h *honest) watch(action clienttesting.Action) (bool, watch.Interface, error) {
	options := action.(clienttesting.WatchActionImpl).ListOptions
	byLabel, byField, _ := clienttesting.ExtractFromListOptions(options)
	stream, err := h.tracker.Watch(action.GetResource(), action.GetNamespace(), options)
	if err != nil {
		return true, nil, err
	}
	return true, watch.Filter(stream, func(event watch.Event) (watch.Event, bool) {
		event.Object = event.Object.DeepCopyObject()
		complete(event.Object)
		object := event.Object.(metav1.Object)
		return event, byLabel.Matches(klabels.Set(object.GetLabels())) && byField.Matches(fields.Set{"metadata.name": object.GetName()})
	}), nil
}
