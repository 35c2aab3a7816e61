package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"client-go-lab/07-controller/api/v1alpha1"
	"client-go-lab/07-controller/controller"
)

// What the cluster tests stand on: a cluster prepared as the manifests say, controllers that run as processes of their own
// under their own service account, Websites, and the one question that all of them end with: is everything as specified?

// world is a cluster with the CRD, the controller's rights, and a namespace for Websites.
type world struct {
	t         testing.TB
	admin     *rest.Config
	kube      kubernetes.Interface
	dynamic   dynamic.Interface
	websites  *controller.Client
	namespace string // for the Websites of this test
	system    string // for the lease and the directory, as in the manifests
}

// newWorld prepares a cluster, and undoes that when the test ends. admin may do everything.
func newWorld(t testing.TB, admin *rest.Config) *world {
	t.Helper()
	w := &world{}
	t.Cleanup(func() {
		if w.t != nil {
			w.remove()
		}
	})
	w.prepare(t, admin)
	return w
}

// prepare is newWorld for a cluster that is thrown away.
func (w *world) prepare(t testing.TB, admin *rest.Config) {
	t.Helper()
	admin = rest.CopyConfig(admin)
	admin.QPS = -1
	var err error
	w.kube, err = kubernetes.NewForConfig(admin)
	require.NoError(t, err)
	w.dynamic, err = dynamic.NewForConfig(admin)
	require.NoError(t, err)
	w.websites, err = controller.NewClient(admin)
	require.NoError(t, err)
	w.t, w.admin, w.system = t, admin, "website-system" // from here on there is something to remove
	require.NoError(t, installCRD(t.Context(), w.dynamic, w.websites, labels()))
	for _, file := range []string{"namespace.yaml", "rbac.yaml"} {
		for _, object := range manifests(t, file) {
			require.NoError(t, w.apply(t.Context(), object))
		}
	}
	namespace, err := w.kube.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "websites-", Labels: labels()}}, metav1.CreateOptions{})
	require.NoError(t, err)
	w.namespace = namespace.Name
}

// manifests reads the objects in a file of config.
func manifests(t testing.TB, file string) (objects []*unstructured.Unstructured) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("config", file))
	require.NoError(t, err)
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		require.NoError(t, err)
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// client returns a dynamic client for an object's kind and namespace.
func (w *world) client(ctx context.Context, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	disco, err := discovery.NewDiscoveryClientForConfig(w.admin)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapperWithContext(memory.NewMemCacheClientWithContext(disco))
	mapping, err := mapper.RESTMappingWithContext(ctx, object.GroupVersionKind().GroupKind(), object.GroupVersionKind().Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return w.dynamic.Resource(mapping.Resource), nil
	}
	return w.dynamic.Resource(mapping.Resource).Namespace(object.GetNamespace()), nil
}

func (w *world) apply(ctx context.Context, object *unstructured.Unstructured) error {
	client, err := w.client(ctx, object)
	if err != nil {
		return err
	}
	_, err = client.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "test", Force: true})
	return err
}

