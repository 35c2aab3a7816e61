package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWithoutProgress(t *testing.T) {
	assert.Equal(t, "one\nBuilding a house, in 5 steps\nStill waiting for tea\ntwo\n", withoutProgress(`go: downloading k8s.io/gengo/v2 v2.0.0
one
Building 07-controller: 40 packages to compile, about 1 min here.
Ctrl-C is safe: the next try goes on where this one stopped.
Building 07-controller: 12/900 packages, 10s
Linking 07-controller, 1m10s
Built 07-controller in 1m12s.
Building a house, in 5 steps
Still waiting for the API server: this machine is busy.
Still waiting for tea
Testing, 1m0s
Testing (the first time, client-go is compiled), 2m0s
two
`))
}

func TestWhatVaries(t *testing.T) {
	for _, pair := range [][2]string{
		{"mysql-g5zvw   1/1     Running", "mysql-x2kqp   1/1     Running"},
		{"web-7d4b9c6f5-x2kqp", "web-66c8f4bd97-lm4zr"},
		{"uid 0b6f4a1e-3c58-4c0e-9d0f-5f2d8a7c1b22", "uid ffffffff-3c58-4c0e-9d0f-5f2d8a7c1b22"},
		{"at https://127.0.0.1:38447, 2 nodes, after 2.9 s.", "at https://127.0.0.1:6443, 2 nodes, after 12.0 s."},
		{`resourceVersion: "4711"`, `resourceVersion: "12"`},
		{"resourceVersion=4711", "resourceVersion=12"},
		{"pid 1, 312 MiB", "pid 4711, 90 MiB"},
		{"node1   Ready    <none>   9s      v1.37.2", "node1   Ready    <none>   2m10s   v1.37.2"},
		{"Context \"lab\" is current in /home/gopher/.kube/config.", "Context \"lab\" is current in /tmp/docs-1/.kube/config."},
	} {
		assert.Equal(t, normal(pair[0], "/tmp/docs-1"), normal(pair[1], "/tmp/docs-1"))
	}
	for _, pair := range [][2]string{
		{"mysql-g5zvw", "mysqk-g5zvw"},
		{"mysql-g5zvw", "mysql-g5zv"},
		{"nginx-pod-node1", "nginx-pod-node2"},
		{"kube-proxy-abcde", "kube-proxy-apple"}, // vowels
		{"web-7d4b9c6f5-x2kqp", "web-x2kqp"},
		{"10.0.0.1:38447", "10.0.0.1:6443"},
		{"GET /api/v1/namespaces?timeout=5s", "GET /api/v1/namespaces?timeout=6s"},
		{"about 2 s", "about 3 s"},
		{"2.9 s", "2.9 ms"},
		{"generation 1", "generation 2"},
		{"pid 1", "ppid 2"},
		{"2 nodes", "3 nodes"},
		{"node1   Ready   9s", "node1   NotReady   9s"},
		{"a  b", "a b"},
		{"    indented", "  indented"},
		{"one\ntwo", "one\n\ntwo"},
		{"v1.37.2", "v1.37.3"},
	} {
		assert.NotEqual(t, normal(pair[0], ""), normal(pair[1], ""))
	}
}

