package owner

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaController = "an object may have many owners, and one controller: that one decides what it looks like. metav1.GetControllerOf finds it"
	ideaOwner      = "the key is the owner's, not the child's: an owner reference has the name, and the namespace is the child's"
	ideaKind       = "others use owner references, too. A key of something that is no Teapot of ours is work for nothing, or on the wrong object"
	ideaGroup      = "a kind is a kind of a group: Teapot of crockery.example.com has nothing to do with Teapot of tea.example.com"
	ideaVersion    = "an owner reference keeps the version of the day when it was written. Compare the group; versions come and go"
	ideaGiven      = "only the old object knows who had the child before. For that Teapot, its ConfigMap is missing now"
	ideaTombstone  = "the informer missed the deletion and heard of it by a relist. OptionalObj may be nil then: the name is all there is, and the child of a Teapot has the Teapot's name"
)

// keys is a queue that writes down what it gets, as the real one does: each key once.
type keys []cache.ObjectName

func (k *keys) Add(key cache.ObjectName) {
	if !slices.Contains(*k, key) {
		*k = append(*k, key)
	}
}

func (k keys) String() string {
	if len(k) == 0 {
		return "no key"
	}
	var names []string
	for _, key := range k {
		names = append(names, key.String())
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// queued is what a handler queues.
func queued(happen func(cache.TypedResourceEventHandler[*corev1.ConfigMap])) (said string) {
	k := keys{}
	defer func() {
		if r := recover(); r != nil {
			said = fmt.Sprint("panic: ", r)
		}
	}()
	happen(Handler(&k))
	return k.String()
}

func check(t *testing.T, what, got, want, idea string) {
	t.Helper()
	if got != want {
		labtest.Unexpected(t, what+": "+got, want, idea)
	}
}

// child is a ConfigMap in the namespace kitchen, with these owners.
func child(name string, owners ...metav1.OwnerReference) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kitchen", Name: name, UID: "uid-of-the-child", OwnerReferences: owners}}
}

func owner(apiVersion, kind, name string, controller bool) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, UID: "uid-of-the-owner", Controller: &controller}
}

func teapot(name string) metav1.OwnerReference {
	return owner("tea.example.com/v1", "Teapot", name, true)
}

func added(c *corev1.ConfigMap) string {
	return queued(func(h cache.TypedResourceEventHandler[*corev1.ConfigMap]) { h.OnAdd(c, false) })
}

func updated(old, c *corev1.ConfigMap) string {
	return queued(func(h cache.TypedResourceEventHandler[*corev1.ConfigMap]) { h.OnUpdate(old, c) })
}

func deleted(d cache.DeletedObject[*corev1.ConfigMap]) string {
	return queued(func(h cache.TypedResourceEventHandler[*corev1.ConfigMap]) { h.OnDelete(d) })
}

func TestStep1Kind(t *testing.T) {
	check(t, "added: the child of the Teapot brown", added(child("brown", teapot("brown"))), "kitchen/brown", ideaOwner)
	check(t, "added: a child of the Teapot brown that is called lid", added(child("lid", teapot("brown"))), "kitchen/brown", ideaOwner)
	check(t, "added: a ConfigMap without an owner", added(child("brown")), "no key", ideaController)
	check(t, "added: a ConfigMap that a Teapot owns, but does not control", added(child("brown", owner("tea.example.com/v1", "Teapot", "brown", false))), "no key", ideaController)
	check(t, "added: a child of the Kettle brown, of the same group", added(child("brown", owner("tea.example.com/v1", "Kettle", "brown", true))), "no key", ideaKind)
	check(t, "added: a child of a Teapot of the group crockery.example.com", added(child("brown", owner("crockery.example.com/v1", "Teapot", "brown", true))), "no key", ideaGroup)
	check(t, "added: a child of a Teapot of the group iced-tea.example.com", added(child("brown", owner("iced-tea.example.com/v1", "Teapot", "brown", true))), "no key", ideaGroup)
	check(t, "added: a child of a Teapot of the group tea.example.community", added(child("brown", owner("tea.example.community/v1", "Teapot", "brown", true))), "no key", ideaGroup)
	check(t, "added: a child whose owner reference says tea.example.com/v1beta1", added(child("brown", owner("tea.example.com/v1beta1", "Teapot", "brown", true))), "kitchen/brown", ideaVersion)
	check(t, "added: a child of the ConfigMap brown, whose group is \"\"", added(child("brown", owner("v1", "ConfigMap", "brown", true))), "no key", ideaKind)
	check(t, "added: a child of a Teapot, with another owner before it", added(child("brown", owner("v1", "Node", "n1", false), teapot("brown"))), "kitchen/brown", ideaController)
}

func TestStep2Given(t *testing.T) {
	check(t, "the ConfigMap of the Teapot brown becomes the Teapot white's", updated(child("brown", teapot("brown")), child("brown", teapot("white"))), "kitchen/brown, kitchen/white", ideaGiven)
	check(t, "the ConfigMap of the Teapot brown loses its owner reference", updated(child("brown", teapot("brown")), child("brown")), "kitchen/brown", ideaGiven)
	check(t, "a ConfigMap without an owner becomes the Teapot white's", updated(child("brown"), child("brown", teapot("white"))), "kitchen/white", ideaOwner)
	check(t, "the Teapot brown's ConfigMap changes, and stays its", updated(child("brown", teapot("brown")), child("brown", teapot("brown"))), "kitchen/brown", ideaOwner)
	check(t, "a ConfigMap of nobody changes", updated(child("brown"), child("brown")), "no key", ideaController)
}

func TestStep3Tombstone(t *testing.T) {
	check(t, "deleted, by a tombstone with a name and no object: kitchen/brown", deleted(cache.DeletedObject[*corev1.ConfigMap]{
		FinalStateUnknown: &cache.DeletedFinalStateUnknown{Key: "kitchen/brown"},
	}), "kitchen/brown", ideaTombstone)
	stale := child("lid", teapot("brown"))
	check(t, "deleted, by a tombstone with a child of the Teapot brown in it", deleted(cache.DeletedObject[*corev1.ConfigMap]{
		OptionalObj: stale, FinalStateUnknown: &cache.DeletedFinalStateUnknown{Key: "kitchen/lid", Obj: stale},
	}), "kitchen/brown", ideaOwner)
	check(t, "deleted: a child of the Teapot brown", deleted(cache.DeletedObject[*corev1.ConfigMap]{OptionalObj: stale}), "kitchen/brown", ideaOwner)
	check(t, "deleted: a ConfigMap without an owner", deleted(cache.DeletedObject[*corev1.ConfigMap]{OptionalObj: child("brown")}), "no key", ideaController)
}
