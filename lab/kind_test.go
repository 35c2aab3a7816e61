//go:build linux || darwin

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kindWorld runs the real scripts with a PATH on which docker, kind and go are testdata/fake-docker.sh.
type kindWorld struct {
	t    *testing.T
	dir  string // what the fakes keep
	home string
	env  []string
}

func newKindWorld(t *testing.T) *kindWorld {
	t.Helper()
	dir := t.TempDir()
	w := &kindWorld{t: t, dir: filepath.Join(dir, "fake"), home: filepath.Join(dir, "home")}
	bin := filepath.Join(dir, "bin")
	for _, d := range []string{bin, w.home, filepath.Join(w.dir, "nodes"), filepath.Join(dir, "tmp")} {
		require.NoError(t, os.MkdirAll(d, 0o755))
	}
	// Only what the scripts may need: the machine's own docker must not be found.
	for _, tool := range strings.Fields("bash env dirname mktemp rm mkdir cp ln touch cat sed head tail tr grep awk sort tee tar paste comm cut id sleep") {
		path, err := exec.LookPath(tool)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(bin, tool)))
	}
	fake, err := filepath.Abs("testdata/fake-docker.sh")
	require.NoError(t, err)
	for _, name := range []string{"docker", "kind", "go"} {
		require.NoError(t, os.Symlink(fake, filepath.Join(bin, name)))
	}
	w.env = []string{"PATH=" + bin, "HOME=" + w.home, "FAKE=" + w.dir, "TMPDIR=" + filepath.Join(dir, "tmp")}
	w.file("version", "v1.37.2")
	w.file("namespaces", "namespace/default")
	return w
}

func (w *kindWorld) file(name, content string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, name), []byte(content+"\n"), 0o600))
}

// cluster puts a kind cluster into the world.
func (w *kindWorld) cluster(state, kubeadm string) {
	w.file("nodes/client-go-lab-control-plane", state)
	w.file("nodes/client-go-lab-worker", state)
	w.file("kubeadm.conf", kubeadm)
}

const ours = "node-labels: client-go-lab/node=control-plane"

// state is the cluster's: absent, running or exited.
func (w *kindWorld) state() string {
	data, err := os.ReadFile(filepath.Join(w.dir, "nodes", "client-go-lab-control-plane"))
	if err != nil {
		return "absent"
	}
	return strings.TrimSpace(string(data))
}

func (w *kindWorld) log() string {
	data, _ := os.ReadFile(filepath.Join(w.dir, "log"))
	return string(data)
}

func (w *kindWorld) command(script string, args ...string) *exec.Cmd {
	path, err := filepath.Abs(filepath.Join("..", script))
	require.NoError(w.t, err)
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = w.home, w.env // any directory will do
	return cmd
}

// run runs a script of the repository. Whatever it does, it leaves no file behind.
func (w *kindWorld) run(script string, args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	var out, errOut bytes.Buffer
	cmd := w.command(script, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	code = exitOf(w.t, cmd.Run())
	w.requireNoFiles()
	return code, out.String(), errOut.String()
}

func (w *kindWorld) requireNoFiles() {
	w.t.Helper()
	left, err := filepath.Glob(filepath.Join(filepath.Dir(w.dir), "tmp", "*"))
	require.NoError(w.t, err)
	require.Empty(w.t, left)
}

const kindUp, kindDown, chapterOne = "scripts/kind-up.sh", "scripts/kind-down.sh", "01-restclient/kind.sh"

func TestKindUpMakesACluster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env, args []string
		flag      string
	}{
		"kind's own image": {nil, nil, ""},
		"a name":           {nil, []string{"--image", "kindest/node:mine"}, " --image kindest/node:mine"},
		"a name after =":   {nil, []string{"--image=kindest/node:mine"}, " --image kindest/node:mine"},
		"the variable":     {[]string{"KIND_NODE_IMAGE=kindest/node:env"}, nil, " --image kindest/node:env"},
		"name before it":   {[]string{"KIND_NODE_IMAGE=kindest/node:env"}, []string{"--image", "x"}, " --image x"},
		"a file":           {nil, []string{"--image-file", "/etc/hosts"}, " --image kindest/node:from-file"},
		"a file, and name": {nil, []string{"--image-file", "/etc/hosts", "--image", "x"}, " --image x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newKindWorld(t)
			w.env = append(w.env, c.env...)
			code, stdout, stderr := w.run(kindUp, c.args...)
			require.Zero(t, code, stdout+stderr)
			assert.Empty(t, stderr)
			assert.Regexp(t, `(?m)^kind create cluster --name client-go-lab --config /\S+/kind-config.yaml --kubeconfig /\S+ --wait 3m`+regexp.QuoteMeta(c.flag)+`$`, w.log())
			assert.Contains(t, stdout, "\n  Preparing nodes\n", "kind's progress, in plain characters")
			assert.Contains(t, stdout, "context kind-client-go-lab is current")
			assert.Contains(t, w.log(), "--namespace=default apply")
			assert.Equal(t, "running", w.state())
			assert.NotContains(t, w.log(), "kind delete")
		})
	}
}

