package cluster

// These tests use a running cluster as its users do, with the real kubectl. Each works in a namespace of its own.

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type kube struct {
	t         *testing.T
	binary    string
	namespace string
}

// newKube makes a namespace on the cluster that `go run ./lab test` started.
func newKube(t *testing.T) *kube {
	t.Helper()
	binary := testBinary(t)
	if os.Getenv("LAB_TEST_KUBECONFIG") == "" {
		t.Skip("not run: needs a cluster; `go run ./lab test` starts one and runs everything")
	}
	name := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(t.Name(), "Test"), "/", "-"))
	k := &kube{t: t, binary: binary, namespace: "test-" + name}
	k.must("create", "namespace", k.namespace)
	t.Cleanup(func() { k.must("delete", "namespace", k.namespace, "--wait=false") })
	return k
}

func (k *kube) run(stdin string, args ...string) (string, int) {
	k.t.Helper()
	args = append([]string{"kubectl", "--kubeconfig", os.Getenv("LAB_TEST_KUBECONFIG"), "--namespace", k.namespace}, args...)
	cmd := exec.Command(k.binary, args...)
	cmd.Stdin = strings.NewReader(stdin)
	return outcome(k.t, cmd)
}

func (k *kube) must(args ...string) string {
	k.t.Helper()
	out, code := k.run("", args...)
	require.Zero(k.t, code, "kubectl %v\n%s", args, out)
	return out
}

func (k *kube) apply(manifest string) string {
	k.t.Helper()
	out, code := k.run(manifest, "apply", "-f", "-")
	require.Zero(k.t, code, out)
	return out
}

func TestVersion(t *testing.T) {
	assert.Contains(t, newKube(t).must("version"), "Server Version: v1.37.2")
}

func TestAPIResources(t *testing.T) {
	out := newKube(t).must("api-resources")
	for _, want := range []string{"deployments", "customresourcedefinitions", "apiservices", "flowschemas", "validatingwebhookconfigurations", "leases"} {
		assert.Contains(t, out, want)
	}
}

func TestDeployment(t *testing.T) {
	k := newKube(t)
	k.must("create", "deployment", "web", "--image=nginx:1", "--replicas=3")
	assert.Contains(t, k.must("rollout", "status", "deployment/web", "--timeout=60s"), "successfully rolled out")
	ips := strings.Fields(k.must("get", "pods", "-o", "jsonpath={.items[*].status.podIP}"))
	assert.Len(t, ips, 3)
	assert.Contains(t, k.must("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"), "node")

	k.must("scale", "deployment/web", "--replicas=1")
	k.must("wait", "--for=jsonpath={.status.replicas}=1", "deployment/web", "--timeout=60s")
	k.must("set", "image", "deployment/web", "nginx=nginx:2")
	k.must("rollout", "status", "deployment/web", "--timeout=60s")
	assert.Contains(t, k.must("rollout", "history", "deployment/web"), "2")
	k.must("rollout", "undo", "deployment/web")
	k.must("rollout", "status", "deployment/web", "--timeout=60s")
	assert.Equal(t, "nginx:1", k.must("get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"))
}

func TestService(t *testing.T) {
	k := newKube(t)
	k.must("create", "deployment", "web", "--image=nginx", "--port=80")
	k.must("expose", "deployment/web")
	k.must("rollout", "status", "deployment/web", "--timeout=60s")
	k.must("wait", "--for=jsonpath={.endpoints[0].conditions.ready}=true", "endpointslice", "-l", "kubernetes.io/service-name=web", "--timeout=60s")
	assert.True(t, strings.HasPrefix(k.must("get", "service/web", "-o", "jsonpath={.spec.clusterIP}"), "10.96."))
}

func TestOtherWorkloads(t *testing.T) {
	k := newKube(t)
	k.apply(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: agent}]}
