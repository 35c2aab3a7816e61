// Package foreign is a sample of a typical mistake: the precondition is the UID of another object.
package foreign

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// want: the UID of that one, `current`

// Manager is the name under which this controller applies.
const Manager = "printer"

// ErrNotOurs says that the name is taken. Trying again does not help: its owner has to let it go.
var ErrNotOurs = errors.New("an object of this name is there that is not ours")

// Applier writes; client.CoreV1().ConfigMaps(namespace) is one.
type Applier interface {
	Apply(context.Context, *accore.ConfigMapApplyConfiguration, metav1.ApplyOptions) (*corev1.ConfigMap, error)
}

// Keeper keeps the pages of one namespace.
type Keeper struct {
	API   Applier
	Cache corelisters.ConfigMapNamespaceLister // may be late
}

// pageOf is what the page of a recipe should be. Recipes and pages are ConfigMaps.
func pageOf(recipe *corev1.ConfigMap) *accore.ConfigMapApplyConfiguration {
	return accore.ConfigMap(recipe.Name+"-page", recipe.Namespace).
		WithOwnerReferences(acmeta.OwnerReference().
			WithAPIVersion("v1").WithKind("ConfigMap").WithName(recipe.Name).WithUID(recipe.UID).WithController(true)).
		WithData(map[string]string{"page": "How to make " + recipe.Data["what"]})
}

// Keep makes the page of a recipe what it should be. Without the four places it overwrites whatever has the name.
func (k *Keeper) Keep(ctx context.Context, recipe *corev1.ConfigMap) error {
	desired := pageOf(recipe)
	current, err := k.Cache.Get(*desired.Name)
	switch {
	case apierrors.IsNotFound(err):
		desired.WithResourceVersion("1")
	case err != nil:
		return err
	default:
		if owner := metav1.GetControllerOf(current); owner == nil || owner.UID != recipe.UID {
			return fmt.Errorf("%s: %w", current.Name, ErrNotOurs)
		}
		applied, err := accore.ExtractConfigMap(current, Manager)
		if err != nil {
			return fmt.Errorf("what we applied to %s: %w", current.Name, err)
		}
		if equality.Semantic.DeepEqual(applied, desired) {
			return nil
		}
		desired.WithUID(recipe.UID)
	}
	// Force: what we decide is ours, whoever else wrote it. It makes the four places necessary.
	_, err = k.API.Apply(ctx, desired, metav1.ApplyOptions{FieldManager: Manager, Force: true})
	if otherUID(err) {
		err = apierrors.NewConflict(corev1.Resource("configmaps"), *desired.Name, err)
	}
	if err != nil {
		return fmt.Errorf("apply %s: %w", *desired.Name, err) // a conflict, perhaps: the caller tries again
	}
	return nil
}

// otherUID says whether the server refused an apply because its object has another UID. If there is no object, that is a 409
// Conflict; if there is another one, a 422 Invalid, as for a spec that is wrong: but trying again helps.
func otherUID(err error) bool {
	cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
	return ok && apierrors.IsInvalid(err) && cause.Field == "metadata.uid"
}