// remove takes everything away that newWorld and the test have made. No controller runs any more: finalizers are ours to remove.
func (w *world) remove() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), 2*time.Minute)
	defer cancel()
	websites, err := w.websites.Websites(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if !apierrors.IsNotFound(err) {
		require.NoError(w.t, err)
		for _, website := range websites.Items {
			client := w.websites.Websites(website.Namespace)
			_, err := client.Patch(ctx, website.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			if err == nil {
				err = client.Delete(ctx, website.Name, metav1.DeleteOptions{})
			}
			if !apierrors.IsNotFound(err) {
				require.NoError(w.t, err)
			}
		}
	}
	var objects []*unstructured.Unstructured
	for _, file := range []string{"lab.example.com_websites.yaml", "rbac.yaml", "namespace.yaml"} {
		objects = append(objects, manifests(w.t, file)...)
	}
	if w.namespace != "" {
		namespace := &unstructured.Unstructured{}
		namespace.SetAPIVersion("v1")
		namespace.SetKind("Namespace")
		namespace.SetName(w.namespace)
		objects = append(objects, namespace)
	}
	for _, object := range objects {
		client, err := w.client(ctx, object)
		require.NoError(w.t, err)
		err = client.Delete(ctx, object.GetName(), metav1.DeleteOptions{})
		if !apierrors.IsNotFound(err) {
			require.NoError(w.t, err)
		}
	}
	for _, object := range objects {
		client, err := w.client(ctx, object)
		if err != nil {
			continue // the kind went with its CRD
		}
		touched := time.Now()
		require.NoError(w.t, wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			_, err := client.Get(ctx, object.GetName(), metav1.GetOptions{})
			if err == nil && object.GetKind() == "CustomResourceDefinition" && time.Since(touched) > 2*time.Second {
				// Its finalizer may have met a storage that was not ready, and tries again after a change.
				touched = time.Now()
				patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"touched":%q}}}`, touched)
				_, err = client.Patch(ctx, object.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
			}
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		}), "%s %s does not go away", object.GetKind(), object.GetName())
	}
}

// kubeconfig writes a kubeconfig for the controller's service account. server is the address to go to; "" is the cluster's own.
func (w *world) kubeconfig(server string) string {
	cluster := &clientcmdapi.Cluster{Server: server}
	if server == "" {
		cluster = &clientcmdapi.Cluster{
			Server: w.admin.Host, CertificateAuthority: w.admin.CAFile, CertificateAuthorityData: w.admin.CAData,
		}
	}
	return w.kubeconfigTo(cluster)
}

// kubeconfigTo is kubeconfig with a server that has a certificate. Without TLS, clients send no token.
func (w *world) kubeconfigTo(cluster *clientcmdapi.Cluster) string {
	w.t.Helper()
	token, err := w.kube.CoreV1().ServiceAccounts(w.system).CreateToken(w.t.Context(), "website-controller", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = cluster
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts["lab"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "lab"
	path := filepath.Join(w.t.TempDir(), "config")
	require.NoError(w.t, clientcmd.WriteToFile(*config, path))
	return path
}

// replica is a controller that runs as a process.
type replica struct {
	t       testing.TB
	process *os.Process
	address string        // of /metrics
	ended   chan struct{} // closed when it has
	state   *os.ProcessState

	mu  sync.Mutex
	log bytes.Buffer
}

// start starts a controller with a lease of 3 s, and more flags. It ends with the test at the latest. That lease makes tests of
// takeovers short, and leaves each write 1 s; whoever tests something else, and expects no error, gives it a minute.
func (w *world) start(kubeconfig string, flags ...string) *replica {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	address := listener.Addr().String()
	require.NoError(w.t, listener.Close())

	args := append([]string{
		"controller", "-kubeconfig", kubeconfig, "-install=false", "-system-namespace", w.system,
		"-listen", address, "-lease", "3s", "-v", "2",
	}, flags...)
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "LAB_TEST_AS_PROGRAM=1")
	r := &replica{t: w.t, address: address, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = r, r
	require.NoError(w.t, cmd.Start())
	r.process = cmd.Process
	go func() {
		defer close(r.ended)
		_ = cmd.Wait()
		r.state = cmd.ProcessState
	}()
	w.t.Cleanup(func() {
		_ = r.process.Kill()
		<-r.ended
		if w.t.Failed() {
			w.t.Logf("the controller's log:\n%s", r.logged())
		}
	})
	return r
}

func (r *replica) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(b)
}

func (r *replica) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// wait waits until the log has some words.
func (r *replica) wait(words string) {
	r.t.Helper()
	eventually(r.t, "the log says "+words, func(context.Context) error {
		var ended bool
		select {
		case <-r.ended:
			ended = true
		default:
		}
		if strings.Contains(r.logged(), words) {
			return nil
		}
		require.False(r.t, ended, "the controller has ended before its log says %s", words)
		return errors.New("not yet")
	})
}

// leading waits until the replica works.
func (r *replica) leading() *replica {
	r.t.Helper()
	r.wait("Starting workers")
	return r
}

// signal sends a signal to end by, and waits for the end.
func (r *replica) signal(signal os.Signal) *os.ProcessState {
	r.t.Helper()
	require.NoError(r.t, r.process.Signal(signal))
	return r.end()
}

// end waits for the replica's end.
func (r *replica) end() *os.ProcessState {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(30 * time.Second):
		r.t.Fatal("the controller does not end")
	}
	return r.state
}

// metric sums the samples of a metric whose labels contain all of some words, as `code="403"`.
func (r *replica) metric(name string, words ...string) (sum float64) {
	r.t.Helper()
	response, err := http.Get("http://" + r.address + "/metrics")
	require.NoError(r.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	for _, sample := range regexp.MustCompile(`(?m)^`+name+`(\{.*\})? (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		if slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(sample[1], word) }) {
			continue
		}
		value, err := strconv.ParseFloat(sample[2], 64)
		require.NoError(r.t, err)
		sum += value
	}
	return sum
}

// website is a valid Website of the test's namespace.
func (w *world) website(name string) *v1alpha1.Website {
	replicas := int32(2)
	return &v1alpha1.Website{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       v1alpha1.WebsiteSpec{Host: name + ".example.com", HTML: "<h1>" + name + "</h1>", Replicas: &replicas},
	}
}

