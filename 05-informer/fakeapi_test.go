package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	kubelabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"client-go-lab/internal/labtest"
)

// fakeAPI is a small API server, in memory, for any kind that it has been told of. What matters to an informer is as a
// real one does it: resourceVersions that only grow, watch-list, watches that go on from a resourceVersion, selectors on
// watches, bookmarks, the end of a stream, and 410. It has no defaults, no admission and no status.
type fakeAPI struct {
	mu       sync.Mutex
	version  int64                                 // the latest resourceVersion
	oldest   int64                                 // what happened up to this one is forgotten
	objects  map[string]*unstructured.Unstructured // by path
	log      []change
	changed  chan struct{}     // closed at the next change
	kinds    map[string]string // "/api/v1/pods": "Pod"
	requests []string
	hook     func(i int, r *http.Request) // called after each request that is not a watch
}

type change struct {
	kind          string // as in kinds
	version       int64
	before, after *unstructured.Unstructured // nil: was not there, is gone
}

func newFakeAPI() *fakeAPI {
	return &fakeAPI{
		version: 100,
		objects: map[string]*unstructured.Unstructured{},
		changed: make(chan struct{}),
		kinds: map[string]string{
			"/api/v1/namespaces":      "Namespace",
			"/api/v1/serviceaccounts": "ServiceAccount",
			"/api/v1/pods":            "Pod",
			"/api/v1/configmaps":      "ConfigMap",
			definitionsPath:           "CustomResourceDefinition",
		},
	}
}

// target is what a URL means.
type target struct {
	kind, namespace, name string // kind as in kinds
	gv                    string
}

func parse(path string) (target, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	n := 2
	if parts[0] == "apis" {
		n = 3
	}
	if len(parts) <= n {
		return target{}, false
	}
	t := target{gv: strings.Join(parts[1:n], "/")}
	base, rest := "/"+strings.Join(parts[:n], "/"), parts[n:]
	if rest[0] == "namespaces" && len(rest) > 2 {
		t.namespace, rest = rest[1], rest[2:]
	}
	t.kind = base + "/" + rest[0]
	if len(rest) > 1 {
		t.name = rest[1]
	}
	return t, true
}

func (t target) key(name string) string { return t.kind + "|" + t.namespace + "|" + name }

func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	t, ok := parse(r.URL.Path)
	a.mu.Lock()
	kind := a.kinds[t.kind]
	a.requests = append(a.requests, r.Method+" "+r.URL.Path)
	n, hook := len(a.requests), a.hook
	a.mu.Unlock()
	if !ok || kind == "" {
		labtest.SendError(w, apierrors.NewGenericServerResponse(404, r.Method, schema.GroupResource{Resource: t.kind}, t.name, "", 0, true))
		return
	}
	if query.Get("watch") != "" {
		a.watch(w, r, t, kind)
		return
	}
	body, err := a.answer(r, t, kind)
	if hook != nil {
		hook(n, r)
	}
	if err != nil {
		labtest.SendError(w, err)
		return
	}
	labtest.SendJSON(w, http.StatusOK, body)
}