// The authors' list and the patterns are the same, and every pattern does something.
func TestListOfWhatVaries(t *testing.T) {
	page, err := os.ReadFile("../../docs/writing.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "## What varies\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	var examples []string
	for _, row := range regexp.MustCompile("(?m)^\\| [^|]+ \\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		examples = append(examples, row[1])
	}
	var ours []string
	for _, v := range vary {
		ours = append(ours, v.example)
		assert.Contains(t, normal(v.example, ""), v.what)
	}
	assert.Equal(t, ours, examples)
}

func TestCommands(t *testing.T) {
	got, err := commands("$ echo 'a\n> b'\na\nb\n> not a command\n$ true\n")
	require.NoError(t, err)
	assert.Equal(t, []command{{"echo 'a\nb'\n", "a\nb\n> not a command\n"}, {"true\n", ""}}, got)
	_, err = commands("a\n$ b\n")
	assert.ErrorContains(t, err, "begins with a command")
	_, err = commands("")
	assert.ErrorContains(t, err, "an empty console block")
}

// console checks a block in a home without a cluster.
func console(t *testing.T, b *block) string {
	t.Helper()
	h, err := newHome("")
	require.NoError(t, err)
	defer func() { require.NoError(t, h.remove(t.Context())) }()
	what, err := h.checkConsole(t.Context(), t.TempDir(), b)
	require.NoError(t, err)
	return what
}

func TestConsole(t *testing.T) {
	for text, exit := range map[string]string{
		"$ echo one; echo two >&2\none\ntwo\n$ true\n$ echo three\nthree\n": "",
		"$ cd /\n$ pwd\n/\n":                                                           "",
		"$ x='a\n> b'; echo \"$x\"\na\nb\n":                                            "",
		"$ echo mysql-x2kqp\nmysql-g5zvw\n":                                            "",
		"$ echo ~/.kube\n/home/gopher/.kube\n":                                         "",
		"$ printf 'no end of line'\nno end of line\n":                                  "",
		"$ echo no; exit 3\nno\n":                                                      "3",
		"$ echo \"${KUBECONFIG-none} ${LAB_STATE-none}\"\nnone none\n":                 "",
		"$ read -r line || echo nobody types\nnobody types\n":                          "",
		"$ go env GOCACHE >where && test -s where && echo kept\nkept\n":                "",
		"$ test -z \"$(ls -A ~ | grep -v -e cache -e config)\" && echo fresh\nfresh\n": "",
	} {
		t.Setenv("KUBECONFIG", "/learner/config")
		t.Setenv("LAB_STATE", "/learner/state")
		b := &block{text: text, fixed: text, attrs: map[string]string{}}
		if exit != "" {
			b.attrs["exit"] = exit
		}
		assert.Empty(t, console(t, b), text)
		assert.Equal(t, text, b.fixed)
	}
}

func TestConsoleFinds(t *testing.T) {
	for name, c := range map[string]struct{ text, want, fixed string }{
		"a wrong word": {"$ echo one\nono\n", "\"echo one\" printed something else:\n", "$ echo one\none\n"},
		"a line too few": {"$ printf 'one\\ntwo\\n'\none\n$ echo mysql-x2kqp\nmysql-g5zvw\n", "+two\n",
			"$ printf 'one\\ntwo\\n'\none\ntwo\n$ echo mysql-x2kqp\nmysql-g5zvw\n"},
		"a line too many": {"$ echo one\none\ntwo\n", "-two\n", "$ echo one\none\n"},
		"no output":       {"$ true\none\n", "-one\n", "$ true\n"},
		"a wrong name":    {"$ echo pod-node1 9s\npod-node2 9s\n", "-pod-node2 <age>\n+pod-node1 <age>\n", "$ echo pod-node1 9s\npod-node1 9s\n"},
		"what a home is":  {"$ echo ~/x\n~/x\n", "+/home/gopher/x\n", "$ echo ~/x\n/home/gopher/x\n"},
		"a failure":       {"$ echo one; exit 3\none\n$ echo two\ntwo\n", "\"echo one; exit 3\" ended with exit code 3, not 0, and printed:\none\n", ""},
		"a failing pipe":  {"$ false | true\n", "ended with exit code 1, not 0", ""},
		"an unset name":   {"$ echo \"$nothing\"\n\n", "ended with exit code 1, not 0", ""},
		"no command":      {"one\n", `begins with a command`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := &block{text: c.text, fixed: c.text}
			assert.Contains(t, console(t, b), c.want)
			if c.fixed == "" {
				c.fixed = c.text
			} else {
				assert.Contains(t, console(t, b), mend)
			}
			assert.Equal(t, c.fixed, b.fixed)
		})
	}
	b := &block{text: "$ true\n", attrs: map[string]string{"exit": "1"}}
	assert.Contains(t, console(t, b), `"true" ended with exit code 0, not 1`)
}

func TestShell(t *testing.T) {
	h, err := newHome("")
	require.NoError(t, err)
	defer func() { require.NoError(t, h.remove(t.Context())) }()
	what, err := h.checkShell(t.Context(), "/", &block{text: "# a comment\necho one\npwd\n"})
	require.NoError(t, err)
	assert.Empty(t, what)
	what, err = h.checkShell(t.Context(), "/", &block{text: "echo one\nfalse\necho two\n"})
	require.NoError(t, err)
	assert.Equal(t, "it ended with exit code 1 and printed:\none\n", what)
}

// Ctrl-C ends what the commands have started, and the home goes away with its cluster.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "bin", "key", "localcluster")
	require.NoError(t, os.MkdirAll(filepath.Dir(binary), 0o755))
	require.NoError(t, os.WriteFile(binary, []byte("#!/bin/sh\necho \"$1 $LAB_STATE\" >>"+dir+"/log\n"), 0o755))
	h, err := newHome(binary)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, cancel)
	start := time.Now()
	_, err = h.checkConsole(ctx, dir, &block{text: "$ mkdir -p " + h.cache + "/cluster; echo >" + h.cache + "/cluster/cluster.json; ls " + h.cache + "/bin/key\n" +
		"localcluster\n$ sh -c 'echo $$ >" + dir + "/pid; exec sleep 60'\n"})
	require.ErrorIs(t, err, context.Canceled)
	assert.Less(t, time.Since(start), 4*time.Second)
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	require.NoError(t, err)
	assert.Error(t, exec.Command("kill", "-0", strings.TrimSpace(string(pid))).Run(), "its child is gone, too")

	require.NoError(t, h.remove(ctx))
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	assert.Equal(t, "down "+h.cache+"/cluster\n", string(log))
	assert.NoDirExists(t, h.dir)
}
