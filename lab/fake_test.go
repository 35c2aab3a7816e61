package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test binary plays every program: under the names go, localcluster and 01-restclient it is a fake that writes down
// what it was asked for, under the name lab it is the real lab. Links with those names make it so.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); name {
	case "lab":
		main()
	case "go":
		os.Exit(fakeGo(os.Args[1:]))
	case "localcluster":
		os.Exit(fakeCluster(os.Args[1:]))
	case "git", "gofmt", "shellcheck":
		note(name, strings.Join(os.Args[1:], " "))
		fmt.Print(os.Getenv("FAKE_" + name))
		if name == "shellcheck" && os.Getenv("FAKE_shellcheck") != "" {
			os.Exit(1)
		}
		os.Exit(0)
	case "01-restclient", "02-clientset":
		os.Exit(fakeChapter(name, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func note(words ...string) {
	f, err := os.OpenFile(os.Getenv("FAKE_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		fmt.Fprintln(f, strings.Join(words, " "))
		f.Close()
	}
}

// waitAtGate tells the test that this fake is in the middle of its work, and goes on when the test says so.
func waitAtGate(where string) {
	at, address, found := strings.Cut(os.Getenv("FAKE_GATE"), " ")
	if !found || at != where {
		return
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	opened := make(chan struct{})
	go func() {
		conn.Read(make([]byte, 1))
		close(opened)
	}()
	select {
	case <-opened:
	case <-interrupted:
		note("interrupted")
		os.Exit(1)
	}
}

// fakeGo compiles k8s.io/a and k8s.io/b; GOCACHE is a file with the packages that are compiled.
func fakeGo(args []string) int {
	cache := os.Getenv("GOCACHE")
	data, _ := os.ReadFile(cache)
	compiled := strings.Fields(string(data))
	note("go", strings.Join(args, " "))
	switch {
	case args[0] == "env":
		for _, name := range args[1:] {
			fmt.Println(os.Getenv("FAKE_" + name))
		}
	case args[0] == "list" && args[1] == "-deps":
		fmt.Fprintln(os.Stderr, "go: downloading k8s.io/a v1.0.0")
		fmt.Println("false unsafe\nfalse fmt")
		for _, pkg := range []string{"k8s.io/a", "k8s.io/b"} {
			fmt.Println(!slices.Contains(compiled, pkg), pkg)
		}
		fmt.Println("true client-go-lab/x")
	case args[0] == "list" && args[1] == "-f":
		fmt.Println(os.Getenv("FAKE_TESTED"))
	case args[0] == "build":
		if out := os.Getenv("FAKE_FAILURE"); out != "" {
			fmt.Fprintln(os.Stderr, out)
			return 1
		}
		for _, pkg := range []string{"k8s.io/a", "k8s.io/b"} {
			if slices.Contains(compiled, pkg) {
				continue
			}
			fmt.Fprintln(os.Stderr, pkg)
			note("compile", pkg)
			compiled = append(compiled, pkg)
			os.WriteFile(cache, []byte(strings.Join(compiled, " ")), 0o644)
			os.WriteFile(filepath.Join(os.Getenv("GOTMPDIR"), "go-build1"), nil, 0o644)
			waitAtGate("compile")
		}
		fmt.Fprintln(os.Stderr, "client-go-lab/x")
		self, _ := os.Executable()
		out := args[slices.Index(args, "-o")+1]
		os.Remove(out)
		if err := os.Symlink(self, out); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	case args[0] == "tool" && slices.Contains(args, "controller-gen"):
		dir := strings.TrimPrefix(args[len(args)-1], "output:dir=")
		for _, name := range strings.Fields(os.Getenv("FAKE_GENERATES")) {
			os.WriteFile(filepath.Join(dir, name), []byte("generated"), 0o644)
		}
	case args[0] == "run" && args[1] == "./lab":
		self, _ := exec.LookPath("lab")
		cmd := exec.Command(self, args[2:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode()
	case args[0] == "run" && args[1] == "-C": // the checker of the documents
		waitAtGate("docs")
		fmt.Print(os.Getenv("FAKE_DOCS"))
		code, _ := strconv.Atoi(os.Getenv("FAKE_DOCS_EXIT"))
		return code
	case args[0] == "test":
		waitAtGate("test")
		if slices.Contains(args, "-race") {
			note("with race CGO_ENABLED=" + os.Getenv("CGO_ENABLED"))
		}
		note("test env", "HOME="+os.Getenv("HOME"), "LAB_STATE="+os.Getenv("LAB_STATE"), "LAB_TEST_KUBECONFIG="+os.Getenv("LAB_TEST_KUBECONFIG"))
		fmt.Print(os.Getenv("FAKE_TESTS"))
		if os.Getenv("FAKE_ORPHAN") != "" { // a test starts a cluster of its own and dies
			state := filepath.Join(os.TempDir(), "TestX", "001", "state")
			os.MkdirAll(state, 0o700)
			os.WriteFile(filepath.Join(state, "cluster.json"), nil, 0o600)
		}
		code, _ := strconv.Atoi(os.Getenv("FAKE_TEST_EXIT"))
		return code
	}
	return 0
}

// fakeCluster runs when its directory holds a file named running.
func fakeCluster(args []string) int {
	state := os.Getenv("LAB_STATE")
	note("localcluster", strings.Join(args, " "))
	running := filepath.Join(state, "running")
	switch args[0] {
	case "up":
		if os.Getenv("FAKE_UP") == "fails" {
			fmt.Fprintln(os.Stderr, "no port is free")
			return 1
		}
		binary, _ := json.Marshal(map[string]string{"binary": os.Args[0]})
		os.MkdirAll(state, 0o700)
		os.WriteFile(filepath.Join(state, "cluster.json"), binary, 0o600)
		os.WriteFile(running, nil, 0o600)
		waitAtGate("up")
		if os.Getenv("FAKE_UP") == "unmerged" {
			fmt.Fprintln(os.Stderr, "the cluster runs, but its context could not be added")
			return 1
		}
		fmt.Println("The cluster is up.")
		fmt.Println("The API server is ready after 2.0 s.\nKubernetes v1.37.2 is ready at https://127.0.0.1:1, 2 nodes, after 3.0 s.")
	case "down":
		note("down", state)
		if os.Getenv("FAKE_DOWN") == "fails" {
			return 1
		}
		os.Remove(running)
	case "status":
		if !exists(running) {
			fmt.Println("The cluster is not running.")
			return 3
		}
		fmt.Println("The cluster is ready.")
		fmt.Println("all                   373 MiB  ")
	case "kubectl":
		fmt.Println("kubectl", args[1:])
		return 7
	}
	return 0
}

// fakeChapter prints what it was given and ends with the code that the argument exit=N asks for.
func fakeChapter(name string, args []string) int {
	note(name, strings.Join(args, " "))
	signals := make(chan os.Signal, 1)
	if os.Getenv("FAKE_CHAPTER") == "cleans up" {
		signal.Notify(signals, os.Interrupt)
	}
	if slices.Equal(args, []string{"all"}) {
		fmt.Println("=== 1/1 pods: list them")
	}
	fmt.Printf("%s %q KUBECONFIG=%s\n", name, args, os.Getenv("KUBECONFIG"))
	if os.Getenv("FAKE_CHAPTER") == "cleans up" {
		<-signals
		fmt.Println("cleaning up")
		<-signals
		note("interrupted twice")
		return 130
	}
	for _, arg := range append(args, os.Getenv("FAKE_CHAPTER")) {
		if n, found := strings.CutPrefix(arg, "exit="); found {
			code, _ := strconv.Atoi(n)
			return code
		}
	}
	return 0
}

// lab is a repository, a home and fakes to try lab with.
type lab struct {
	t    *testing.T
	root string
	home string
	env  []string
}

const kubernetesModule = "module client-go-lab/localcluster\n\nrequire (\n\tk8s.io/kubernetes v1.37.2\n)\n"

func newLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	l := &lab{t: t, root: filepath.Join(dir, "repo"), home: filepath.Join(dir, "home")}
	for name, content := range map[string]string{
		"go.mod":                "module client-go-lab\n\ngo 1.26.0\n",
		"01-restclient/main.go": "// Chapter one.\n// It has more to say.\npackage main\n",
		"02-clientset/main.go":  "// Chapter two.\npackage main\n",
		"03-later/README.md":    "no program yet",
		"localcluster/go.mod":   kubernetesModule,
		"localcluster/go.sum":   "",
		"tools/go.mod":          "module client-go-lab/tools\n",
		"localcluster/main.go":  "package main\n",
		apiDir + "/zz.go":       "generated",
		crdDir + "/crd.yaml":    "generated",
	} {
		l.write(name, content)
	}
	bin := filepath.Join(dir, "bin")
	require.NoError(t, os.MkdirAll(bin, 0o755))
	require.NoError(t, os.MkdirAll(l.home, 0o755))
	l.env = []string{"PATH=" + bin, "HOME=" + l.home, "XDG_CACHE_HOME=" + filepath.Join(l.home, "cache"), "KUBECONFIG=/learner/config",
		"FAKE_LOG=" + filepath.Join(dir, "log"), "FAKE_GOVERSION=go1.26.8", "GOCACHE=" + filepath.Join(dir, "compiled"), "FAKE_GOROOT=" + dir, "FAKE_GENERATES=zz.go crd.yaml",
		"GORACE=atexit_sleep_ms=0"} // under -race every program would end a second later
	l.programs("go", "lab")
	return l
}

// programs puts fakes into PATH.
func (l *lab) programs(names ...string) {
	l.t.Helper()
	self, err := os.Executable()
	require.NoError(l.t, err)
	for _, name := range names {
		require.NoError(l.t, os.Symlink(self, filepath.Join(l.value("PATH"), name)))
	}
}

func (l *lab) write(name, content string) {
	l.t.Helper()
	path := filepath.Join(l.root, name)
	require.NoError(l.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(l.t, os.WriteFile(path, []byte(content), 0o644))
}

// value is a variable of the fakes' environment.
func (l *lab) value(name string) string {
	for _, v := range slices.Backward(l.env) {
		if value, found := strings.CutPrefix(v, name+"="); found {
			return value
		}
	}
	l.t.Fatalf("no %s in the environment", name)
	return ""
}

func (l *lab) log() string {
	data, err := os.ReadFile(l.value("FAKE_LOG"))
	if err != nil {
		return ""
	}
	return string(data)
}

func (l *lab) cache(elem ...string) string {
	return filepath.Join(append([]string{l.home, "cache", "client-go-lab"}, elem...)...)
}

// command is `lab args...` in the repository.
func (l *lab) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(l.value("PATH"), "lab"), args...)
	cmd.Dir, cmd.Env = l.root, l.env
	return cmd
}

// run runs lab to its end.
func (l *lab) run(args ...string) (code int, stdout, stderr string) {
	l.t.Helper()
	var out, errOut bytes.Buffer
	cmd := l.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	code = exitOf(l.t, cmd.Run())
	return code, out.String(), errOut.String()
}

func exitOf(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	return exit.ExitCode()
}

// gate holds the fakes at a place until it is opened.
type gate struct {
	t *testing.T
	l net.Listener
}

func (l *lab) gate(where string) *gate {
	l.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(l.t, err)
	l.t.Cleanup(func() { listener.Close() })
	l.env = append(l.env, "FAKE_GATE="+where+" "+listener.Addr().String())
	return &gate{l.t, listener}
}

// reached waits until a fake is at the gate. Closing what it returns lets that fake go on.
func (g *gate) reached() io.Closer {
	g.t.Helper()
	require.NoError(g.t, g.l.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second)))
	conn, err := g.l.Accept()
	require.NoError(g.t, err, "no fake came to the gate")
	return conn
}

// readUntil reads lines until one contains text. It reads no further than that line, so that a next call finds the next.
func readUntil(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var read, line []byte
	for b := make([]byte, 1); ; {
		if _, err := r.Read(b); err != nil {
			t.Fatalf("%q did not come (%v); this did:\n%s", text, err, read)
		}
		read, line = append(read, b[0]), append(line, b[0])
		if b[0] != '\n' {
			continue
		}
		if bytes.Contains(line, []byte(text)) {
			return
		}
		line = nil
	}
}
