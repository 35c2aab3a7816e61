package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
)

func TestSubresourcesOnFake(t *testing.T) {
	client := newHonestClientset(t)
	addScale(client)
	addPods(client)
	var out bytes.Buffer
	require.NoError(t, subresources(t.Context(), client, labNamespace, &out))
	program.RequireOutput(t, "subresources", out.String())
}

// A budget that its controller has not looked at yet refuses with Retry-After: 10. client-go waits and asks
// again, ten times, before EvictV1 returns. The clock is the bubble's.
func TestEvictV1Waits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		refuse := roundTripper(func(*http.Request) (*http.Response, error) {
			requests++
			answer := httptest.NewRecorder()
			sendAnswer(answer, apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 10))
			return answer.Result(), nil
		})
		client, err := newClient(&rest.Config{Host: "http://192.0.2.1", QPS: -1, Transport: refuse})
		require.NoError(t, err)
		start := time.Now()
		err = evict(t.Context(), client, labNamespace, "guard-1")
		assert.True(t, apierrors.IsTooManyRequests(err), "%v", err)
		assert.Equal(t, 11, requests)
		assert.Equal(t, 100*time.Second, time.Since(start))
	})
}

// addScale adds the subresource scale of a Deployment: on the fake, GetScale panics.
func addScale(client *fake.Clientset) {
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 1}, Status: autoscalingv1.ScaleStatus{Selector: "app=web"}}
	client.PrependReactor("*", "deployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() != "scale" {
			return false, nil, nil
		}
		switch action := action.(type) {
		case clienttesting.UpdateActionImpl:
			scale = action.Object.(*autoscalingv1.Scale)
		case clienttesting.PatchActionImpl:
			if !*action.PatchOptions.Force {
				return true, nil, apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.replicas"}},
					`Apply failed with 1 conflict: conflict with "clerk" with subresource "scale" using autoscaling/v1: .spec.replicas`)
			}
			scale = scale.DeepCopy()
			scale.Spec.Replicas = 3
		}
		return true, scale, nil
	})
}

// addPods makes new pods Ready, keeps spec and status apart, and adds eviction, which the fake grants and forgets.
func addPods(client *fake.Clientset) {
	tracker := client.Tracker()
	client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		create := action.(clienttesting.CreateActionImpl)
		if create.Subresource != "eviction" {
			pod := create.Object.(*corev1.Pod)
			if pod.Spec.SchedulingGates == nil {
				pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			}
			return false, nil, nil // what stands behind stores it
		}
		if create.Object.(*policyv1.Eviction).Name == "guard-1" {
			return true, nil, tracker.Delete(create.Resource, create.Namespace, "guard-1")
		}
		refused := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		refused.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause}}
		return true, nil, refused
	})
	client.PrependReactor("update", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		update := action.(clienttesting.UpdateActionImpl)
		pod := update.Object.(*corev1.Pod)
		old, err := tracker.Get(update.Resource, update.Namespace, pod.Name)
		if err != nil {
			return true, nil, err
		}
		if update.Subresource == "status" {
			pod.Spec = old.(*corev1.Pod).Spec
		} else {
			pod.Status = old.(*corev1.Pod).Status
		}
		return false, nil, nil
	})
	client.PrependReactor("create", "poddisruptionbudgets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		budget := action.(clienttesting.CreateActionImpl).Object.(*policyv1.PodDisruptionBudget)
		budget.Status.ObservedGeneration, budget.Status.DisruptionsAllowed = 1, 1
		return false, nil, nil
	})
}
