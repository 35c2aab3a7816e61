package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
)

func TestMain(m *testing.M) { chaptertest.Main(m, main) }

// program is this chapter under test.
var program = chaptertest.Program{Chapter: contents(), Expected: expected}

// writing are the steps that write when they get no arguments.
var writing = []string{"crud", "apply", "mapper", "convert", "crd", "metadata", "columns", "watch"}

func TestConnectErrors(t *testing.T) { program.ConnectErrors(t, "list", "crud") }
func TestGuard(t *testing.T)         { program.Guard(t, writing...) }
func TestAll(t *testing.T)           { program.All(t) }

// object makes an object of a kind and a name, in the namespace default.
func object(apiVersion, kind, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace("default")
	o.SetName(name)
	return o
}

func TestStepsOnFakes(t *testing.T) {
	for name, step := range map[string]func(context.Context, *fakeCluster, *bytes.Buffer) error{
		"list": func(ctx context.Context, c *fakeCluster, out *bytes.Buffer) error {
			return listAny(ctx, c, c.mapper, "pods", "default", out)
		},
		"crud": func(ctx context.Context, c *fakeCluster, out *bytes.Buffer) error {
			return crud(ctx, c, labNamespace, out)
		},
		"apply": func(ctx context.Context, c *fakeCluster, out *bytes.Buffer) error {
			return applyExample(ctx, c, c.mapper, labNamespace, out)
		},
		"mapper": func(ctx context.Context, c *fakeCluster, out *bytes.Buffer) error {
			return mapping(ctx, c, c.mapper, out)
		},
		"convert": func(ctx context.Context, c *fakeCluster, out *bytes.Buffer) error {
			return convert(ctx, c, labNamespace, out)
		},
		"crd": func(ctx context.Context, c *fakeCluster, out *bytes.Buffer) error {
			return define(ctx, c, labNamespace, out)
		},
		"metadata": func(ctx context.Context, _ *fakeCluster, out *bytes.Buffer) error {
			return metadataOnly(ctx, &rest.Config{Host: serveConfigMaps(t), QPS: -1}, labNamespace, out)
		},
		"columns": func(ctx context.Context, c *fakeCluster, out *bytes.Buffer) error {
			return columnsExample(ctx, c, c.mapper, &rest.Config{Host: serveTable(t)}, labNamespace, out)
		},
		"watch": func(ctx context.Context, c *fakeCluster, out *bytes.Buffer) error {
			return watchExample(ctx, c, labNamespace, out)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var pods []runtime.Object
			for _, pod := range []string{"cassandra-k9x2p", "liveness-exec", "mysql-hpn6w", "myweb-vvj29", "myweb-wjxb5", "nginx-pod-node1"} {
				pods = append(pods, object("v1", "Pod", pod))
			}
			var out bytes.Buffer
			require.NoError(t, step(t.Context(), newFakeCluster(pods...), &out))
			program.RequireOutput(t, name, out.String())
		})
	}
}

// serveConfigMaps is a server that keeps nothing, and lists what the step has created: in full, or the metadata.
func serveConfigMaps(t *testing.T) string {
	server := httptest.NewServer(configMapServer(many, dataBytes))
	t.Cleanup(server.Close)
	return server.URL
}