func TestKindUpFindsACluster(t *testing.T) {
	t.Parallel()
	for state, says := range map[string]string{"running": "is running", "exited": "which was stopped"} {
		w := newKindWorld(t)
		w.cluster(state, ours)
		code, stdout, stderr := w.run(kindUp, "--image", "x")
		require.Zero(t, code, stdout+stderr)
		assert.Contains(t, stdout, says)
		assert.Contains(t, stdout, "keeps its node image, kindest/node:before")
		assert.Equal(t, "running", w.state())
		assert.Contains(t, w.log(), "kind export kubeconfig --name client-go-lab\n")
		assert.NotContains(t, w.log(), "kind create")
		assert.NotContains(t, w.log(), "kind delete")
	}
}

func TestKindUpOnAnotherVersion(t *testing.T) {
	t.Parallel()
	w := newKindWorld(t)
	_, stdout, _ := w.run(kindUp)
	assert.NotContains(t, stdout, "Note:")
	w.file("version", "v1.36.5")
	code, stdout, _ := w.run(kindUp)
	assert.Zero(t, code)
	assert.Contains(t, stdout, "this is Kubernetes v1.36.5, and the lessons show v1.37")
}

func TestKindUpFails(t *testing.T) {
	t.Parallel()
	dead := "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
	pull := `ERROR: failed to create cluster: failed to pull image "kindest/node:v1.37.0@sha256:a1": command "docker pull" failed`
	for name, c := range map[string]struct {
		before func(w *kindWorld)
		args   []string
		code   int
		says   string
	}{
		"no docker": {func(w *kindWorld) {
			require.NoError(w.t, os.Remove(filepath.Join(filepath.Dir(w.dir), "bin", "docker")))
		}, nil, 1, "Docker is not installed; install Docker Engine or Docker Desktop: https://docs.docker.com/get-docker (without Docker: go run ./lab run 01 needs none)"},
		"no go": {func(w *kindWorld) {
			require.NoError(w.t, os.Remove(filepath.Join(filepath.Dir(w.dir), "bin", "go")))
		}, nil, 1, "go is not in PATH"},
		"no daemon":     {func(w *kindWorld) { w.file("docker-version-fails", dead) }, nil, 1, "Docker does not answer; start it"},
		"no permission": {func(w *kindWorld) { w.file("docker-version-fails", "permission denied while trying to connect") }, nil, 1, "usermod -aG docker"},
		"no kind":       {func(w *kindWorld) { w.file("go-tool-fails", "go: no network") }, nil, 1, "go: no network\nkind-up.sh: kind, a tool of go.mod, could not be built"},
		"no image":      {func(w *kindWorld) { w.file("kind-create-fails", pull) }, nil, 1, "the node image kindest/node:v1.37.0 is not here and cannot be pulled"},
		"no memory":     {func(w *kindWorld) { w.file("kind-create-fails", "out of memory") }, nil, 1, "out of memory\nkind-up.sh: kind could not make the cluster"},
		"no image file": {nil, []string{"--image-file", "/nowhere"}, 1, "the image file /nowhere is not there"},
		"a bad file":    {func(w *kindWorld) { w.file("docker-load-fails", "invalid tar header") }, []string{"--image-file", "/etc/hosts"}, 1, "invalid tar header"},
		"locked": {func(w *kindWorld) {
			require.NoError(w.t, os.MkdirAll(filepath.Join(w.home, ".kube", "config.lock"), 0o700))
		}, nil, 1, ".kube/config is locked"},
		"kubeconfig a directory": {func(w *kindWorld) {
			require.NoError(w.t, os.MkdirAll(filepath.Join(w.home, ".kube", "config"), 0o700))
		}, nil, 1, ".kube/config is a directory"},
		"no directory for it": {func(w *kindWorld) { w.env = append(w.env, "KUBECONFIG=/dev/null/config") }, nil, 1, "because /dev/null is not a writable directory"},
		"not written":         {func(w *kindWorld) { w.file("kind-export-fails", "disk full") }, nil, 1, "disk full\nkind-up.sh: kind could not write the context"},
		"no sample image":     {func(w *kindWorld) { w.file("docker-build-fails", "disk full") }, nil, 1, "disk full\nkind-up.sh: docker build could not make"},
		"no samples":          {func(w *kindWorld) { w.file("samples-fails", "timed out") }, nil, 1, "timed out\nkind-up.sh: the sample workloads do not run"},
		"an unknown option":   {nil, []string{"--imag"}, 2, "there is no option or argument '--imag' (-h shows the usage)"},
		"an argument":         {nil, []string{"now"}, 2, "'now'"},
		"an option's value":   {nil, []string{"--image"}, 2, "--image needs a value"},
		"an empty value":      {nil, []string{"--image="}, 2, "--image needs a value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newKindWorld(t)
			if c.before != nil {
				c.before(w)
			}
			code, _, stderr := w.run(kindUp, c.args...)
			assert.Equal(t, c.code, code, stderr)
			assert.Contains(t, stderr, c.says)
			if !strings.Contains(c.says, "\n") { // nothing but our own line
				assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			}
			assert.Equal(t, "absent", w.state(), "what was begun is taken back")
		})
	}
}

func TestKindLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	for _, script := range []string{kindUp, kindDown, chapterOne} {
		w := newKindWorld(t)
		w.cluster("running", "somebody else's")
		code, _, stderr := w.run(script)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, "the name is taken")
		assert.Equal(t, "running", w.state())

		w = newKindWorld(t)
		w.file("other-container", "")
		code, _, stderr = w.run(script)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, "a container named client-go-lab-control-plane, which is no node of kind, is in the way")
		assert.NotRegexp(t, `(?m)^kind `, w.log())
	}
}

func TestKindDown(t *testing.T) {
	t.Parallel()
	w := newKindWorld(t)
	code, stdout, stderr := w.run(kindDown)
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "There is no kind cluster client-go-lab.")
	for _, state := range []string{"running", "exited"} {
		w.cluster(state, ours)
		code, stdout, stderr = w.run(kindDown)
		assert.Zero(t, code, stderr)
		assert.Contains(t, stdout, "Deleting the cluster client-go-lab\n")
		assert.Equal(t, "absent", w.state())
	}
	assert.Equal(t, 2, first(w.run(kindDown, "--all")))
}

func TestKindInterrupted(t *testing.T) {
	t.Parallel()
	for _, script := range []string{kindUp, chapterOne} {
		w := newKindWorld(t)
		w.file("hang", "")
		cmd := w.command(script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		readUntil(t, out, "Preparing nodes")
		assert.Equal(t, "running", w.state())
		require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)) // as a terminal does
		assert.Equal(t, 130, exitOf(t, cmd.Wait()))
		assert.Equal(t, "absent", w.state())
		w.requireNoFiles()
	}
}

func TestChapterOnKind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fake, content string
		code          int
		says          string
	}{
		"all is well":    {"", "", 0, "every step printed what it should, and nothing was left behind"},
		"a step fails":   {"go-run-fails", "01-restclient: boom", 1, "a step of 01-restclient failed on kind"},
		"another output": {"go-test-fails", "--- FAIL: TestAll", 1, "the output on kind is not what the chapter's tests expect"},
		"no TestAll":     {"", "", 1, "01-restclient has no test TestAll"},
		"left behind":    {"left", "configmap/kettle", 1, "the steps left behind in client-go-lab: configmap/kettle"},
		"left outside":   {"left-in-cluster", "crd/cups", 1, "the steps left behind in the whole cluster: crd/cups"},
	} {
		for _, state := range []string{"absent", "running", "exited"} {
			t.Run(name+", "+state, func(t *testing.T) {
				t.Parallel()
				w := newKindWorld(t)
				if c.fake != "" {
					w.file(c.fake, c.content)
				}
				if name == "no TestAll" { // the fake go test prints the recording
					w.env = append(w.env, "PATH="+w.goWith("testing: warning: no tests to run"))
				}
				if state != "absent" {
					w.cluster(state, ours)
				}
				code, stdout, stderr := w.run(chapterOne)
				assert.Equal(t, c.code, code, stdout+stderr)
				assert.Contains(t, stdout+stderr, c.says)
				assert.Equal(t, state, w.state(), "left as it was found")
				assert.Regexp(t, `(?m)^go -C \S+ run ./01-restclient all -context kind-client-go-lab -n client-go-lab-samples$`, w.log())
				assert.Equal(t, state == "absent", strings.Contains(w.log(), "kind create"))
				assert.Equal(t, state != "absent", strings.Contains(w.log(), "delete namespace --ignore-not-found --timeout=120s client-go-lab-samples client-go-lab\n"))
				assert.NoFileExists(t, filepath.Join(w.home, ".kube", "config"), "the reader's kubeconfig is not touched")
			})
		}
	}
}

// goWith is a PATH whose go says line when it tests.
func (w *kindWorld) goWith(line string) string {
	bin := filepath.Join(w.t.TempDir(), "bin")
	require.NoError(w.t, os.MkdirAll(bin, 0o755))
	path := strings.TrimPrefix(w.env[slices.IndexFunc(w.env, func(v string) bool { return strings.HasPrefix(v, "PATH=") })], "PATH=")
	script := "#!/bin/sh\ncase $3 in test) echo '" + line + "' ;; *) exec " + filepath.Join(path, "go") + " \"$@\" ;; esac\n"
	require.NoError(w.t, os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o755))
	return bin + ":" + path
}

