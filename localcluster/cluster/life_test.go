package cluster

// These tests run the real executable on clusters of their own, each in a directory of its own. They try what can go
// wrong with a cluster's life. `go run ./lab test` gives them the executable.

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testBinary is the executable under test.
func testBinary(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("LAB_TEST_BINARY")
	if binary == "" {
		t.Skip("not run: needs the localcluster executable; `go run ./lab test` builds it and runs everything")
	}
	return binary
}

// box is a cluster of a test's own.
type box struct {
	t      *testing.T
	binary string
	State
}

func newBox(t *testing.T) *box {
	t.Helper()
	t.Parallel() // boxes know nothing of each other, and mostly wait
	b := &box{t: t, binary: testBinary(t), State: State{t.TempDir() + "/state"}}
	t.Cleanup(func() {
		if out, code := b.run("down"); code != 0 {
			t.Errorf("down: exit code %d\n%s", code, out)
		}
	})
	return b
}

func (b *box) command(args ...string) *exec.Cmd {
	cmd := exec.Command(b.binary, args...)
	cmd.Env = append(os.Environ(), "LAB_STATE="+b.Dir, "KUBECONFIG="+b.Dir+".kubeconfig")
	return cmd
}

// run returns what a command printed and its exit code.
func (b *box) run(args ...string) (string, int) {
	b.t.Helper()
	return outcome(b.t, b.command(args...))
}

func outcome(t *testing.T, cmd *exec.Cmd) (string, int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (b *box) must(args ...string) string {
	b.t.Helper()
	out, code := b.run(args...)
	require.Zero(b.t, code, "%v\n%s", args, out)
	return out
}

func (b *box) up(args ...string) string {
	b.t.Helper()
	return b.must(append([]string{"up", "--merge-kubeconfig=false", "--seed=false"}, args...)...)
}

func (b *box) status() Status {
	b.t.Helper()
	out, _ := b.run("status", "--json")
	var st Status
	require.NoError(b.t, json.Unmarshal([]byte(out), &st), out)
	return st
}

func (b *box) supervisor() int {
	b.t.Helper()
	pid, err := b.supervisorPID()
	require.NoError(b.t, err)
	return pid
}

func TestDataSurvives(t *testing.T) {
	b := newBox(t)
	b.up()
	b.must("kubectl", "create", "configmap", "kept", "--from-literal=a=b")
	server := b.status().Config.Server

	b.must("down")
	assert.False(t, b.status().Running)
	b.up()
	assert.Equal(t, "b", b.must("kubectl", "get", "configmap", "kept", "-o", "jsonpath={.data.a}"))
	assert.Equal(t, server, b.status().Config.Server, "the port stays")

	for _, pid := range append(componentPIDs(b.State), b.supervisor()) {
		kill(pid)
	}
	eventually(t, "nothing runs", func() bool { return b.supervisor() == 0 })
	b.up()
	assert.Equal(t, "b", b.must("kubectl", "get", "configmap", "kept", "-o", "jsonpath={.data.a}"))

	b.up("--fresh")
	out, code := b.run("kubectl", "get", "configmap", "kept")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "NotFound")
}

func TestTwoUpsAtOnce(t *testing.T) {
	b := newBox(t)
	type result struct {
		out  string
		code int
	}
	results := make(chan result)
	for range 2 {
		go func() {
			out, err := b.command("up", "--merge-kubeconfig=false").CombinedOutput()
			code := 0
			if err != nil {
				code = 1
			}
			results <- result{string(out), code}
		}()
	}
	first, second := <-results, <-results
	require.Zero(t, first.code, first.out)
	require.Zero(t, second.code, second.out)
	assert.Contains(t, first.out+second.out, "Another up or down is at work")
	assert.Contains(t, first.out+second.out, "is ready at")
	assert.Contains(t, first.out+second.out, "is running at")
}

func TestUpOnARunningClusterStartsNothing(t *testing.T) {
	b := newBox(t)
	b.up()
	pids := componentPIDs(b.State)
	assert.Contains(t, b.up(), "is running at")
	assert.Equal(t, pids, componentPIDs(b.State))

	out, code := b.run("up", "--nodes", "5")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "take it down first")

	config, err := b.LoadConfig()
	require.NoError(t, err)
	config.Binary = "/an/older/localcluster"
	require.NoError(t, writeJSON(b.File("cluster.json"), config))
	assert.Contains(t, b.up(), config.Server+", started by another build")
}