// configMapServer lists ConfigMaps as a real server does: objects as JSON, metadata as protobuf if the client takes it.
func configMapServer(count, size int) http.HandlerFunc {
	full := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMapList", "metadata": map[string]any{"resourceVersion": "1"}}}
	partial := &metav1.PartialObjectMetadataList{}
	for i := range count {
		o := object("v1", "ConfigMap", fmt.Sprintf("page-%02d", i+1))
		o.SetLabels(map[string]string{labLabel: "03"})
		o.SetUID("0b6f4a1e-3c58-4c0e-9d0f-5f2d8a7c1b22")
		o.SetResourceVersion("4711")
		o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "chapter-03", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1",
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:text":{}},"f:metadata":{"f:labels":{".":{},"f:client-go-lab/chapter":{}}}}`)}})
		o.Object["data"] = map[string]any{"text": strings.Repeat("tea ", size/4)}
		full.Items = append(full.Items, *o)
		var only metav1.PartialObjectMetadata
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"metadata": o.Object["metadata"]}, &only); err != nil {
			panic(err)
		}
		partial.Items = append(partial.Items, only)
	}
	fullJSON, err := full.MarshalJSON()
	if err != nil {
		panic(err)
	}
	partial.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadataList"))
	var partialProtobuf bytes.Buffer
	if err := protobuf.NewSerializer(nil, nil).Encode(partial, &partialProtobuf); err != nil {
		panic(err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		accept := r.Header.Get("Accept")
		switch {
		case r.Method == http.MethodPost:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`))
		case strings.Contains(accept, "as=PartialObjectMetadataList") && strings.Contains(accept, "protobuf"):
			w.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
			_, _ = w.Write(partialProtobuf.Bytes())
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(fullJSON)
		}
	}
}

// serveTable answers as the server does for the two CronJobs of the step.
func serveTable(t *testing.T) string {
	names := []string{"Name", "Schedule", "Timezone", "Suspend", "Active", "Last Schedule", "Age", "Containers"}
	table := metav1.Table{TypeMeta: metav1.TypeMeta{Kind: "Table", APIVersion: "meta.k8s.io/v1"}}
	for i, name := range names {
		table.ColumnDefinitions = append(table.ColumnDefinitions, metav1.TableColumnDefinition{Name: name, Priority: int32(i / 7)})
	}
	table.Rows = []metav1.TableRow{
		{Cells: []any{"kettle", "0 4 * * *", "<none>", "True", 0, "<none>", "1s", "water"}},
		{Cells: []any{"toaster", "0 4 * * *", "UTC", "True", 0, "<none>", "1s", "bread,heat"}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/apis/batch/v1/namespaces/"+labNamespace+"/cronjobs", r.URL.Path)
		assert.Equal(t, labLabel+"=03", r.URL.Query().Get("labelSelector"))
		assert.Contains(t, r.Header.Get("Accept"), "as=Table")
		w.Header().Set("Content-Type", "application/json")
		assert.NoError(t, json.NewEncoder(w).Encode(table))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestResolve(t *testing.T) {
	c := newFakeCluster()
	for typed, want := range map[string]string{
		"pods": "v1/pods", "po": "v1/pods", "pod": "v1/pods", "Pod": "v1/pods",
		"deploy": "apps/v1/deployments", "deployments.apps": "apps/v1/deployments", "deploy.apps": "apps/v1/deployments",
		"deployments.v1.apps":                     "apps/v1/deployments",
		"horizontalpodautoscalers.v1.autoscaling": "autoscaling/v1/horizontalpodautoscalers",
		"hpa.autoscaling":                         "autoscaling/v2/horizontalpodautoscalers",
		"hpa.v1.autoscaling":                      "autoscaling/v2/horizontalpodautoscalers", // expanding a short name loses the version
		"events":                                  "v1/events", "events.events.k8s.io": "events.k8s.io/v1/events",
		"customresourcedefinitions.apiextensions.k8s.io": "apiextensions.k8s.io/v1/customresourcedefinitions",
	} {
		found, err := resolve(t.Context(), c.mapper, typed)
		if assert.NoError(t, err, typed) {
			assert.Equal(t, want, path(found.Resource), typed)
		}
	}
	for _, typed := range []string{"kettles", "pods.apps", "deployments.v7.apps"} {
		_, err := resolve(t.Context(), c.mapper, typed)
		assert.ErrorContains(t, err, fmt.Sprintf("this server has no resource %q", typed))
	}
	_, err := resolve(t.Context(), halfDeaf{c.mapper}, "deployments.v1.apps")
	assert.ErrorContains(t, err, "connection refused", "no answer is no no, also if the other reading has no match")
}

// halfDeaf is a mapper that gets no answer when somebody asks for a version.
type halfDeaf struct{ meta.RESTMapperWithContext }

func (h halfDeaf) KindForWithContext(ctx context.Context, resource schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	if resource.Version != "" {
		return schema.GroupVersionKind{}, errors.New("connection refused")
	}
	return h.RESTMapperWithContext.KindForWithContext(ctx, resource)
}

// A resource without namespaces is asked for without one, whatever -n says.
func TestListScope(t *testing.T) {
	c := newFakeCluster(object("v1", "Pod", "tea"))
	var out bytes.Buffer
	require.NoError(t, listAny(t.Context(), c, c.mapper, "ns", "default", &out))
	require.NoError(t, listAny(t.Context(), c, c.mapper, "po", "kitchen", &out))
	assert.Equal(t, "ns: v1/namespaces, kind Namespace, in the whole cluster\npo: v1/pods, kind Pod, in the namespace kitchen\n", out.String())
	assert.Equal(t, "", c.Actions()[0].GetNamespace())
	assert.Equal(t, "kitchen", c.Actions()[1].GetNamespace())
}

func asJSON(name string) string {
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": %q}}`, name)
}

func TestReadManifests(t *testing.T) {
	const a, b = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n"
	list := "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n"
	for name, c := range map[string]struct{ file, want string }{
		"nothing":               {"", ""},
		"only comments":         {"# a\n---\n# b\n", ""},
		"one":                   {a, "1 ConfigMap a"},
		"two":                   {a + "---\n" + b, "1 ConfigMap a, 2 Secret b"},
		"no newline at the end": {a + "---\n" + strings.TrimSpace(b), "1 ConfigMap a, 2 Secret b"},
		"empty ones":            {"---\n---\n" + a + "---\n\n---\n---\n" + b + "---\n", "2 ConfigMap a, 4 Secret b"},
		"Windows":               {strings.ReplaceAll(a+"---\n"+b, "\n", "\r\n"), "1 ConfigMap a, 2 Secret b"},
		"a comment behind ---":  {a + "--- # next\n" + b, "1 ConfigMap a, 2 Secret b"},
		"null":                  {"null\n---\n" + a, "2 ConfigMap a"},
		"JSON":                  {`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}`, "1 ConfigMap a"},
		"JSON, twice":           {"---\n# two {}\n" + asJSON("a") + "\n" + asJSON("b") + "\n# no more\n---\n" + asJSON("c") + asJSON("d"), "1 Secret a, 1 Secret b, 2 Secret c, 2 Secret d"},
		"quoted keys":           {"\"apiVersion\": v1\n\"kind\": Secret\nmetadata: {name: b}\n", "1 Secret b"},
		"a List":                {list + "---\n" + a, "1 ConfigMap a, 1 Secret b, 2 ConfigMap a"},
		"an empty List":         {"apiVersion: v1\nkind: List\nitems: []\n", ""},
		"a List in a List":      {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Secret, metadata: {name: b}}\n", "1 Secret b"},
		"... at the end":        {a + "...\n# no more\n---\n" + b + "...\n", "1 ConfigMap a, 2 Secret b"},
		"--- in a string":       {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    ---\n    y\n", "1 ConfigMap a"},
	} {
		manifests, err := readManifests(strings.NewReader(c.file))
		if !assert.NoError(t, err, name) {
			continue
		}
		var got []string
		for _, m := range manifests {
			got = append(got, fmt.Sprintf("%d %s %s", m.document, m.GetKind(), m.GetName()))
		}
		assert.Equal(t, c.want, strings.Join(got, ", "), name)
	}
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"two that are not good":    {"kind: a\n---\n" + a + "---\n{\n", []string{"document 1: it has no apiVersion or no kind", "document 3: error converting YAML"}},
		"a merged key, overridden": {"apiVersion: v1\nkind: Secret\nmetadata:\n  name: b\n  labels: &l {tier: a}\n  annotations: {<<: *l, tier: b}\n", []string{"document 1: ", `"tier" already set`}},
		"a key twice":              {a + "---\n" + b + "kind: ConfigMap\n", []string{"document 2: ", `"kind" already set`}},
		"a string":                 {"tea\n", []string{"document 1: it is no object, but a string"}},
		"a list":                   {a + "---\n- a\n", []string{"document 2: it is no object, but a list"}},
		"a number":                 {"7\n", []string{"document 1: it is no object, but a number"}},
		"no name":                  {a + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n", []string{"document 2: it has no metadata.name (apply must know what to change; generateName is for create)"}},
		"an item":                  {"apiVersion: v1\nkind: List\nitems: [{metadata: {name: x}}]\n", []string{"document 1, item 1: it has no apiVersion or no kind"}},
		"items": {"apiVersion: v1\nkind: List\nitems:\n- tea\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n- {apiVersion: v1, kind: Secret}\n" +
			"- {apiVersion: v1, kind: List, items: [null, {kind: Secret}]}\n",
			[]string{"document 1, item 1: it is no object, but a string\n", "document 1, item 3: it has no metadata.name", "document 1, item 4, item 1: it is no object, but null\n",
				"document 1, item 4, item 2: it has no apiVersion or no kind"}},
		"JSON, and more": {asJSON("a") + ",\n" + asJSON("b"), []string{"document 1: error converting YAML"}},
		"JSON, and YAML": {asJSON("a") + "\nkind: ConfigMap\n", []string{"document 1: it has no apiVersion or no kind"}},
		"a name that is a bool": {"apiVersion: v1\nkind: Secret\nmetadata: {name: y}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: 7}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: {}}\n",
			[]string{"document 1: its metadata.name is no string, but a bool (in YAML, 7, y and no need quotes)", "document 2: its metadata.name is no string, but a number", "document 3: its metadata.name is no string, but an object"}},
		"a namespace that is a number":   {"apiVersion: v1\nkind: Secret\nmetadata: {name: b, namespace: 7}\n", []string{"document 1: its metadata.namespace is no string, but a number"}},
		"an apiVersion, a number":        {"apiVersion: 1\nkind: Secret\nmetadata: {name: b}\n", []string{"document 1: its apiVersion is no string, but a number"}},
		"a kind, a bool":                 {"apiVersion: v1\nkind: no\nmetadata: {name: b}\n", []string{"document 1: its kind is no string, but a bool"}},
		"an apiVersion with two slashes": {"apiVersion: a/b/c\nkind: Secret\nmetadata: {name: b}\n", []string{`document 1: its apiVersion "a/b/c" is neither a version nor group/version`}},
		"an object behind ...":           {a + "...\n" + b, []string{"document 1: something follows its first object (put --- between two)"}},
		"a flow behind a flow":           {"{apiVersion: v1}\n{kind: Secret}\n", []string{"document 1: something follows its first object"}},
		"a separator":                    {a + "--- tea\n" + b, []string{"document 1: invalid Yaml document separator: tea"}},
	} {
		manifests, err := readManifests(strings.NewReader(c.file))
		assert.Empty(t, manifests, name)
		for _, want := range c.want {
			assert.ErrorContains(t, err, want, name)
		}
	}
}

// Numbers must come as int64 and float64, as in JSON from a server: an int would make the next deep copy panic.
func TestManifestNumbers(t *testing.T) {
	manifests, err := readManifests(strings.NewReader("apiVersion: v1\nkind: X\nmetadata: {name: x}\nspec: {i: 3, f: 1.5, l: [4]}\n"))
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"i": int64(3), "f": 1.5, "l": []any{int64(4)}}, manifests[0].Object["spec"])
}

