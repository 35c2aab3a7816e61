package apply

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	clienttesting "k8s.io/client-go/testing"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaAlone = "--- separates documents only at the beginning of a line, with nothing but a comment behind it: take the reader, which knows that"
	ideaEmpty = "a document with nothing but a comment is no object: files have them at the top, at the end, and where something was taken out"
	ideaScope = "the mapping's Scope decides: a cluster-scoped resource has no namespace in its URL, and a namespaced one always has"
	ideaOrder = "what others need comes first, namespaces, then CRDs: without its namespace, or its CRD, an object is refused"
)

// Two documents.
const (
	configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	secret    = "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n"
)

func TestStep1Read(t *testing.T) {
	for _, c := range []struct{ file, want, idea string }{
		{configMap + "---\n" + secret, "ConfigMap/a Secret/b", "--- begins the next document"},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  tls.crt: |\n    -----BEGIN CERTIFICATE-----\n    dGVh\n    -----END CERTIFICATE-----\n", "Secret/a", ideaAlone},
		{configMap + "--- # the next\n" + secret, "ConfigMap/a Secret/b", ideaAlone},
		{"---\n" + configMap + "---\n", "ConfigMap/a", ideaEmpty},
		{"# all about tea\n---\n" + configMap + "---\n# gone\n---\n" + secret, "ConfigMap/a Secret/b", ideaEmpty},
		{"", "", "a file with nothing in it is no error"},
		{`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}`, "ConfigMap/a", "JSON is YAML, too"},
		{configMap + "---\nkind: [\n", "an error", "a part of a file is worse than nothing: what cannot be read is an error"},
	} {
		objects, err := read(strings.NewReader(c.file))
		got, seen := names(objects), fmt.Sprintf("%q", names(objects))
		if err != nil {
			got, seen = "an error", fmt.Sprintf("the error %q", err)
		}
		if errors.Is(err, io.EOF) {
			c.idea = "io.EOF says that the file has come to its end: that is no error"
		}
		if got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("%s, of the file:\n%s", seen, c.file), fmt.Sprintf("%q", c.want), c.idea)
		}
	}
	if objects, err := read(strings.NewReader("metadata: {name: a}\n")); err == nil && len(objects) == 0 {
		labtest.Unexpected(t, "no object and no error, of the file: metadata: {name: a}", "the object, which the mapper will refuse, or an error",
			"only a document with nothing in it may be left out: whoever forgot the kind must be told")
	}
	broken := io.MultiReader(strings.NewReader(configMap+"---\n"), iotest.ErrReader(errors.New("connection lost")))
	if objects, err := read(broken); err == nil {
		labtest.Unexpected(t, fmt.Sprintf("%q, and no error, of a file that breaks off after its first document", names(objects)), "the error of the file",
			"only io.EOF is the end of the file: after any other error nobody knows what else stands in it")
	}
	objects, err := read(strings.NewReader("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 3}\n"))
	if err != nil || len(objects) != 1 {
		t.Fatal(objects, err)
	}
	if replicas, found, err := unstructured.NestedInt64(objects[0].Object, "spec", "replicas"); replicas != 3 || !found || err != nil {
		labtest.Unexpected(t, fmt.Sprintf("replicas: 3 is read as %d, found %v, error: %v", replicas, found, err), "3",
			"the Nested... helpers want int64, and Go's own JSON decoder makes float64: decode with yaml.Unmarshal of k8s.io/apimachinery/pkg/util/yaml, not with its Decoder, into a map[string]any")
	}
}

func names(objects []*unstructured.Unstructured) string {
	var all []string
	for _, o := range objects {
		name := o.GetKind() + "/" + o.GetName()
		if name == "/" {
			name = "(an empty object)"
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

// server notes what is applied, and where. When somebody applies a definition, it serves what is defined.
type server struct {
	applied   []string
	discovery *fakediscovery.FakeDiscovery
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPatch || r.Header.Get("Content-Type") != "application/apply-patch+yaml" {
		labtest.SendError(w, apierrors.NewMethodNotSupported(schema.GroupResource{}, r.Method))
		return
	}
	s.applied = append(s.applied, r.URL.Path)
	if strings.Contains(r.URL.Path, "/customresourcedefinitions/") {
		s.discovery.Resources = append(s.discovery.Resources, &metav1.APIResourceList{GroupVersion: "tea.example.com/v1",
			APIResources: []metav1.APIResource{{Name: "kettles", SingularName: "kettle", Kind: "Kettle", Namespaced: true}}})
	}
	labtest.SendJSON(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "any"}})
}

func onFake(t *testing.T) (*server, dynamic.Interface, meta.RESTMapperWithContext) {
	s := &server{discovery: &fakediscovery.FakeDiscovery{Fake: &clienttesting.Fake{Resources: []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "namespaces", SingularName: "namespace", Kind: "Namespace"},
			{Name: "configmaps", SingularName: "configmap", Kind: "ConfigMap", Namespaced: true},
		}},
		{GroupVersion: "apiextensions.k8s.io/v1", APIResources: []metav1.APIResource{
			{Name: "customresourcedefinitions", SingularName: "customresourcedefinition", Kind: "CustomResourceDefinition"},
		}},
	}}}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	client, mapper := clients(t, &rest.Config{Host: srv.URL}, s.discovery)
	return s, client, mapper
}