func TestKubectlUsesThisCluster(t *testing.T) {
	b := newBox(t)
	out, code := b.run("kubectl", "get", "pods")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "there is no cluster yet; start it with: go run ./lab up")
	b.must("kubectl", "get", "--help")
	b.up()
	b.must("kubectl", "create", "deployment", "x", "--image=y", "--", "server", "--context=/") // the flag is the pod's
	_, code = b.run("kubectl", "get", "pods", "--context=elsewhere")
	assert.Equal(t, 1, code)
}

func TestNodes(t *testing.T) {
	b := newBox(t)
	b.up("--nodes", "3")
	assert.Contains(t, b.must("kubectl", "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=0s"), "node/node3 condition met")
}

func TestDeadComponentIsStartedAgain(t *testing.T) {
	b := newBox(t)
	b.up()
	for i, name := range ComponentNames() {
		before := componentPIDs(b.State)[i]
		kill(before)
		eventually(t, name+" is started again", func() bool {
			pid := componentPIDs(b.State)[i]
			return pid != 0 && pid != before
		})
	}
	eventually(t, "the cluster is ready again", func() bool { return b.status().Ready })
	b.must("kubectl", "create", "deployment", "after", "--image=x", "--replicas=2")
	b.must("kubectl", "rollout", "status", "deployment/after", "--timeout=60s")
	log := b.must("logs", "supervisor")
	for _, name := range ComponentNames() {
		assert.Contains(t, log, name+" ended after")
	}
}

func TestBusyPort(t *testing.T) {
	b := newBox(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(busy.Addr().String())
	require.NoError(t, err)

	out, code := b.run("up", "--merge-kubeconfig=false", "--port", port)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "port "+port+" is in use by another program")
	assert.Zero(t, b.supervisor())

	require.NoError(t, busy.Close())
	b.up("--port", port)
	b.must("down")
	busy, err = net.Listen("tcp", "127.0.0.1:"+port)
	require.NoError(t, err)
	defer func() { require.NoError(t, busy.Close()) }()
	assert.Contains(t, b.up(), "Port "+port+", which the cluster had, is in use by another program")
	assert.True(t, b.status().Ready)
}

func TestStalePIDFile(t *testing.T) {
	b := newBox(t)
	other := exec.Command("sleep", "600")
	require.NoError(t, other.Start())
	ended := make(chan struct{})
	go func() { _ = other.Wait(); close(ended) }()
	require.NoError(t, b.prepare())
	require.NoError(t, os.WriteFile(b.File("run.lock"), []byte(strconv.Itoa(other.Process.Pid)), 0o600))

	assert.Contains(t, b.must("down"), "not running")
	b.up()
	b.must("down")
	select {
	case <-ended:
		t.Error("another program was killed")
	default:
	}
	require.NoError(t, other.Process.Kill())
	<-ended
}

func TestUnusableDirectory(t *testing.T) {
	binary := testBinary(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	cmd := exec.Command(binary, "up", "--merge-kubeconfig=false")
	cmd.Env = append(os.Environ(), "LAB_STATE="+file+"/state")
	out, code := outcome(t, cmd)
	assert.Equal(t, 1, code)
	assert.Equal(t, 1, strings.Count(out, "\n"), "one line: %s", out)
	assert.Contains(t, out, "set LAB_STATE to another directory")
}

// A process that may write no byte to any file stands for a full disk.
func TestFullDisk(t *testing.T) {
	binary := testBinary(t)
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `ulimit -f 0; exec "$0" up --merge-kubeconfig=false`, binary)
	cmd.Env = append(os.Environ(), "LAB_STATE="+dir+"/state")
	out, code := outcome(t, cmd)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "make room or set LAB_STATE")
	pid, err := State{dir + "/state"}.supervisorPID()
	require.NoError(t, err)
	assert.Zero(t, pid)
}

func TestHalfFinishedStart(t *testing.T) {
	b := newBox(t)
	// Killed while it was making keys.
	require.NoError(t, b.prepare())
	require.NoError(t, b.writePKI("https://127.0.0.1:1"))
	require.NoError(t, os.Remove(b.Cert(Admin)))
	require.NoError(t, os.Remove(b.Kubeconfig(Scheduler)))
	b.up()
	b.must("down")

	// Killed after the supervisor was started: the cluster comes up by itself, and the next `up` finds it.
	up := b.command("up", "--merge-kubeconfig=false", "--seed=false")
	require.NoError(t, up.Start())
	eventually(t, "a supervisor runs", func() bool { return b.supervisor() != 0 })
	require.NoError(t, up.Process.Kill())
	_ = up.Wait()
	assert.Contains(t, b.up(), "is running at")
	b.must("down")

	// Killed while writing, by a program less careful than ours.
	require.NoError(t, os.WriteFile(b.File("cluster.json"), []byte(`{"bin`), 0o600))
	out, code := b.run("up", "--merge-kubeconfig=false")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "up --fresh")
	b.up("--fresh")
}

