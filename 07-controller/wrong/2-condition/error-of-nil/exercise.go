// Package condition is a sample of a typical mistake: what went well is made an error.
package condition

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// want: fmt.Errorf makes an error of nil, too

// Teapot is an object of which the API server has two halves: the user writes the spec, the controller the status.
type Teapot struct {
	metav1.ObjectMeta
	Cups   int // the spec: how many cups of tea there should be
	Status Status
}

// Status is what the controller has seen.
type Status struct {
	ObservedGeneration int64
	Conditions         []metav1.Condition
}

// DeepCopy copies a status.
func (s Status) DeepCopy() Status {
	s.Conditions = slices.Clone(s.Conditions)
	return s
}

// DeepCopy copies a Teapot.
func (t *Teapot) DeepCopy() *Teapot {
	c := &Teapot{Cups: t.Cups, Status: t.Status.DeepCopy()}
	t.ObjectMeta.DeepCopyInto(&c.ObjectMeta)
	return c
}

// Writer is what a client for Teapots writes with.
type Writer interface {
	Update(context.Context, *Teapot, metav1.UpdateOptions) (*Teapot, error)
	UpdateStatus(context.Context, *Teapot, metav1.UpdateOptions) (*Teapot, error)
}

// Ready is the type of the condition that this controller writes. There may be others, from others.
const Ready = "Ready"

// statusOf returns the status that a Teapot should have when that many cups are in it. The Teapot is the cache's.
func statusOf(teapot *Teapot, cups int) Status {
	condition := metav1.Condition{
		Type: Ready, Status: metav1.ConditionFalse, Reason: "Brewing",
		Message: fmt.Sprintf("%d of %d cups", cups, teapot.Cups),
	}
	if cups >= teapot.Cups {
		condition.Status, condition.Reason = metav1.ConditionTrue, "Brewed"
	}
	condition.ObservedGeneration = teapot.Generation
	status := teapot.Status.DeepCopy()
	status.ObservedGeneration = teapot.Generation
	meta.SetStatusCondition(&status.Conditions, condition)
	return status
}

// Report writes the status of a Teapot from the cache, if it is not there yet.
func Report(ctx context.Context, client Writer, teapot *Teapot, cups int) error {
	status := statusOf(teapot, cups)
	if equality.Semantic.DeepEqual(status, teapot.Status) {
		return nil
	}
	changed := teapot.DeepCopy()
	changed.Status = status
	_, err := client.UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	return fmt.Errorf("write the status of %s: %w", teapot.Name, err)
}
