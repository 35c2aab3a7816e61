package foreign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes/fake"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaUnseen = "not in the cache does not mean not on the server: the cache is late, and apply with Force takes over what it finds. " +
		"With a resourceVersion that no object has, the server itself refuses with a conflict if there is one after all"
	ideaCreate = "apply creates what is not there; the resourceVersion \"1\" does not keep it from that"
	ideaName   = "a name is no ownership: who made an object, and has no reason to know of you, loses it to you"
	ideaUID    = "names are used again: a recipe that was deleted and made anew has the same name, and another UID. What an earlier one had, the garbage collector is about to delete"
	ideaSilent = "what is as it should be needs no request: ExtractConfigMap says what you have applied, with today's values. (Compare before you add a precondition: it is never in what was applied)"
	ideaDrift  = "a field that somebody else wrote is not in what you applied any more: that is how you find it"
	ideaPage   = "step 4: the server refused, for your precondition is not met by the page that is in the cache: it is the UID of that one, `current`, and not the recipe's"
	ideaOthers = "compare what you have applied, not the whole object: others may add what they like"
	ideaSame   = "between the cache and your request, the object was deleted, and somebody else made one of this name. With its UID in the request, the server refuses"
	ideaTooOld = "the object is still yours; somebody has only put a label on it. The UID says which object you mean; a resourceVersion says which version, and that is more than you have to know"
)

// world is a namespace of an API server, a Keeper for it, and a cache that is as old as the test wants.
type world struct {
	*Keeper
	server   coreclient.ConfigMapInterface
	store    cache.Indexer
	requests int // of the Keeper
}

func (w *world) Apply(ctx context.Context, c *accore.ConfigMapApplyConfiguration, opts metav1.ApplyOptions) (*corev1.ConfigMap, error) {
	w.requests++
	return w.server.Apply(ctx, c, opts)
}

func newWorld(server coreclient.ConfigMapInterface, namespace string) *world {
	w := &world{server: server, store: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
	w.Keeper = &Keeper{API: w, Cache: corelisters.NewConfigMapLister(w.store).ConfigMaps(namespace)}
	return w
}

// taught is the fake API server, and what it does not do by itself: UIDs, resourceVersions, and its no to an apply whose
// UID or resourceVersion is not the object's. That this is how the real one does it, the tests on the cluster show.
func taught(t *testing.T) *world {
	t.Helper()
	client := fake.NewClientset()
	version := 100
	next := func() string { version++; return strconv.Itoa(version) }
	client.PrependReactor("*", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if write, ok := action.(clienttesting.CreateAction); ok { // and the update, which has the same methods
			object := write.GetObject().(*corev1.ConfigMap)
			object.ResourceVersion = next()
			if action.GetVerb() == "create" {
				object.UID = types.UID("uid-" + object.ResourceVersion)
			}
		}
		patch, ok := action.(clienttesting.PatchActionImpl)
		if !ok || patch.PatchType != types.ApplyPatchType {
			return false, nil, nil
		}
		sent := &unstructured.Unstructured{}
		if err := json.Unmarshal(patch.Patch, &sent.Object); err != nil {
			return true, nil, err
		}
		uid := types.UID("uid-" + next())
		live, err := client.Tracker().Get(action.GetResource(), action.GetNamespace(), patch.Name)
		if err == nil {
			uid = live.(*corev1.ConfigMap).UID
		}
		there := err == nil
		version, wrong := sent.GetResourceVersion(), sent.GetUID() != "" && sent.GetUID() != uid
		switch {
		case there && wrong:
			return true, nil, apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("ConfigMap").GroupKind(), patch.Name,
				field.ErrorList{field.Invalid(field.NewPath("metadata", "uid"), sent.GetUID(), "field is immutable")})
		case wrong, there && version != "" && version != live.(*corev1.ConfigMap).ResourceVersion:
			return true, nil, apierrors.NewConflict(action.GetResource().GroupResource(), patch.Name, errors.New("the object has been modified"))
		}
		sent.SetUID(uid)
		sent.SetResourceVersion(next())
		if err := client.Tracker().Apply(action.GetResource(), sent, action.GetNamespace(), patch.PatchOptions); err != nil {
			return true, nil, err
		}
		live, err = client.Tracker().Get(action.GetResource(), action.GetNamespace(), patch.Name)
		return true, live, err
	})
	return newWorld(client.CoreV1().ConfigMaps("kitchen"), "kitchen")
}