// gadgets is a CRD with a version that is served, and one that is not.
const gadgets = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.net}
spec:
  group: example.net
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets, singular: gadget}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
  - {name: v1alpha1, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}
`

func TestApplySendsNothingOfABadFile(t *testing.T) {
	good := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"
	for name, c := range map[string]struct{ file, want string }{
		"YAML":          {good + "{\n", "nothing applied: document 2: "},
		"kind":          {good + "apiVersion: tea/v1\nkind: Samovar\nmetadata: {name: b}\n", "nothing applied: document 2, Samovar b: this server has no kind Samovar in tea/v1"},
		"version":       {good + "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: b}\n", "document 2, Deployment b: this server has no kind Deployment in apps/v1beta1"},
		"kinds, both":   {"apiVersion: tea/v1\nkind: A\nmetadata: {name: a}\n---\napiVersion: tea/v1\nkind: B\nmetadata: {name: b}\n", "no kind B in tea/v1"},
		"another group": {string(example) + "---\napiVersion: x.example.com/v1\nkind: Plate\nmetadata: {name: b}\n", "no kind Plate in x.example.com/v1"},
		"version of its own": {good + gadgets + "---\napiVersion: example.net/v1beta1\nkind: Gadget\nmetadata: {name: b}\n",
			"document 3, Gadget b: this server has no kind Gadget in example.net/v1beta1"},
		"version not served": {good + gadgets + "---\napiVersion: example.net/v1alpha1\nkind: Gadget\nmetadata: {name: b}\n",
			"document 3, Gadget b: this server has no kind Gadget in example.net/v1alpha1"},
		"name":     {good + "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n", "nothing applied: document 2: it has no metadata.name"},
		"nothing":  {"", "nothing applied: no objects in the file"},
		"comments": {"# tea\n---\n# water\n", "nothing applied: no objects in the file"},
	} {
		c2 := newFakeCluster()
		err := apply(t.Context(), c2, c2.mapper, "default", strings.NewReader(c.file), applyOptions{}, &bytes.Buffer{})
		assert.ErrorContains(t, err, c.want, name)
		assert.Empty(t, c2.Actions(), name)
	}
}

func TestApply(t *testing.T) {
	c := newFakeCluster()
	file := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: kitchen, managedFields: [{manager: x}]}\n---\n" +
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: {lumps: 2}\n---\n" +
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\n" +
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: kitchen}\n"
	var out bytes.Buffer
	err := apply(t.Context(), c, c.mapper, "default", strings.NewReader(file), applyOptions{}, &out)
	assert.Equal(t, "namespaces/kitchen applied\nconfigmaps/a applied\nconfigmaps/c applied\n", out.String(), "namespaces first, and on after an error")
	assert.ErrorContains(t, err, "document 2, ConfigMap bad: failed to create typed patch object")
	assert.Equal(t, []string{"a", "c"}, left(t, c, configMaps))
	var where []string
	for _, action := range c.Actions() {
		if patch, ok := action.(clienttesting.PatchAction); ok {
			where = append(where, patch.GetNamespace()+"/"+patch.GetName())
		}
	}
	assert.Equal(t, []string{"/kitchen", "kitchen/a", "default/bad", "default/c"}, where)

	out.Reset()
	require.NoError(t, apply(t.Context(), c, c.mapper, "default", strings.NewReader(strings.ReplaceAll(file, "lumps: 2", "")), applyOptions{dryRun: true}, &out))
	assert.Equal(t, 4, strings.Count(out.String(), "applied (server dry run)"), out.String())
	assert.Equal(t, []string{"a", "c"}, left(t, c, configMaps), "a dry run stores nothing")
}

func TestApplyConflict(t *testing.T) {
	c := newFakeCluster()
	c.PrependReactor("patch", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict}}, `Apply failed with 1 conflict: conflict with "cook": .data.salt`)
	})
	err := apply(t.Context(), c, c.mapper, "default", strings.NewReader("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"), applyOptions{}, &bytes.Buffer{})
	assert.ErrorContains(t, err, `document 1, ConfigMap a: Apply failed with 1 conflict: conflict with "cook": .data.salt (take the field out of the file, let its owner change it, or take it over with -force-conflicts)`)
}

// -force-conflicts goes to the server; without the flag nothing is forced.
func TestApplyForce(t *testing.T) {
	for _, force := range []bool{false, true} {
		c := newFakeCluster()
		require.NoError(t, apply(t.Context(), c, c.mapper, "default", strings.NewReader("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
			applyOptions{force: force}, &bytes.Buffer{}))
		patch := c.Actions()[0].(clienttesting.PatchActionImpl)
		assert.Equal(t, force, *patch.PatchOptions.Force)
	}
}

// Ctrl-C between two objects is no success.
func TestApplyInterrupted(t *testing.T) {
	c := newFakeCluster()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &chaptertest.CancelAt{Word: "configmaps/a applied", Cancel: cancel}
	file := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"
	assert.ErrorIs(t, apply(ctx, c, c.mapper, "default", strings.NewReader(file), applyOptions{}, out), context.Canceled)
	assert.Equal(t, []string{"a"}, left(t, c, configMaps))
}

// A dry run does not make the namespaces of the file, so it cannot check what goes into them.
func TestDryRunWithoutNamespace(t *testing.T) {
	c := newFakeCluster()
	file := "apiVersion: v1\nkind: Namespace\nmetadata: {name: fresh}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: old}\n"
	for _, namespace := range []string{"fresh", "old"} {
		file += "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: there, namespace: " + namespace + "}\n"
	}
	file += "---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high, namespace: fresh}\nvalue: 1\n" // has none
	old := object("v1", "Namespace", "old")
	old.SetNamespace("")
	require.NoError(t, c.Tracker().Add(old))
	var out bytes.Buffer
	require.NoError(t, apply(t.Context(), c, c.mapper, "default", strings.NewReader(file), applyOptions{dryRun: true}, &out))
	assert.Equal(t, "namespaces/fresh applied (server dry run)\nnamespaces/old applied (server dry run)\n"+
		"configmap/there not checked: a dry run does not make its namespace\nconfigmaps/there applied (server dry run)\n"+
		"priorityclasses.scheduling.k8s.io/high applied (server dry run)\n", out.String())
}

// A server that lists a new version of a CRD a little later is waited for, also if it has the kind already.
func TestApplyNewVersion(t *testing.T) {
	c := newFakeCluster()
	ctx := t.Context()
	require.NoError(t, apply(ctx, c, c.mapper, "default", strings.NewReader(gadgets), applyOptions{}, &bytes.Buffer{}))
	c.disco.late = 5
	file := strings.ReplaceAll(gadgets, "served: false", "served: true") + "---\napiVersion: example.net/v1alpha1\nkind: Gadget\nmetadata: {name: b}\n"
	var out bytes.Buffer
	require.NoError(t, apply(ctx, c, c.mapper, "default", strings.NewReader(file), applyOptions{}, &out))
	assert.Equal(t, "customresourcedefinitions.apiextensions.k8s.io/gadgets.example.net applied\ngadgets.example.net/b applied\n", out.String())
}

// Nothing breaks off the read from a terminal, and Ctrl-C must end it all the same.
func TestReadAllInterrupted(t *testing.T) {
	text, err := readAll(t.Context(), strings.NewReader("tea"))
	require.NoError(t, err)
	assert.Equal(t, "tea", string(text))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reader, writer := io.Pipe()
	defer writer.Close()
	_, err = readAll(ctx, reader)
	assert.ErrorIs(t, err, context.Canceled)
}

// A CRD whose objects have finalizers does not go.
func TestRemoveCRDSaysWhy(t *testing.T) {
	crd := newCRD("Cup", map[string]any{"type": "object"})
	client := bareFake(crd)
	client.PrependReactor("delete", "customresourcedefinitions", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	err := removeCRDWithin(t.Context(), client, crd.GetName(), 100*time.Millisecond)
	assert.EqualError(t, err, "the CustomResourceDefinition cups."+group+" is still there after 100ms: do its objects have finalizers?")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, removeCRDWithin(ctx, client, crd.GetName(), time.Minute), context.Canceled)
}

// A CRD that the server has put off removing goes when it is changed.
func TestRemoveCRDTouches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock jumps ahead
		crd := newCRD("Cup", map[string]any{"type": "object"})
		client := bareFake(crd)
		client.PrependReactor("delete", "customresourcedefinitions", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
		client.PrependReactor("patch", "customresourcedefinitions", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, crd, client.Tracker().Delete(crds, "", crd.GetName())
		})
		start := time.Now()
		require.NoError(t, removeCRD(t.Context(), client, crd.GetName()))
		assert.GreaterOrEqual(t, time.Since(start), slowRemoval, "not at once")
	})
}

func TestApplyFlags(t *testing.T) {
	chaptertest.Isolate(t)
	kubeconfig := chaptertest.Kubeconfig(t, "prod", "http://127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "a.yaml")
	require.NoError(t, os.WriteFile(file, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"), 0o600))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"apply", file, "-dry-run=maybe"}, chapter.ExitFailed, `-dry-run is none or server, not "maybe"`},
		{[]string{"apply", "-dry-run=server"}, chapter.ExitFailed, "-dry-run needs a file"},
		{[]string{"apply", "-force-conflicts"}, chapter.ExitFailed, "-force-conflicts needs a file"},
		{[]string{"apply", "-f", "no/such/file"}, chapter.ExitFailed, "read the manifests: open no/such/file: "},
		{[]string{"apply", "-f", "one", "other"}, chapter.ExitFailed, "one file at a time, got one and other"},
		{[]string{"apply", "no/such/file"}, chapter.ExitFailed, "read the manifests: open no/such/file: "},
		{[]string{"apply", file}, chapter.ExitFailed, "-context prod"},
		{[]string{"apply", file, "-dry-run=server"}, chapter.ExitFailed, "-context prod"},
		{[]string{"apply", file, file}, chapter.ExitUsage, "the step apply takes [FILE], got "},
		{[]string{"list", file, "-dry-run=server"}, chapter.ExitUsage, "-dry-run is a flag of the step apply alone"},
	} {
		_, stderr, code := program.Run(t.Context(), append(c.args, "-kubeconfig", kubeconfig)...)
		assert.Equal(t, c.code, code, c.args)
		assert.Contains(t, stderr, c.want)
	}
}

// A CRD whose names are taken never gets established: the message says why.
func TestWaitEstablishedSaysWhy(t *testing.T) {
	crd := newCRD("Cup", map[string]any{"type": "object"})
	crd.Object["status"] = map[string]any{"conditions": nil} // as the server shows it at first
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, waitEstablished(ctx, bareFake(crd), crd.GetName()), context.Canceled)

	err := waitEstablished(t.Context(), bareFake(), "cups."+group)
	assert.ErrorContains(t, err, "wait for the CustomResourceDefinition cups."+group+": ")
	assert.True(t, apierrors.IsNotFound(err), err)
}

// follow lists, then watches, and after a 410 lists again.
func TestFollow(t *testing.T) {
	c := newFakeCluster()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lists := 0
	c.PrependReactor("list", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		lists++
		if lists == 3 {
			cancel() // as Ctrl-C
		}
		list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMapList"}}
		list.SetResourceVersion("10")
		list.Items = append(list.Items, *version("salt", "9"))
		return true, list, nil
	})
	c.PrependWatchReactor("configmaps", func(clienttesting.Action) (bool, watch.Interface, error) {
		stream := watch.NewFakeWithOptions(watch.FakeOptions{ChannelSize: 3})
		stream.Modify(version("salt", "11"))
		stream.Delete(version("salt", "12"))
		stream.Error(&apierrors.NewResourceExpired("too old").ErrStatus)
		return true, stream, nil
	})
	var out bytes.Buffer
	require.NoError(t, follow(ctx, c, c.mapper, "cm", "default", &out))
	line := func(kind string) string {
		return `{"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"salt","namespace":"default","resourceVersion":"` + kind + "\n"
	}
	round := line(`9"}},"type":"ADDED"}`) + line(`11"}},"type":"MODIFIED"}`) + line(`12"}},"type":"DELETED"}`)
	assert.Equal(t, round+round, out.String())
}