func TestDamagedDataIsNamed(t *testing.T) {
	b := newBox(t)
	b.up()
	b.must("down")
	files, err := filepath.Glob(b.File("etcd/member/snap/db"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	require.NoError(t, os.WriteFile(files[0], bytes.Repeat([]byte("rot"), 40000), 0o600))

	out, code := b.run("up", "--merge-kubeconfig=false")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "etcd does not stay up")
	assert.Contains(t, out, "up --fresh")
	assert.Zero(t, b.supervisor(), "a failed start leaves nothing running")
	b.up("--fresh")
}

func TestInterruptedUpLeavesNothing(t *testing.T) {
	b := newBox(t)
	up := b.command("up", "--merge-kubeconfig=false")
	out := &recorder{}
	up.Stdout, up.Stderr = out, out
	require.NoError(t, up.Start())
	eventually(t, "components start", func() bool { return len(componentPIDs(b.State)) > 0 })
	require.NoError(t, up.Process.Signal(syscall.SIGINT))
	_ = up.Wait()
	assert.Equal(t, 130, up.ProcessState.ExitCode(), out.String())
	assert.Zero(t, b.supervisor())
	for _, pid := range componentPIDs(b.State) {
		assert.False(t, pid != 0 && running(pid), "process %d still runs", pid)
	}
}

func TestUpMergesAndDownTakesBack(t *testing.T) {
	b := newBox(t)
	file := b.Dir + ".kubeconfig"
	require.NoError(t, os.WriteFile(file, []byte(theirs), 0o600))
	out := b.must("up", "--seed=false")
	assert.Contains(t, out, `Context "lab" is current in `+file)
	assert.NotContains(t, out, "PRIVATE")
	assert.Equal(t, "lab", load(t, file).CurrentContext)

	get := b.command("kubectl", "--kubeconfig", file, "get", "namespace", "default", "-o", "name")
	printed, code := outcome(t, get)
	assert.Zero(t, code, printed)
	assert.Equal(t, "namespace/default\n", printed)

	assert.Contains(t, b.must("down"), "current: prod")
	assert.NotContains(t, load(t, file).Contexts, "lab")
}

func TestUpWithAnUnusableKubeconfigStillRuns(t *testing.T) {
	b := newBox(t)
	file := b.Dir + ".kubeconfig"
	require.NoError(t, os.WriteFile(file, []byte("clusters: ["), 0o600))
	out, code := b.run("up", "--seed=false")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "the cluster runs, but kubeconfig "+file+" is unchanged")
	assert.True(t, b.status().Ready)
}

func TestWrongUse(t *testing.T) {
	b := newBox(t)
	for _, args := range [][]string{{"logs", "kubelet"}, {"logs"}, {"up", "twice"}, {"sideways"}, {"up", "--nodes", "many"}} {
		out, code := b.run(args...)
		assert.Equal(t, 1, code, args)
		assert.Equal(t, 1, strings.Count(out, "\n"), "one line for %v: %s", args, out)
	}
	out, code := b.run("status")
	assert.Equal(t, 3, code)
	assert.Contains(t, out, "not running")
	out, code = b.run("logs", "etcd")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "no log of etcd yet")
	assert.Contains(t, b.must("--help"), "localcluster up")
}