func TestChapterOnKindKeeps(t *testing.T) {
	t.Parallel()
	w := newKindWorld(t)
	code, stdout, stderr := w.run(chapterOne, "--keep", "--image", "x")
	require.Zero(t, code, stdout+stderr)
	assert.Equal(t, "running", w.state())
	assert.Contains(t, w.log(), " --image x\n")
	assert.Contains(t, w.log(), "--namespace=default apply", "the lesson's pods, for the reader")
	assert.NotContains(t, w.log(), "kind delete")

	w = newKindWorld(t)
	w.file("kind-create-fails", "out of memory")
	assert.Equal(t, 1, first(w.run(chapterOne, "--keep")))
	assert.Equal(t, "absent", w.state())
}

func TestChapterOnKindAfterAKill(t *testing.T) {
	t.Parallel()
	w := newKindWorld(t)
	w.cluster("running", ours)
	w.file("namespaces", "namespace/client-go-lab-samples\nnamespace/default")
	code, _, stderr := w.run(chapterOne)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "kubectl delete namespace client-go-lab-samples")
	assert.NotContains(t, w.log(), "delete namespace --ignore-not-found --timeout=120s client-go-lab-samples")
	assert.Equal(t, "running", w.state())
}

func TestKindUsage(t *testing.T) {
	t.Parallel()
	for _, script := range []string{kindUp, kindDown, chapterOne} {
		for _, flag := range []string{"-h", "--help"} {
			w := newKindWorld(t)
			code, stdout, stderr := w.run(script, flag)
			assert.Zero(t, code, stderr)
			assert.Contains(t, stdout, "usage: "+script)
			assert.Contains(t, stdout, "\nexamples:\n  "+script)
			assert.Empty(t, w.log(), "nothing is done")
		}
	}
}

func TestProvider(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, script := range []string{"kind-up.sh", "kind-down.sh"} {
		l.write("scripts/"+script, "#!/bin/sh\necho "+script+" \"$*\" in $PWD\nexit 5\n")
		require.NoError(t, os.Chmod(filepath.Join(l.root, "scripts", script), 0o755))
	}
	for line, want := range map[string]struct {
		code int
		says string
	}{
		"up --provider kind":                              {5, "kind-up.sh  in " + l.root},
		"up --provider=kind --image a:b --image-file f.t": {5, "kind-up.sh --image=a:b --image-file=f.t in"},
		"down --provider kind":                            {5, "kind-down.sh  in"},
		"up --provider kind --fresh --nodes 3":            {2, "--fresh and --nodes cannot go with --provider kind"},
		"up --image a:b":                                  {2, "--image cannot go with --provider local"},
		"up --provider minikube":                          {2, `there is no provider "minikube"; the providers are: local, kind`},
		"down --provider minikube":                        {2, "the providers are: local, kind"},
	} {
		code, stdout, stderr := l.run(strings.Fields(line)...)
		assert.Equal(t, want.code, code, line)
		assert.Contains(t, stdout+stderr, want.says, line)
	}
	assert.NotContains(t, l.log(), "localcluster", "the local cluster is not touched")

	require.Zero(t, first(l.run("up", "--provider", "local", "--nodes", "3")))
	assert.Contains(t, l.log(), "localcluster up --nodes=3\n")
	assert.Zero(t, first(l.run("down", "--provider", "local")))
}

// The lesson's pods are the same on kind.
func TestKindSamplesAreTheLabs(t *testing.T) {
	t.Parallel()
	object := regexp.MustCompile(`(?m)^kind: (\S+)\nmetadata: \{name: ([^,} ]+)(, namespace: kube-system)?`)
	objects := func(path string) (names []string) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, found := range object.FindAllStringSubmatch(string(data), -1) {
			if found[3] == "" { // kind has a kube-system of its own
				names = append(names, found[1]+" "+found[2])
			}
		}
		return names
	}
	onKind := objects("../scripts/sample/workloads.yaml")
	require.Len(t, onKind, 6)
	assert.Equal(t, objects("../localcluster/cluster/seed.yaml"), onKind)

	// The number in the image's name changes in both places, or in none.
	lib, err := os.ReadFile("../scripts/kind-lib.sh")
	require.NoError(t, err)
	name := regexp.MustCompile(`sample_image=(\S+)`).FindSubmatch(lib)
	require.NotNil(t, name)
	workloads, err := os.ReadFile("../scripts/sample/workloads.yaml")
	require.NoError(t, err)
	assert.Equal(t, 6, bytes.Count(workloads, append(append([]byte(`image: "`), name[1]...), '"')))
}
