package keys

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaTombstone = "when a deletion was missed, the handler gets a cache.DeletedFinalStateUnknown: its Key is right, its Obj is old"
	ideaParse     = `the text of a key is "namespace/name", or "name" for what has no namespace; anything else is an error`
	ideaNil       = "GetControllerOf is nil if there is no controller"
	ideaOwner     = "an object may have many owners and one controller: only that one is to be woken, if it is of our kind; it lives in the object's namespace"
)

func replicaSet(owners ...metav1.OwnerReference) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kitchen", Name: "tea-1", OwnerReferences: owners}}
}

func owner(apiVersion, kind, name string, controller bool) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, Controller: &controller}
}

func TestStep1Of(t *testing.T) {
	want := cache.ObjectName{Namespace: "kitchen", Name: "tea-1"}
	for _, obj := range []any{replicaSet(), cache.DeletedFinalStateUnknown{Key: "kitchen/tea-1"}, cache.DeletedFinalStateUnknown{Key: "kitchen/tea-1", Obj: replicaSet()}} {
		if got, err := Of(obj); got != want || err != nil {
			labtest.Unexpected(t, fmt.Sprintf("the key of a %T is %q, error: %v", obj, got, err), fmt.Sprintf("%q", want), ideaTombstone)
		}
	}
}

func TestStep2Parse(t *testing.T) {
	for text, want := range map[string]cache.ObjectName{"kitchen/tea-1": {Namespace: "kitchen", Name: "tea-1"}, "node-1": {Name: "node-1"}} {
		if got, err := Parse(text); got != want || err != nil {
			labtest.Unexpected(t, fmt.Sprintf("%q became %+v, error: %v", text, got, err), fmt.Sprintf("%+v", want), ideaParse)
		}
	}
	if got, err := Parse("kitchen/tea/1"); err == nil {
		labtest.Unexpected(t, fmt.Sprintf(`"kitchen/tea/1" became %+v`, got), "an error", ideaParse)
	}
}

func TestStep3OfOwner(t *testing.T) {
	for what, c := range map[string]struct {
		owners []metav1.OwnerReference
		want   string
	}{
		"no owner":                          {nil, ""},
		"the Deployment tea":                {[]metav1.OwnerReference{owner("apps/v1", "Deployment", "tea", true)}, "kitchen/tea"},
		"an owner that is no controller":    {[]metav1.OwnerReference{owner("apps/v1", "Deployment", "tea", false)}, ""},
		"a second owner, the controller":    {[]metav1.OwnerReference{owner("v1", "ConfigMap", "menu", false), owner("apps/v1", "Deployment", "tea", true)}, "kitchen/tea"},
		"a controller of another kind":      {[]metav1.OwnerReference{owner("apps/v1", "StatefulSet", "tea", true)}, ""},
		"a Deployment of another API group": {[]metav1.OwnerReference{owner("toys.example/v1", "Deployment", "tea", true)}, ""},
	} {
		got, ok := func() (cache.ObjectName, bool) {
			defer func() {
				if r := recover(); r != nil {
					labtest.Unexpected(t, fmt.Sprintf("with %s: panic: %v", what, r), "no panic", ideaNil)
				}
			}()
			return OfOwner(replicaSet(c.owners...))
		}()
		if ok != (c.want != "") || ok && got.String() != c.want {
			expected := fmt.Sprintf("%q, true", c.want)
			if c.want == "" {
				expected = "false"
			}
			labtest.Unexpected(t, fmt.Sprintf("with %s: %q, %t", what, got, ok), expected, ideaOwner)
		}
	}
}