// realServer is a namespace of the real API server.
func realServer(t *testing.T) *world {
	t.Helper()
	client, err := coreclient.NewForConfig(labtest.Cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	namespace := labtest.Namespace(t, client.RESTClient())
	return newWorld(client.ConfigMaps(namespace), namespace)
}

func (w *world) create(t *testing.T, name string, data map[string]string, owner *corev1.ConfigMap) *corev1.ConfigMap {
	t.Helper()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data}
	if owner != nil {
		object.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
	}
	created, err := w.server.Create(t.Context(), object, metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	return created
}

func (w *world) recipe(t *testing.T) *corev1.ConfigMap {
	t.Helper()
	return w.create(t, "tea", map[string]string{"what": "tea"}, nil)
}

func (w *world) delete(t *testing.T, name string) {
	t.Helper()
	if err := w.server.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) page(t *testing.T) *corev1.ConfigMap {
	t.Helper()
	page, err := w.server.Get(t.Context(), "tea-page", metav1.GetOptions{})
	if err != nil {
		labtest.Unexpected(t, fmt.Sprintf("get the page: %v", err), "it is there", ideaCreate)
	}
	return page
}

// update lets somebody else write the page.
func (w *world) update(t *testing.T, change func(*corev1.ConfigMap)) {
	t.Helper()
	page := w.page(t)
	change(page)
	if _, err := w.server.Update(t.Context(), page, metav1.UpdateOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
}

// hears gives the cache the page as it is now.
func (w *world) hears(t *testing.T) *corev1.ConfigMap {
	t.Helper()
	page := w.page(t)
	if err := w.store.Update(page); err != nil {
		t.Fatal(err)
	}
	return page
}

// keeps calls Keep and compares: the error (for which is must be true, or none), how many requests it sends, and the data then.
func (w *world) keeps(t *testing.T, when string, recipe *corev1.ConfigMap, expected string, is func(error) bool, requests int, data, idea string) {
	t.Helper()
	before := w.requests
	err := w.Keep(t.Context(), recipe)
	sent, got := w.requests-before, fmt.Sprint(w.page(t).Data)
	if idea == ideaDrift && apierrors.IsConflict(err) { // the cache is not late here
		idea = ideaPage
	}
	if sent != requests || got != data || !is(err) {
		labtest.Unexpected(t, fmt.Sprintf("%s: Keep sends %d requests, error: %v; the page is %s then", when, sent, err, got),
			fmt.Sprintf("%d requests, error: %s; %s", requests, expected, data), idea)
	}
}

func none(err error) bool    { return err == nil }
func notOurs(err error) bool { return errors.Is(err, ErrNotOurs) }

const (
	ours      = "map[page:How to make tea]"
	theirs    = "map[page:a diary]"
	aConflict = "one for which apierrors.IsConflict is true"
)

var diary = map[string]string{"page": "a diary"}

func unseen(t *testing.T, w *world) {
	recipe := w.recipe(t)
	w.keeps(t, "there is no page", recipe, "<nil>", none, 1, ours, ideaCreate)
	if owner := metav1.GetControllerOf(w.page(t)); owner == nil || owner.UID != recipe.UID {
		t.Fatalf("the page's owner: %v", owner)
	}
	w.delete(t, "tea-page")
	w.create(t, "tea-page", diary, nil)
	w.keeps(t, "somebody has a page of this name, and the cache has not heard of it", recipe, aConflict, apierrors.IsConflict, 1, theirs, ideaUnseen)
}

func TestStep1Unseen(t *testing.T)           { unseen(t, taught(t)) }
func TestStep1UnseenRealServer(t *testing.T) { unseen(t, realServer(t)) }

func owned(t *testing.T, w *world) {
	recipe := w.recipe(t)
	w.create(t, "tea-page", diary, nil)
	w.hears(t)
	w.keeps(t, "a page of this name is there that has no owner", recipe, ErrNotOurs.Error(), notOurs, 0, theirs, ideaName)
	w.delete(t, "tea-page")
	w.create(t, "tea-page", diary, w.create(t, "album", nil, nil))
	w.hears(t)
	w.keeps(t, "a page of this name is there whose controller is another ConfigMap", recipe, ErrNotOurs.Error(), notOurs, 0, theirs, ideaName)
	page := w.page(t)
	page.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "tea", UID: "uid-of-yesterday"}}, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
	if err := w.store.Update(page); err != nil { // only there: the real garbage collector would be quicker than this test
		t.Fatal(err)
	}
	w.keeps(t, "in the cache is a page of an earlier recipe \"tea\", with another UID", recipe, ErrNotOurs.Error(), notOurs, 0, theirs, ideaUID)
}

func TestStep2Owner(t *testing.T)           { owned(t, taught(t)) }
func TestStep2OwnerRealServer(t *testing.T) { owned(t, realServer(t)) }

func silent(t *testing.T, w *world) {
	recipe := w.recipe(t)
	w.keeps(t, "there is no page", recipe, "<nil>", none, 1, ours, ideaCreate)
	w.hears(t)
	w.keeps(t, "the page is as it should be", recipe, "<nil>", none, 0, ours, ideaSilent)
	w.update(t, func(page *corev1.ConfigMap) { page.Data["note"] = "not too hot" })
	w.hears(t)
	w.keeps(t, "somebody has added a note", recipe, "<nil>", none, 0, "map[note:not too hot page:How to make tea]", ideaOthers)
	w.update(t, func(page *corev1.ConfigMap) { page.Data["page"] = "How to make coffee" })
	w.hears(t)
	w.keeps(t, "somebody has changed our text", recipe, "<nil>", none, 1, "map[note:not too hot page:How to make tea]", ideaDrift)
}

func TestStep3Silent(t *testing.T)           { silent(t, taught(t)) }
func TestStep3SilentRealServer(t *testing.T) { silent(t, realServer(t)) }

func anew(t *testing.T, w *world) {
	recipe := w.recipe(t)
	w.keeps(t, "there is no page", recipe, "<nil>", none, 1, ours, ideaCreate)
	w.hears(t)
	w.update(t, func(page *corev1.ConfigMap) { page.Labels = map[string]string{"nice": "yes"} })
	recipe.Data["what"] = "green tea"
	w.keeps(t, "the recipe has changed, and somebody has put a label on the page, of which the cache has not heard", recipe, "<nil>", none, 1, "map[page:How to make green tea]", ideaTooOld)
	w.hears(t)
	w.delete(t, "tea-page")
	w.create(t, "tea-page", diary, nil)
	recipe.Data["what"] = "black tea"
	w.keeps(t, "the recipe has changed, and our page is gone; somebody else has made one of this name, of which the cache has not heard", recipe, aConflict, apierrors.IsConflict, 1, theirs, ideaSame)
}

func TestStep4Anew(t *testing.T)           { anew(t, taught(t)) }
func TestStep4AnewRealServer(t *testing.T) { anew(t, realServer(t)) }
