package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"client-go-lab/07-controller/api/v1alpha1"
)

// FieldManager is this controller's name in the managedFields of what it applies, in labels and in events.
const FieldManager = "website-controller"

// ReportingController is its name in events, where a qualified name is wanted.
const ReportingController = "lab.example.com/" + FieldManager

// notThere is no object's resourceVersion. An apply that has it says: create this. The server answers 409 Conflict if an
// object of this name exists after all, also one that our cache does not have yet, and writes nothing.
const notThere = "1"

// applyConfiguration is what all generated apply configurations have.
type applyConfiguration[A any] interface {
	WithUID(types.UID) A
	WithResourceVersion(string) A
}

// keeper is what has to be known of a kind to keep objects of it as they should be.
type keeper[O metav1.Object, A applyConfiguration[A]] struct {
	kind    string
	get     func(name string) (O, error)                   // from the cache
	extract func(object O, fieldManager string) (A, error) // the fields that a manager has applied, with today's values
	apply   func(ctx context.Context, desired A, opts metav1.ApplyOptions) (O, error)
}

// keep makes the object of a name what it should be, and returns it. It sends nothing if the cached object has each field that
// we decide at the value we gave it; this is how somebody else's change is found, and how an idle controller stays silent.
// An object that is not ours is left alone: a *problem says so.
func (k keeper[O, A]) keep(ctx context.Context, website *v1alpha1.Website, name string, desired A) (O, error) {
	var none O
	current, err := k.get(name)
	switch {
	case apierrors.IsNotFound(err):
		desired = desired.WithResourceVersion(notThere)
	case err != nil:
		return none, err
	case !owns(website, current):
		return none, &problem{reason: ReasonNameTaken, message: fmt.Sprintf("a %s %q is there that is not this Website's", k.kind, name)}
	default:
		applied, err := k.extract(current, FieldManager)
		if err != nil {
			return none, fmt.Errorf("extract what we applied to the %s %q: %w", k.kind, name, err)
		}
		if equality.Semantic.DeepEqual(applied, desired) {
			return current, nil
		}
		// Not one that somebody else has made since it was deleted.
		desired = desired.WithUID(current.GetUID())
	}
	// Force: a field that we decide is ours, whoever else wrote it. Without it their value would stay, and we get a 409.
	object, err := k.apply(ctx, desired, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	if replaced(err) {
		err = apierrors.NewConflict(schema.GroupResource{Resource: k.kind}, name, err)
	}
	if err != nil {
		return none, fmt.Errorf("apply the %s %q: %w", k.kind, name, err)
	}
	return object, nil
}

// replaced says whether an apply failed because its UID is not that of the object that is there. The server answers 409
// Conflict if there is none, but 422 Invalid if there is another one: nobody may change a UID.
func replaced(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(cause metav1.StatusCause) bool { return cause.Field == "metadata.uid" })
}