// create creates Websites of some names.
func (w *world) create(names ...string) {
	w.t.Helper()
	for _, name := range names {
		_, err := w.websites.Websites(w.namespace).Create(w.t.Context(), w.website(name), metav1.CreateOptions{})
		require.NoError(w.t, err)
	}
}

// names makes some names: site-00, site-01 and so on.
func names(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("site-%02d", i))
	}
	return names
}

// eventually waits up to two minutes (an informer that lost its server waits up to 30 s between two tries) until check returns nil, and fails with what it returned last.
func eventually(t testing.TB, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		err := check(ctx)
		if ctx.Err() == nil { // else it says that time is over
			last = err
		}
		return err == nil, nil
	})
	require.NoError(t, err, "waiting until %s: %v", what, last)
}

// requireAsSpecified waits until the Websites of the test are as many as given and all are as their specs say, and nothing
// is there that belongs to none of them.
func (w *world) requireAsSpecified(websites int) {
	w.t.Helper()
	eventually(w.t, "everything is as specified", func(ctx context.Context) error { return w.asSpecified(ctx, websites) })
}

// asSpecified says what is not as it should be.
func (w *world) asSpecified(ctx context.Context, count int) error {
	websites, err := w.websites.Websites(w.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(websites.Items) != count {
		fail("%d Websites instead of %d", len(websites.Items), count)
	}
	ours := metav1.ListOptions{LabelSelector: controller.LabelOwner}
	configMaps, err1 := w.kube.CoreV1().ConfigMaps(metav1.NamespaceAll).List(ctx, ours)
	deployments, err2 := w.kube.AppsV1().Deployments(metav1.NamespaceAll).List(ctx, ours)
	services, err3 := w.kube.CoreV1().Services(metav1.NamespaceAll).List(ctx, ours)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	objects := map[string]metav1.Object{} // by kind, namespace and name
	for i := range configMaps.Items {
		objects["ConfigMap "+cache.MetaObjectToName(&configMaps.Items[i]).String()] = &configMaps.Items[i]
	}
	for i := range deployments.Items {
		objects["Deployment "+cache.MetaObjectToName(&deployments.Items[i]).String()] = &deployments.Items[i]
	}
	for i := range services.Items {
		objects["Service "+cache.MetaObjectToName(&services.Items[i]).String()] = &services.Items[i]
	}
	// find returns an object that has to be there and to be a Website's, and takes it out of objects.
	find := func(kind, namespace, name string, website *v1alpha1.Website) metav1.Object {
		key := kind + " " + namespace + "/" + name
		object, ok := objects[key]
		if !ok {
			fail("no %s", key)
			return nil
		}
		delete(objects, key)
		if object.GetLabels()[controller.LabelOwner] != string(website.UID) {
			fail("the %s is not %s's", key, website.Name)
		}
		if namespace == website.Namespace && !metav1.IsControlledBy(object, website) {
			fail("the %s is not controlled by %s", key, website.Name)
		}
		return object
	}
	for i := range websites.Items {
		website := &websites.Items[i]
		ready := meta.FindStatusCondition(website.Status.Conditions, v1alpha1.ConditionReady)
		want := *website.Spec.Replicas
		if website.Spec.Suspend {
			want = 0
		}
		switch {
		case ready == nil || website.Status.ObservedGeneration != website.Generation || ready.ObservedGeneration != website.Generation:
			fail("%s: the status is not about its latest spec", website.Name)
		case website.Spec.Suspend && ready.Reason != controller.ReasonSuspended, !website.Spec.Suspend && ready.Status != metav1.ConditionTrue:
			fail("%s is %s: %s", website.Name, ready.Reason, ready.Message)
		case website.Status.AvailableReplicas != want:
			fail("%s: the status says %d replicas instead of %d", website.Name, website.Status.AvailableReplicas, want)
		}
		find("ConfigMap", w.system, website.Spec.Host, website)
		find("Service", website.Namespace, website.Name, website)
		if configMap, ok := find("ConfigMap", website.Namespace, website.Name, website).(*corev1.ConfigMap); ok {
			if page := configMap.Data["index.html"] + configMap.Data["index.txt"]; page != website.Spec.HTML+website.Spec.Text || len(configMap.Data) != 1 {
				fail("%s: the page is %q", website.Name, page)
			}
		}
		if deployment, ok := find("Deployment", website.Namespace, website.Name, website).(*appsv1.Deployment); ok {
			if *deployment.Spec.Replicas != want || deployment.Status.AvailableReplicas != want {
				fail("%s: the Deployment wants %d and has %d replicas instead of %d",
					website.Name, *deployment.Spec.Replicas, deployment.Status.AvailableReplicas, want)
			}
		}
	}
	for key := range objects {
		fail("the %s belongs to no Website", key)
	}
	return errors.Join(errs...)
}