func clients(t *testing.T, config *rest.Config, d discovery.DiscoveryInterfaceWithContext) (dynamic.Interface, meta.RESTMapperWithContext) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client, restmapper.NewDeferredDiscoveryRESTMapperWithContext(memory.NewMemCacheClientWithContext(d))
}

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func TestStep2At(t *testing.T) {
	for _, c := range []struct {
		object     *unstructured.Unstructured
		want, idea string
	}{
		{object("v1", "ConfigMap", "", "a"), "/api/v1/namespaces/tea/configmaps/a", ideaScope},
		{object("v1", "ConfigMap", "kitchen", "a"), "/api/v1/namespaces/kitchen/configmaps/a", "what the object says wins: the given namespace is for those that say nothing"},
		{object("v1", "Namespace", "", "garden"), "/api/v1/namespaces/garden", ideaScope},
		{object("v1", "Namespace", "kitchen", "garden"), "/api/v1/namespaces/garden", ideaScope + ", whatever the object says"},
		{object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "kettles.tea.example.com"),
			"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kettles.tea.example.com", ideaScope},
	} {
		s, client, mapper := onFake(t)
		kind := c.object.GroupVersionKind()
		mapping, err := mapper.RESTMappingWithContext(t.Context(), kind.GroupKind(), kind.Version)
		if err != nil {
			t.Fatal(err)
		}
		_, err = at(client, mapping, "tea", c.object).Apply(t.Context(), c.object.GetName(), c.object, metav1.ApplyOptions{FieldManager: "exercise"})
		if got := strings.Join(s.applied, ", "); err != nil || got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("%s, error: %v", got, err), c.want, c.idea)
		}
	}
}

func TestStep3InOrder(t *testing.T) {
	objects := []*unstructured.Unstructured{
		object("tea.example.com/v1", "Kettle", "", "z"),
		object("v1", "ConfigMap", "", "b"),
		object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "kettles"),
		object("v1", "Namespace", "", "garden"),
		object("v1", "ConfigMap", "", "a"),
		object("project.example.com/v1", "Namespace", "", "alike"),
		object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "cups"),
	}
	for i := range 10 { // with a dozen objects or fewer, a sort that is not stable may look as if it were
		objects = append(objects, object("v1", "ConfigMap", "", fmt.Sprint(i)))
	}
	got := names(inOrder(slices.Clone(objects)))
	want := "Namespace/garden CustomResourceDefinition/kettles CustomResourceDefinition/cups Kettle/z ConfigMap/b ConfigMap/a Namespace/alike"
	for i := range 10 {
		want += fmt.Sprintf(" ConfigMap/%d", i)
	}
	if got != want {
		idea := ideaOrder
		switch {
		case strings.HasPrefix(got, "Namespace/garden Namespace/alike"):
			idea = "a kind is a group and a name: other groups may have a kind Namespace, too"
		case strings.HasPrefix(got, "Namespace/garden CustomResourceDefinition/"):
			idea = "the others stay as the file has them: whoever wrote it may have had a reason; only a stable sort keeps equals in their order"
		}
		labtest.Unexpected(t, got, want, idea)
	}
}

// tea is a file in which everything comes before what it needs.
const tea = `# tea
---
apiVersion: tea.example.com/v1
kind: Kettle
metadata: {name: blue}
spec: {cups: 3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: recipe, namespace: GARDEN}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: kettles.tea.example.com, OWNER}
spec:
  group: tea.example.com
  names: {plural: kettles, singular: kettle, kind: Kettle}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: v1
kind: Namespace
metadata: {name: GARDEN, OWNER}
`

func TestStep3Apply(t *testing.T) {
	s, client, mapper := onFake(t)
	err := Apply(t.Context(), client, mapper, "tea", strings.NewReader(strings.NewReplacer("GARDEN", "garden", "OWNER", "labels: {for: tea}").Replace(tea)))
	want := []string{
		"/api/v1/namespaces/garden",
		"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kettles.tea.example.com",
		"/apis/tea.example.com/v1/namespaces/tea/kettles/blue",
		"/api/v1/namespaces/garden/configmaps/recipe",
	}
	if err != nil || !slices.Equal(s.applied, want) {
		labtest.Unexpected(t, fmt.Sprintf("applied: %s; error: %v", strings.Join(s.applied, ", "), err), strings.Join(want, ", "), ideaOrder)
	}
}

// ownedBy makes the garbage collector remove what has no namespace, as soon as the namespace of the test is gone.
func ownedBy(t *testing.T, core rest.Interface, namespace string) string {
	owner := &corev1.Namespace{}
	if err := core.Get().Resource("namespaces").Name(namespace).Do(t.Context()).Into(owner); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("ownerReferences: [{apiVersion: v1, kind: Namespace, name: %s, uid: %s}]", owner.Name, owner.UID)
}

// The same on a real API server, which takes a moment until it serves what was defined.
func TestStep3RealServer(t *testing.T) {
	config := labtest.Cluster(t)
	core := labtest.CoreClient(t, config)
	namespace := labtest.Namespace(t, core)
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	client, mapper := clients(t, config, d)
	garden, group := namespace+"-garden", namespace+".example.com" // names of this test alone
	file := strings.NewReplacer("GARDEN", garden, "OWNER", ownedBy(t, core, namespace), "tea.example.com", group).Replace(tea)
	err = Apply(t.Context(), client, mapper, namespace, strings.NewReader(file))
	if err != nil {
		labtest.Unexpected(t, fmt.Sprintf("error: %v", err), "everything is applied", ideaOrder)
	}
	for _, c := range []struct {
		resource        schema.GroupVersionResource
		namespace, name string
	}{
		{schema.GroupVersionResource{Group: group, Version: "v1", Resource: "kettles"}, namespace, "blue"},
		{schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, garden, "recipe"},
	} {
		if _, err := client.Resource(c.resource).Namespace(c.namespace).Get(t.Context(), c.name, metav1.GetOptions{}); err != nil {
			labtest.Unexpected(t, fmt.Sprintf("error: %v", err), c.resource.Resource+" "+c.name+" in "+c.namespace, ideaScope)
		}
	}
}