`)
	k.must("rollout", "status", "statefulset/db", "--timeout=60s")
	k.must("rollout", "status", "daemonset/agent", "--timeout=60s")
	assert.Contains(t, k.must("get", "pods", "-o", "name"), "pod/db-1")
}

func TestJobs(t *testing.T) {
	k := newKube(t)
	k.must("create", "job", "once", "--image=x")
	k.must("wait", "--for=condition=Complete", "job/once", "--timeout=60s")
	k.must("create", "cronjob", "often", "--image=x", "--schedule=* * * * *")
	k.must("create", "job", "now", "--from=cronjob/often")
	k.must("wait", "--for=condition=Complete", "job/now", "--timeout=60s")
	assert.Equal(t, "often", k.must("get", "job/now", "-o", "jsonpath={.metadata.ownerReferences[0].name}"))
}

func TestLogsAndExec(t *testing.T) {
	k := newKube(t)
	k.must("run", "one", "--image=busybox:1")
	k.must("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
	logs := k.must("logs", "one")
	assert.Contains(t, logs, "container one of pod "+k.namespace+"/one, image busybox:1")
	assert.Equal(t, 1, strings.Count(k.must("logs", "one", "--tail=1"), "\n"))
	assert.Regexp(t, `(?m)^20\d\d-\d\d-\d\dT`, k.must("logs", "one", "--timestamps"))

	assert.Equal(t, "one\n", k.must("exec", "one", "--", "hostname"))
	out, code := k.run("typed", "exec", "-i", "one", "--", "cat")
	assert.Zero(t, code)
	assert.Equal(t, "typed", out)
	_, code = k.run("", "exec", "one", "--", "false")
	assert.Equal(t, 1, code)

	// Nothing runs on the user's machine.
	file := t.TempDir() + "/touched"
	out, code = k.run("", "exec", "one", "--", "touch", file)
	assert.Equal(t, 127, code)
	assert.Contains(t, out, "simulated node")
	assert.NoFileExists(t, file)
}

func TestDelete(t *testing.T) {
	k := newKube(t)
	k.must("run", "one", "--image=x")
	k.must("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
	k.must("delete", "pod/one", "--timeout=60s")
	_, code := k.run("", "get", "pod/one")
	assert.Equal(t, 1, code)
}

func TestGarbageCollection(t *testing.T) {
	k := newKube(t)
	k.must("create", "deployment", "web", "--image=x", "--replicas=2")
	k.must("rollout", "status", "deployment/web", "--timeout=60s")
	k.must("delete", "deployment/web")
	k.must("wait", "--for=delete", "replicasets", "-l", "app=web", "--timeout=60s")
	k.must("wait", "--for=delete", "pods", "-l", "app=web", "--timeout=60s")

	k.must("create", "deployment", "kept", "--image=x")
	k.must("rollout", "status", "deployment/kept", "--timeout=60s")
	k.must("delete", "deployment/kept", "--cascade=orphan")
	assert.Contains(t, k.must("get", "replicasets", "-l", "app=kept", "-o", "name"), "replicaset.apps/kept")
}

func TestNamespaceTerminates(t *testing.T) {
	k := newKube(t)
	other := k.namespace + "-2"
	k.must("create", "namespace", other)
	k.must("create", "deployment", "web", "--image=x", "-n", other)
	k.must("create", "configmap", "c", "-n", other)
	k.must("delete", "namespace", other, "--timeout=60s")
	_, code := k.run("", "get", "namespace", other)
	assert.Equal(t, 1, code)
}

func TestCustomResource(t *testing.T) {
	k := newKube(t)
	k.apply(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: kites.test.example.com}
spec:
  group: test.example.com
  names: {kind: Kite, plural: kites, singular: kite, shortNames: [kt]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {length: {type: integer}}
            x-kubernetes-validations: [{rule: "self.length < 100", message: too long}]
`)
	t.Cleanup(func() { k.must("delete", "crd", "kites.test.example.com") })
	k.must("wait", "--for=condition=Established", "crd/kites.test.example.com", "--timeout=60s")
	k.apply(`{apiVersion: test.example.com/v1, kind: Kite, metadata: {name: red}, spec: {length: 5}}`)
	assert.Equal(t, "5", k.must("get", "kt", "red", "-o", "jsonpath={.spec.length}"))
	out, code := k.run(`{apiVersion: test.example.com/v1, kind: Kite, metadata: {name: blue}, spec: {length: 500}}`, "apply", "-f", "-")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "too long")
}

// The API server calls a webhook for real: it is told where by URL, and trusts it by its certificate.
func TestWebhook(t *testing.T) {
	k := newKube(t)
	hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":` +
			`{"uid":"` + uidOf(r) + `","allowed":false,"status":{"message":"the webhook says no"}}}`))
	}))
	defer hook.Close()
	k.apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: no-configmaps}
