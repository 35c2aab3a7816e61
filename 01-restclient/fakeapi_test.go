package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// fakeAPI is a very small API server: enough of ConfigMaps for this chapter, and canned answers for the rest.
//
// Why an HTTP server and not k8s.io/client-go/rest/fake? Here everything that client-go does is real: RESTClientFor and
// the Config's fields, URLs, headers, encoding, status codes, streams. rest/fake replaces the client itself and knows no
// Config; TestListPodsWithRestFake shows it. What no fake can tell is whether a real server answers like this one:
// cluster_test.go asks, and wants the same output.
type fakeAPI struct {
	http.Handler

	mu         sync.Mutex
	namespaces map[string]bool
	configMaps map[string]*corev1.ConfigMap
	revision   int
	events     []fakeEvent
	changed    chan struct{} // closed at the next event
	requests   []string      // method and path, in order
	agent      string        // the last User-Agent
	young      bool          // still has revision 1
	after      func(n int, r *http.Request)
}

type fakeEvent struct {
	revision int
	Type     string            `json:"type"`
	Object   *corev1.ConfigMap `json:"object"`
}

var configMapResource = schema.GroupResource{Resource: "configmaps"}

func newFakeAPI() *fakeAPI {
	api := &fakeAPI{
		namespaces: map[string]bool{"default": true},
		configMaps: map[string]*corev1.ConfigMap{},
		revision:   100,
		changed:    make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/{ns}", api.getNamespace)
	mux.HandleFunc("POST /api/v1/namespaces", api.postNamespace)
	mux.HandleFunc("DELETE /api/v1/namespaces", func(w http.ResponseWriter, r *http.Request) {
		sendError(w, apierrors.NewMethodNotSupported(schema.GroupResource{Resource: "namespaces"}, "delete"),
			"the server does not allow this method on the requested resource")
	})
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/configmaps", api.list)
	mux.HandleFunc("POST /api/v1/namespaces/{ns}/configmaps", api.create)
	mux.HandleFunc("DELETE /api/v1/namespaces/{ns}/configmaps", api.deleteAll)
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/configmaps/{name}", api.get)
	mux.HandleFunc("PUT /api/v1/namespaces/{ns}/configmaps/{name}", api.update)
	mux.HandleFunc("PATCH /api/v1/namespaces/{ns}/configmaps/{name}", api.patch)
	mux.HandleFunc("DELETE /api/v1/namespaces/{ns}/configmaps/{name}", api.delete)
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !api.young {
			io.WriteString(w, `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure",
				"message":"The resourceVersion for the provided watch is too old.","reason":"Expired","code":410}}`)
		}
	})
	canned(mux)
	api.Handler = mux
	return api
}

// afterEach sets what is called after the n-th request (from 1) was handled, before its answer leaves.
func (f *fakeAPI) afterEach(after func(n int, r *http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = after
}

// ServeHTTP notes the request, handles it, and calls after.
func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.agent = r.UserAgent()
	n, after := len(f.requests), f.after
	f.mu.Unlock()

	if after == nil || r.URL.Query().Get("watch") == "true" {
		if after != nil {
			after(n, r)
		}
		f.Handler.ServeHTTP(w, r)
		return
	}
	held := &heldResponse{ResponseWriter: w}
	f.Handler.ServeHTTP(held, r)
	after(n, r)
	held.release()
}

// heldResponse keeps an answer back until release.
type heldResponse struct {
	http.ResponseWriter
	code int
	body []byte
}

func (h *heldResponse) WriteHeader(code int) { h.code = code }
func (h *heldResponse) Write(b []byte) (int, error) {
	h.body = append(h.body, b...)
	return len(b), nil
}
func (h *heldResponse) release() {
	if h.code != 0 {
		h.ResponseWriter.WriteHeader(h.code)
	}
	h.ResponseWriter.Write(h.body)
}

func (f *fakeAPI) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