// version makes a ConfigMap of a resourceVersion, which fakes do not give.
func version(name, resourceVersion string) *unstructured.Unstructured {
	o := object("v1", "ConfigMap", name)
	o.SetResourceVersion(resourceVersion)
	o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "x"}})
	return o
}

// What is not stored has no resourceVersion from which to watch.
func TestFollowWithoutVersion(t *testing.T) {
	c := newFakeCluster()
	c.PrependReactor("list", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &unstructured.UnstructuredList{Items: []unstructured.Unstructured{*object("v1", "ConfigMap", "tea")}}, nil
	})
	var out bytes.Buffer
	assert.EqualError(t, follow(t.Context(), c, c.mapper, "cm", "default", &out), "v1/configmaps: this resource cannot be watched")
	assert.Empty(t, out.String())
}

// A custom resource has no value for a column: the cell is null in JSON, and blank for the reader.
func TestEmptyCell(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printTable(&metav1.Table{
		ColumnDefinitions: []metav1.TableColumnDefinition{{Name: "Name"}, {Name: "Colour"}, {Name: "Cups"}},
		Rows:              []metav1.TableRow{{Cells: []any{"blue", nil, int64(3)}}},
	}, &out))
	assert.Equal(t, "NAME   COLOUR   CUPS\nblue            3\n", out.String())
}

func TestOwnColumns(t *testing.T) {
	c := newFakeCluster(object("v1", "Pod", "tea"))
	pods := c.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace("default")
	var out bytes.Buffer
	require.NoError(t, ownColumns(t.Context(), pods, metav1.ListOptions{}, []column{{"N", "{.metadata.name}"}, {"X", "{.spec.x[*].y}"}}, &out))
	assert.Equal(t, "N     X\ntea   <none>\n", out.String())
	err := ownColumns(t.Context(), pods, metav1.ListOptions{}, []column{{"N", "{.metadata.name"}}, &out)
	assert.ErrorContains(t, err, "column N: unclosed action")
}

func TestHelp(t *testing.T) {
	stdout, stderr, code := program.Run(t.Context(), "-h")
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	assert.Contains(t, stdout, "  list [RESOURCE]    ")
	assert.Contains(t, stdout, "Flags of the step apply:\n  -dry-run MODE      with MODE server, check and store nothing; default none\n")
}