webhooks:
- name: no-configmaps.test.example.com
  clientConfig: {url: "` + hook.URL + `", caBundle: ` + pemOf(hook) + `}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + k.namespace + `}}
  admissionReviewVersions: [v1]
  sideEffects: None
`)
	t.Cleanup(func() { k.must("delete", "validatingwebhookconfiguration", "no-configmaps") })
	eventually(t, "the webhook is asked", func() bool {
		out, code := k.run("", "create", "configmap", "c", "--dry-run=server")
		return code == 1 && strings.Contains(out, "the webhook says no")
	})
}

func TestRBAC(t *testing.T) {
	k := newKube(t)
	k.must("create", "serviceaccount", "reader")
	who := "--as=system:serviceaccount:" + k.namespace + ":reader"
	out, code := k.run("", "auth", "can-i", "list", "pods", who)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "no")
	k.must("create", "role", "pods", "--verb=list", "--resource=pods")
	k.must("create", "rolebinding", "pods", "--role=pods", "--serviceaccount="+k.namespace+":reader")
	assert.Contains(t, k.must("auth", "can-i", "list", "pods", who), "yes")

	token := strings.TrimSpace(k.must("create", "token", "reader"))
	server := k.must("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
	bearer := []string{"--kubeconfig=/dev/null", "--server=" + server, "--insecure-skip-tls-verify", "--token=" + token}
	assert.Contains(t, k.must(append(bearer, "get", "pods")...), "No resources found")
	out, code = k.run("", append(bearer, "get", "secrets")...)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "Forbidden")
}

func TestQuotaAndDisruption(t *testing.T) {
	k := newKube(t)
	k.must("create", "quota", "few", "--hard=configmaps=2")
	k.must("wait", "--for=jsonpath={.status.used.configmaps}=1", "quota/few", "--timeout=60s") // kube-root-ca.crt
	k.must("create", "configmap", "one")
	out, code := k.run("", "create", "configmap", "two")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "exceeded quota")

	k.must("create", "deployment", "web", "--image=x", "--replicas=2")
	k.must("rollout", "status", "deployment/web", "--timeout=60s")
	k.must("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=2")
	k.must("wait", "--for=jsonpath={.status.currentHealthy}=2", "pdb/web", "--timeout=60s")
	assert.Equal(t, "0", k.must("get", "pdb/web", "-o", "jsonpath={.status.disruptionsAllowed}"))
}

func TestAggregation(t *testing.T) {
	k := newKube(t)
	assert.Contains(t, k.must("get", "apiservices", "v1.apps"), "True")
	assert.Contains(t, k.must("get", "--raw", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/catch-all"), "catch-all")
}

func TestSeed(t *testing.T) {
	k := newKube(t)
	out := k.must("get", "pods", "-n", "default", "-o", "name")
	for _, want := range []string{`cassandra-\w{5}`, `liveness-exec`, `mysql-\w{5}`, `nginx-pod-node1`} {
		assert.Regexp(t, `(?m)^pod/`+want+`$`, out)
	}
	owners := k.must("get", "pods", "-n", "default", "-l", "app=myweb", "-o", "jsonpath={.items[*].metadata.ownerReferences[0].kind}")
	assert.ElementsMatch(t, []string{"ReplicaSet", "ReplicationController"}, strings.Fields(owners))
	assert.Equal(t, "node1", k.must("get", "pod/nginx-pod-node1", "-n", "default", "-o", "jsonpath={.spec.nodeName}"))
	for _, name := range []string{"coredns", "default-http-backend", "metrics-server"} {
		k.must("wait", "--for=condition=Available", "deployment/"+name, "-n", "kube-system", "--timeout=60s")
	}
}

// uidOf is the id of an admission request, which the answer repeats.
func uidOf(r *http.Request) string {
	var review struct {
		Request struct {
			UID string `json:"uid"`
		} `json:"request"`
	}
	_ = json.NewDecoder(r.Body).Decode(&review)
	return review.Request.UID
}

func pemOf(server *httptest.Server) string {
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return base64.StdEncoding.EncodeToString(block)
}