func (f *fakeAPI) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.configMaps))
}

// canned serves what never changes.
func canned(mux *http.ServeMux) {
	answer := func(pattern, contentType, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			io.WriteString(w, body)
		})
	}
	const plain, jsonType = "text/plain; charset=utf-8", "application/json"
	answer("GET /livez", plain, "ok")
	answer("GET /readyz", plain, "ok")
	answer("GET /healthz", plain, "ok")
	answer("GET /version", jsonType, `{"major":"1","minor":"37","gitVersion":"v1.37.2"}`)
	answer("GET /apis", jsonType, `{"kind":"APIGroupList","apiVersion":"v1","groups":[
		{"name":"apps","versions":[],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}},
		{"name":"events.k8s.io","versions":[],"preferredVersion":{"groupVersion":"events.k8s.io/v1","version":"v1"}},
		{"name":"autoscaling","versions":[],"preferredVersion":{"groupVersion":"autoscaling/v2","version":"v2"}},
		{"name":"batch","versions":[],"preferredVersion":{"groupVersion":"batch/v1","version":"v1"}},
		{"name":"policy","versions":[],"preferredVersion":{"groupVersion":"policy/v1","version":"v1"}}]}`)

	const web = "/apis/apps/v1/namespaces/{ns}/deployments/web"
	answer("POST /apis/apps/v1/namespaces/{ns}/deployments", jsonType, `{"kind":"Deployment","apiVersion":"apps/v1"}`)
	answer("DELETE /apis/apps/v1/namespaces/{ns}/deployments", jsonType, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
	answer("GET "+web+"/scale", jsonType, `{"kind":"Scale","apiVersion":"autoscaling/v1","spec":{"replicas":1}}`)
	answer("PATCH "+web+"/scale", jsonType, `{"kind":"Scale","apiVersion":"autoscaling/v1","spec":{"replicas":3}}`)
	answer("PATCH "+web+"/status", jsonType, `{"kind":"Deployment","apiVersion":"apps/v1","spec":{"replicas":3},"status":{"observedGeneration":99}}`)

	mux.HandleFunc("GET /api/v1/namespaces/{ns}/pods", pods)
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/pods/{name}", func(w http.ResponseWriter, r *http.Request) {
		sendError(w, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, r.PathValue("name")))
	})
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/pod/{name}", func(w http.ResponseWriter, r *http.Request) { // no such resource
		sendJSON(w, 404, &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
			Code: 404, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource"})
	})
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/endpoints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Warning", `299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"`)
		sendJSON(w, 200, &corev1.EndpointsList{TypeMeta: metav1.TypeMeta{Kind: "EndpointsList", APIVersion: "v1"}})
	})
}

// pods serves the pods that the article has, as a list or as a Table, but not to jane.
func pods(w http.ResponseWriter, r *http.Request) {
	if user := r.Header.Get("Impersonate-User"); user != "" {
		sendError(w, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", fmt.Errorf(
			`User %q cannot list resource "pods" in API group "" in the namespace %q`, user, r.PathValue("ns"))))
		return
	}
	names := []string{"cassandra-5hbf7", "liveness-exec", "mysql-87pgn", "myweb-7f8rh", "myweb-rjblc", "nginx-pod-node1"}
	if strings.HasPrefix(r.Header.Get("Accept"), "application/json;as=Table;v=v1;g=meta.k8s.io") {
		table := &metav1.Table{TypeMeta: metav1.TypeMeta{Kind: "Table", APIVersion: "meta.k8s.io/v1"}}
		for _, name := range []string{"Name", "Ready", "Status", "Restarts", "Age"} {
			table.ColumnDefinitions = append(table.ColumnDefinitions, metav1.TableColumnDefinition{Name: name})
		}
		for _, name := range []string{"IP", "Node", "Nominated Node", "Readiness Gates"} {
			table.ColumnDefinitions = append(table.ColumnDefinitions, metav1.TableColumnDefinition{Name: name, Priority: 1})
		}
		for _, name := range names {
			table.Rows = append(table.Rows, metav1.TableRow{
				Cells: []any{name, "1/1", "Running", "0", "5m", "10.0.0.1", "node-0", "<none>", "<none>"}})
		}
		sendJSON(w, 200, table)
		return
	}
	list := &corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
	for _, name := range names {
		list.Items = append(list.Items, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	sendJSON(w, 200, list)
}

func (f *fakeAPI) getNamespace(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := r.PathValue("ns")
	if !f.namespaces[name] {
		sendError(w, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, name))
		return
	}
	namespace := &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}},
	}
	if strings.HasPrefix(r.Header.Get("Accept"), "application/vnd.kubernetes.protobuf") {
		data, err := runtime.Encode(protobuf.NewSerializer(scheme.Scheme, scheme.Scheme), namespace)
		if err != nil {
			http.Error(w, err.Error(), 500)
		}
		w.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
		w.Write(data)
		return
	}
	sendJSON(w, 200, namespace)
}

func (f *fakeAPI) postNamespace(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	namespace := &corev1.Namespace{}
	if err := json.NewDecoder(r.Body).Decode(namespace); err != nil {
		sendError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	f.namespaces[namespace.Name] = true
	sendJSON(w, 201, namespace)
}

// store gives the object a new revision and tells the watchers. Call it with mu held.
func (f *fakeAPI) store(event string, configMap *corev1.ConfigMap) *corev1.ConfigMap {
	f.revision++
	configMap = configMap.DeepCopy()
	configMap.TypeMeta = metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}
	configMap.ResourceVersion = strconv.Itoa(f.revision)
	if event == "DELETED" {
		delete(f.configMaps, configMap.Name)
	} else {
		f.configMaps[configMap.Name] = configMap
	}
	f.events = append(f.events, fakeEvent{f.revision, event, configMap})
	close(f.changed)
	f.changed = make(chan struct{})
	return configMap
}

func (f *fakeAPI) create(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	configMap := &corev1.ConfigMap{}
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, configMap); err != nil {
		sendError(w, apierrors.NewBadRequest(fmt.Sprintf("couldn't get version/kind; json parse error: %v", err)))
		return
	}
	switch {
	case !f.namespaces[r.PathValue("ns")]:
		sendError(w, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, r.PathValue("ns")))
		return
	case strings.Contains(configMap.Name, " "):
		sendError(w, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: 422, Reason: metav1.StatusReasonInvalid,
			Message: `ConfigMap "` + configMap.Name + `" is invalid: metadata.name: Invalid value`}})
		return
	case f.configMaps[configMap.Name] != nil:
		sendError(w, apierrors.NewAlreadyExists(configMapResource, configMap.Name))
		return
	}
	if strings.Contains(string(body), `"colour":"red","metadata"`) && r.URL.Query().Get("fieldValidation") == "Warn" {
		w.Header().Set("Warning", `299 - "unknown field \"colour\""`)
	}
	if r.URL.Query().Get("dryRun") == "All" {
		manager, _, _ := strings.Cut(r.Header.Get("User-Agent"), "/")
		configMap.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: manager}}
		sendJSON(w, 201, configMap)
		return
	}
	configMap.UID = "1-2-3"
	sendJSON(w, 201, f.store("ADDED", configMap))
}

func (f *fakeAPI) get(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if configMap := f.found(w, r); configMap != nil {
		sendJSON(w, 200, configMap)
	}
}

// found returns the object that the request is about, or answers 404.
func (f *fakeAPI) found(w http.ResponseWriter, r *http.Request) *corev1.ConfigMap {
	configMap := f.configMaps[r.PathValue("name")]
	if configMap == nil {
		sendError(w, apierrors.NewNotFound(configMapResource, r.PathValue("name")))
	}
	return configMap
}

func (f *fakeAPI) update(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.found(w, r)
	if old == nil {
		return
	}
	configMap := &corev1.ConfigMap{}
	if err := json.NewDecoder(r.Body).Decode(configMap); err != nil {
		sendError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	if configMap.ResourceVersion != "" && configMap.ResourceVersion != old.ResourceVersion {
		sendError(w, apierrors.NewConflict(configMapResource, old.Name, fmt.Errorf(
			"the object has been modified; please apply your changes to the latest version and try again")))
		return
	}
	sendJSON(w, 200, f.store("MODIFIED", configMap))
}

// patch knows the JSON merge patches of this chapter, and its one apply.
func (f *fakeAPI) patch(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	configMap := f.found(w, r)
	if configMap == nil {
		return
	}
	configMap = configMap.DeepCopy()
	switch r.Header.Get("Content-Type") {
	case "application/merge-patch+json":
		difference := struct{ Data map[string]*string }{}
		if err := json.NewDecoder(r.Body).Decode(&difference); err != nil {
			sendError(w, apierrors.NewBadRequest(err.Error()))
			return
		}
		for key, value := range difference.Data {
			if value == nil {
				delete(configMap.Data, key)
			} else {
				configMap.Data[key] = *value
			}
		}
	case "application/apply-patch+yaml":
		if r.URL.Query().Get("fieldManager") == "" {
			sendError(w, apierrors.NewBadRequest("fieldManager is required for apply patch"))
			return
		}
		configMap.Data["finish"] = "matt"
	default:
		http.Error(w, "unsupported media type", http.StatusUnsupportedMediaType)
		return
	}
	sendJSON(w, 200, f.store("MODIFIED", configMap))
}

func (f *fakeAPI) delete(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if configMap := f.found(w, r); configMap != nil {
		f.store("DELETED", configMap)
		sendJSON(w, 200, &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess})
	}
}

func (f *fakeAPI) deleteAll(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, configMap := range f.selected(r) {
		f.store("DELETED", &configMap)
	}
	sendJSON(w, 200, &corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"}})
}

// matches says whether the request's selectors let an object through.
func matches(r *http.Request, configMap *corev1.ConfigMap) bool {
	query := r.URL.Query()
	key, value, _ := strings.Cut(query.Get("labelSelector"), "=")
	name, named := strings.CutPrefix(query.Get("fieldSelector"), "metadata.name=")
	return (key == "" || configMap.Labels[key] == value) && (!named || configMap.Name == name)
}

// selected returns what the selectors let through, sorted by name as etcd sorts.
func (f *fakeAPI) selected(r *http.Request) []corev1.ConfigMap {
	var items []corev1.ConfigMap
	for _, name := range slices.Sorted(maps.Keys(f.configMaps)) {
		if matches(r, f.configMaps[name]) {
			items = append(items, *f.configMaps[name])
		}
	}
	return items
}

type fakeToken struct {
	V     string `json:"v"`
	RV    int    `json:"rv"`
	Start string `json:"start"`
}

func (t fakeToken) encode() string {
	data, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(data)
}

func (f *fakeAPI) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("watch") == "true" {
		f.watch(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	items := f.selected(r)
	token := fakeToken{V: "meta.k8s.io/v1", RV: f.revision}
	if given := query.Get("continue"); given != "" {
		data, err := base64.RawURLEncoding.DecodeString(given)
		if err != nil || json.Unmarshal(data, &token) != nil {
			sendError(w, apierrors.NewBadRequest("continue key is not valid"))
			return
		}
		if token.RV == 1 && f.young { // at revision 1 there was nothing
			items = nil
		} else if token.RV == 1 {
			fresh := token
			fresh.RV = -1
			expired := apierrors.NewResourceExpired(expiredMessage)
			expired.ErrStatus.Continue = fresh.encode()
			sendError(w, expired)
			return
		}
		items = slices.DeleteFunc(items, func(c corev1.ConfigMap) bool { return c.Name < token.Start })
	}
	list := &corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"}}
	list.ResourceVersion = strconv.Itoa(f.revision)
	if limit, _ := strconv.Atoi(query.Get("limit")); limit > 0 && len(items) > limit {
		token.Start = items[limit-1].Name + "\x00"
		list.Continue = token.encode()
		items = items[:limit]
	}
	list.Items = items
	sendJSON(w, 200, list)
}

const expiredMessage = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."

// watch replays the events after resourceVersion, then follows. A watch with a time limit ends with its first bookmark:
// nothing here waits for a clock.
func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	send := func(kind string, object any) {
		data, _ := json.Marshal(map[string]any{"type": kind, "object": object})
		w.Write(append(data, '\n'))
		w.(http.Flusher).Flush()
	}
	bookmark := func(annotations map[string]string) *corev1.ConfigMap {
		return &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.Itoa(f.revision), Annotations: annotations},
		}
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		f.mu.Lock()
		for _, configMap := range f.selected(r) {
			send("ADDED", &configMap)
		}
		send("BOOKMARK", bookmark(map[string]string{metav1.InitialEventsAnnotationKey: "true"}))
		from = f.revision
		f.mu.Unlock()
	} else if from == 0 {
		f.mu.Lock()
		from = f.revision
		f.mu.Unlock()
	}
	w.(http.Flusher).Flush()
	for {
		f.mu.Lock()
		for _, event := range f.events {
			if event.revision > from && matches(r, event.Object) {
				send(event.Type, event.Object)
				from = event.revision
			}
		}
		changed := f.changed
		if r.URL.Query().Get("timeoutSeconds") != "" && f.revision > from { // a bookmark must be news, too
			if r.URL.Query().Get("allowWatchBookmarks") == "true" {
				send("BOOKMARK", bookmark(nil))
				send("BOOKMARK", bookmark(nil)) // a real server may send one or two
			}
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}

func sendJSON(w http.ResponseWriter, code int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(object)
}

// sendError answers with a Status, as the API server does.
func sendError(w http.ResponseWriter, err *apierrors.StatusError, message ...string) {
	status := err.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	if len(message) > 0 {
		status.Message = message[0]
	}
	sendJSON(w, int(status.Code), &status)
}

// inProcess is an http.RoundTripper that calls a handler without a network, so that a test can run in a synctest
// bubble, where time stands still until everybody waits.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	reader, writer := io.Pipe()
	w := &pipeResponse{header: http.Header{}, code: make(chan int, 1), pipe: writer}
	request := r.Clone(ctx)
	if request.Body == nil {
		request.Body = http.NoBody
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "Go-http-client/1.1") // net/http's transport would
	}
	go func() {
		p.handler.ServeHTTP(w, request)
		w.WriteHeader(200)
		writer.CloseWithError(io.EOF)
	}()
	go func() {
		<-ctx.Done()
		writer.CloseWithError(ctx.Err())
	}()
	select {
	case code := <-w.code:
		return &http.Response{StatusCode: code, Status: fmt.Sprint(code, " ", http.StatusText(code)), Header: w.header,
			Body: &cancelBody{reader, cancel}, Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
	case <-ctx.Done():
		cancel()
		return nil, ctx.Err()
	}
}

type cancelBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (c *cancelBody) Close() error {
	c.cancel()
	return c.PipeReader.Close()
}

type pipeResponse struct {
	header http.Header
	once   sync.Once
	code   chan int
	pipe   *io.PipeWriter
}

func (p *pipeResponse) Header() http.Header { return p.header }
func (p *pipeResponse) Flush()              { p.WriteHeader(200) }
func (p *pipeResponse) WriteHeader(code int) {
	p.once.Do(func() { p.code <- code })
}
func (p *pipeResponse) Write(b []byte) (int, error) {
	p.WriteHeader(200)
	return p.pipe.Write(b)
}