func TestOnlyLoopbackAndOnlyWithCredentials(t *testing.T) {
	b := newBox(t)
	b.up()
	config, err := b.LoadConfig()
	require.NoError(t, err)

	roots := x509.NewCertPool()
	roots.AddCert(loadCert(t, b.State, CA))
	client := func(certs ...tls.Certificate) *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certs}}}
	}
	code := func(c *http.Client, url string) int {
		t.Helper()
		response, err := c.Get(url)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	for path, want := range map[string]int{
		"/livez": 200, "/readyz": 200, "/healthz": 200,
		"/version": 401, "/api": 401, "/metrics": 401, "/api/v1/secrets": 401, "/livez/etcd": 401,
	} {
		assert.Equal(t, want, code(client(), config.Server+path), "without credentials, %s", path)
	}

	admin, err := tls.LoadX509KeyPair(b.Cert(Admin), b.Key(Admin))
	require.NoError(t, err)
	assert.Equal(t, 200, code(client(admin), config.Server+"/version"))
	proxy, err := tls.LoadX509KeyPair(b.Cert(FrontProxy), b.Key(FrontProxy))
	require.NoError(t, err)
	assert.Equal(t, 401, code(client(proxy), config.Server+"/version"), "the front proxy is nobody by itself")

	kubelet := "https://127.0.0.1:" + strconv.Itoa(config.Ports.Kubelet) + "/containerLogs/default/a/b"
	_, err = client().Get(kubelet)
	assert.ErrorContains(t, err, "certificate required", "the kubelet API must refuse who has no certificate")
	_, err = client(admin).Get(kubelet)
	assert.ErrorContains(t, err, "tls: bad certificate", "the kubelet API must refuse everybody but the API server")
	apiServer, err := tls.LoadX509KeyPair(b.Cert(KubeletClient), b.Key(KubeletClient))
	require.NoError(t, err)
	assert.Equal(t, 404, code(client(apiServer), kubelet), "no such pod, but an answer")

	info, err := os.Stat(b.File("etcd.sock:0"))
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&os.ModeSocket)
	for _, dir := range []string{b.Dir, b.File("pki"), b.File("etcd")} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), dir)
	}
	if runtime.GOOS != "linux" {
		t.Log("not checked: which sockets listen is read from /proc, which this system has not")
		return
	}
	listening := listeners(t, componentPIDs(b.State))
	assert.ElementsMatch(t, []string{
		"127.0.0.1:" + strconv.Itoa(config.Ports.API), "127.0.0.1:" + strconv.Itoa(config.Ports.Kubelet),
	}, listening)
}

// listeners are the TCP addresses that processes listen on, from /proc.
func listeners(t *testing.T, pids []int) []string {
	t.Helper()
	mine := map[string]bool{}
	for _, pid := range pids {
		links, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
		require.NoError(t, err)
		require.NotEmpty(t, links)
		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "socket:[") {
				mine[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
			}
		}
	}
	var found []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		require.NoError(t, err)
		for _, line := range strings.Split(string(data), "\n")[1:] {
			f := strings.Fields(line)
			const listen = "0A"
			if len(f) < 10 || f[3] != listen || !mine[f[9]] {
				continue
			}
			host, port, _ := strings.Cut(f[1], ":")
			if host == "0100007F" { // 127.0.0.1, in the order of this machine's bytes
				host = "127.0.0.1"
			}
			n, err := strconv.ParseUint(port, 16, 16)
			require.NoError(t, err)
			found = append(found, net.JoinHostPort(host, strconv.FormatUint(n, 10)))
		}
	}
	return found
}

// What a learner put into the cluster may refuse what `up` puts there. It must not lock the learner out.
func TestUpOnAClusterWithAWebhookThatRefusesAll(t *testing.T) {
	b := newBox(t)
	b.up()
	create := b.command("kubectl", "create", "-f", "-")
	create.Stdin = strings.NewReader(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: nobody-answers}
webhooks:
- name: nobody-answers.test.example.com
  clientConfig: {url: "https://127.0.0.1:1/"}
  rules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: [clusterroles, pods]}]
  admissionReviewVersions: [v1]
  sideEffects: None
`)
	out, code := outcome(t, create)
	require.Zero(t, code, out)
	b.must("down")
	assert.Contains(t, b.up(), "nobody-answers.test.example.com")
	b.must("kubectl", "delete", "validatingwebhookconfiguration", "nobody-answers")
	assert.NotContains(t, b.up(), "nobody-answers")
}

func TestOldRevisionsAreGone(t *testing.T) {
	b := newBox(t)
	b.up()
	out, code := b.run("kubectl", "get", "--raw", "/api/v1/namespaces?resourceVersion=1&resourceVersionMatch=Exact")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "too old")
}

func TestSupervisorOutlivesItsTerminal(t *testing.T) {
	b := newBox(t)
	b.up()
	pid := b.supervisor()
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	require.Zero(t, errno)
	assert.Equal(t, pid, int(sid), "it leads a session of its own, so no terminal's hang-up reaches it")
}