func (a *fakeAPI) answer(r *http.Request, t target, kind string) (any, *apierrors.StatusError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	resource := schema.GroupResource{Resource: t.kind[strings.LastIndex(t.kind, "/")+1:]}
	current := a.objects[t.key(t.name)]
	matches := matcher(r)
	if t.name != "" && current == nil {
		return nil, apierrors.NewNotFound(resource, t.name)
	}
	switch r.Method {
	case "GET":
		if t.name != "" {
			return shape(r, current), nil
		}
		list := []any{}
		for _, object := range a.sorted(t, matches) {
			list = append(list, shape(r, object).Object)
		}
		out := map[string]any{"kind": kind + "List", "apiVersion": t.gv, "items": list,
			"metadata": map[string]any{"resourceVersion": strconv.FormatInt(a.version, 10)}}
		if metadataOnly(r) {
			out["kind"], out["apiVersion"] = "PartialObjectMetadataList", "meta.k8s.io/v1"
		}
		return out, nil
	case "POST":
		object, err := read(r)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		object.SetKind(kind)
		object.SetAPIVersion(t.gv)
		object.SetNamespace(t.namespace)
		if a.objects[t.key(object.GetName())] != nil {
			return nil, apierrors.NewAlreadyExists(resource, object.GetName())
		}
		object.SetUID("0b6f4a1e-3c58-4c0e-9d0f-5f2d8a7c1b22")
		object.SetCreationTimestamp(metav1.Unix(1700000000, 0))
		object.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "test", Operation: "Update", APIVersion: t.gv,
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1("{}")}})
		a.store(t, nil, object)
		if kind == "Namespace" {
			account := &unstructured.Unstructured{Object: map[string]any{"kind": "ServiceAccount", "apiVersion": "v1"}}
			account.SetName("default")
			account.SetNamespace(object.GetName())
			a.store(target{kind: "/api/v1/serviceaccounts", namespace: object.GetName()}, nil, account)
		}
		if kind == "CustomResourceDefinition" {
			a.setDefinition(object, kindOf(object))
		}
		return shape(r, object), nil
	case "PUT", "PATCH":
		object := current.DeepCopy()
		sent, err := read(r)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		if rv := sent.GetResourceVersion(); rv != "" && rv != current.GetResourceVersion() {
			return nil, apierrors.NewConflict(resource, t.name, fmt.Errorf("the object has been modified"))
		}
		if r.Method == "PUT" {
			object = sent
		} else {
			merge(object.Object, sent.Object)
		}
		a.store(t, current, object)
		return shape(r, object), nil
	default: // DELETE
		gone := []*unstructured.Unstructured{current}
		if t.name == "" {
			gone = a.sorted(t, matches)
		}
		for _, object := range gone {
			if kind == "CustomResourceDefinition" {
				plural, group, _ := strings.Cut(object.GetName(), ".")
				of := target{kind: "/apis/" + group + "/v1/" + plural}
				for _, instance := range a.sorted(of, func(*unstructured.Unstructured) bool { return true }) {
					of.namespace = instance.GetNamespace()
					a.store(of, instance, nil)
					of.namespace = ""
				}
				a.setDefinition(object, "")
			}
			if kind == "Pod" { // a real server marks it, then removes it: two events
				marked := object.DeepCopy()
				marked.SetDeletionTimestamp(new(metav1.Unix(1700000001, 0)))
				a.store(t, object, marked)
				object = marked
			}
			a.store(t, object, nil)
		}
		return map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"}, nil
	}
}

// seed puts a pod into the store, of which no watch is told.
func (a *fakeAPI) seed(pod *corev1.Pod) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		panic(err)
	}
	object["kind"], object["apiVersion"] = "Pod", "v1"
	a.objects[target{kind: "/api/v1/pods", namespace: pod.Namespace}.key(pod.Name)] = &unstructured.Unstructured{Object: object}
	a.version = max(a.version, int64(len(a.objects)))
}

func kindOf(definition *unstructured.Unstructured) string {
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	return kind
}

// setDefinition begins or ends to serve the resource of a CustomResourceDefinition. The caller holds the lock.
func (a *fakeAPI) setDefinition(definition *unstructured.Unstructured, kind string) {
	plural, group, _ := strings.Cut(definition.GetName(), ".")
	a.kinds["/apis/"+group+"/v1/"+plural] = kind
}

// store writes an object, with the next resourceVersion, and wakes the watches. The caller holds the lock.
func (a *fakeAPI) store(t target, before, after *unstructured.Unstructured) {
	a.version++
	version := strconv.FormatInt(a.version, 10)
	if after != nil {
		after.SetResourceVersion(version)
		a.objects[t.key(after.GetName())] = after
	} else {
		delete(a.objects, t.key(before.GetName()))
		before = before.DeepCopy()
		before.SetResourceVersion(version) // of its deletion
	}
	a.log = append(a.log, change{kind: t.kind, version: a.version, before: before, after: after})
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *fakeAPI) sorted(t target, matches func(*unstructured.Unstructured) bool) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for key, object := range a.objects {
		if strings.HasPrefix(key, t.kind+"|") && (t.namespace == "" || t.namespace == object.GetNamespace()) && matches(object) {
			all = append(all, object)
		}
	}
	slices.SortFunc(all, func(x, y *unstructured.Unstructured) int { return cmp.Compare(x.GetName(), y.GetName()) })
	return all
}

// matcher is what the selectors of a request let through.
func matcher(r *http.Request) func(*unstructured.Unstructured) bool {
	byLabel, err := kubelabels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		panic(err)
	}
	byField := fields.ParseSelectorOrDie(r.URL.Query().Get("fieldSelector"))
	return func(object *unstructured.Unstructured) bool {
		node, _, _ := unstructured.NestedString(object.Object, "spec", "nodeName")
		return byLabel.Matches(kubelabels.Set(object.GetLabels())) &&
			byField.Matches(fields.Set{"metadata.name": object.GetName(), "spec.nodeName": node})
	}
}

func metadataOnly(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata")
}

// shape cuts an object down to its metadata if the request wants that.
func shape(r *http.Request, object *unstructured.Unstructured) *unstructured.Unstructured {
	if !metadataOnly(r) {
		return object
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.Object["metadata"]}}
}

// read decodes a body: JSON or protobuf, which is what typed clients send.
func read(r *http.Request) (*unstructured.Unstructured, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	object := map[string]any{}
	if strings.Contains(r.Header.Get("Content-Type"), "protobuf") {
		typed, _, err := scheme.Codecs.UniversalDeserializer().Decode(data, nil, nil)
		if err != nil {
			return nil, err
		}
		object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
		return &unstructured.Unstructured{Object: object}, err
	}
	err = json.Unmarshal(data, &object)
	return &unstructured.Unstructured{Object: object}, err
}

// merge applies a JSON merge patch.
func merge(object, patch map[string]any) {
	for key, value := range patch {
		inner, isMap := value.(map[string]any)
		old, wasMap := object[key].(map[string]any)
		switch {
		case value == nil:
			delete(object, key)
		case isMap && wasMap:
			old = runtime.DeepCopyJSON(old) // readers may have it
			merge(old, inner)
			object[key] = old
		default:
			object[key] = value
		}
	}
}

// watch serves a watch until its time is over, or its client is gone.
func (a *fakeAPI) watch(w http.ResponseWriter, r *http.Request, t target, kind string) {
	query := r.URL.Query()
	matches := matcher(r)
	w.Header().Set("Content-Type", "application/json")
	flusher := w.(http.Flusher)
	send := func(event string, object any) {
		data, err := json.Marshal(map[string]any{"type": event, "object": object})
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(append(data, '\n'))
		flusher.Flush()
	}
	bookmark := func(version int64, initial bool) {
		object := &unstructured.Unstructured{Object: map[string]any{"kind": kind, "apiVersion": t.gv}}
		if metadataOnly(r) {
			object = shape(r, object)
			object.Object["metadata"] = map[string]any{}
		}
		object.SetResourceVersion(strconv.FormatInt(version, 10))
		if initial {
			object.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
		}
		send("BOOKMARK", object.Object)
	}

	a.mu.Lock()
	from, _ := strconv.ParseInt(query.Get("resourceVersion"), 10, 64)
	initial := from == 0 || query.Get("sendInitialEvents") == "true"
	if from < a.oldest && !initial {
		a.mu.Unlock()
		status := apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", from, a.oldest)).ErrStatus
		status.Kind, status.APIVersion = "Status", "v1"
		send("ERROR", status)
		return
	}
	var first []*unstructured.Unstructured
	if initial {
		first, from = a.sorted(t, matches), a.version
	}
	a.mu.Unlock()
	for _, object := range first {
		send("ADDED", shape(r, object).Object)
	}
	if query.Get("sendInitialEvents") == "true" {
		bookmark(from, true)
	}
	flusher.Flush() // the headers, if nothing else

	seconds, _ := strconv.ParseInt(query.Get("timeoutSeconds"), 10, 64)
	end := make(<-chan time.Time)
	if seconds > 0 {
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		end = timer.C
	}
	started, seen := from, from
	for {
		a.mu.Lock()
		changed := a.changed
		var news []change
		for _, c := range a.log {
			if c.version > seen {
				news = append(news, c)
			}
		}
		a.mu.Unlock()
		for _, c := range news {
			seen = c.version
			object := cmp.Or(c.after, c.before)
			if c.kind != t.kind || t.namespace != "" && t.namespace != object.GetNamespace() {
				continue
			}
			was, is := c.before != nil && matches(c.before), c.after != nil && matches(c.after)
			switch {
			case was && is:
				send("MODIFIED", shape(r, object).Object)
			case is:
				send("ADDED", shape(r, object).Object)
			case was:
				send("DELETED", shape(r, c.before).Object)
			}
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-end:
			if seen > started {
				bookmark(seen, false)
			}
			return
		}
	}
}

// names lists what this chapter has made and not removed: pods, and definitions.
func (a *fakeAPI) names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, kind := range []string{"/api/v1/pods", definitionsPath} {
		for _, object := range a.sorted(target{kind: kind}, func(*unstructured.Unstructured) bool { return true }) {
			all = append(all, object.GetName())
		}
	}
	return all
}
