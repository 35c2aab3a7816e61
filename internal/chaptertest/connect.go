package chaptertest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"client-go-lab/internal/chapter"
)

// ConnectErrors tries everything that can be wrong before the first answer: one line says what was tried and what to
// do. reading and writing name steps that need a cluster. They run as processes: a logger's line would be seen, too.
func (p Program) ConnectErrors(t *testing.T, reading, writing string) {
	Isolate(t)
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	require.NoError(t, os.WriteFile(broken, []byte("{[no yaml"), 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := "https://" + listener.Addr().String()
	require.NoError(t, listener.Close())
	nobody := Kubeconfig(t, "lab", closed)

	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"no kubeconfig at all", []string{reading}, []string{"no cluster to talk to: looked in ", "none", "go run ./lab up"}},
		{"closed port", []string{"-kubeconfig", nobody, reading}, []string{"no answer from " + closed, `context "lab"`, "refused", "go run ./lab up"}},
		{"closed port, writing", []string{"-kubeconfig", nobody, writing}, []string{"no answer from " + closed, "go run ./lab up"}},
		{"missing file", []string{"-kubeconfig", filepath.Join(dir, "missing"), reading}, []string{"read the kubeconfig: stat ", "missing", "-kubeconfig", "go run ./lab up"}},
		{"a directory", []string{"-kubeconfig", dir, reading}, []string{"read the kubeconfig: ", dir, "is a directory", "go run ./lab up"}},
		{"no YAML", []string{"-kubeconfig", broken, reading}, []string{"read the kubeconfig: ", broken, "yaml", "go run ./lab up"}},
		{"unknown context", []string{"-kubeconfig", nobody, "-context", "prod", reading}, []string{`no context "prod" in ` + nobody + ", which has: lab", "-context", "go run ./lab up"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, code := Command(t, nil, c.args...)
			assert.Equal(t, chapter.ExitFailed, code)
			assert.Empty(t, stdout)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
			assert.True(t, strings.HasPrefix(stderr, p.Chapter.Dir+": "), stderr)
			for _, want := range c.want {
				assert.Contains(t, stderr, want)
			}
		})
	}
}

// Guard makes sure that the steps that write send nothing to a cluster that is not known to be for play.
func (p Program) Guard(t *testing.T, writing ...string) {
	Isolate(t)
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	kubeconfig := Kubeconfig(t, "prod", server.URL)
	for _, step := range writing {
		stdout, stderr, code := p.Run(t.Context(), step, "-kubeconfig", kubeconfig)
		assert.Equal(t, chapter.ExitFailed, code, step)
		assert.Empty(t, stdout, step)
		assert.Contains(t, stderr, `the current context "prod" is neither "lab" nor "kind-...": if you mean it, say -context prod`, step)
		assert.Zero(t, requests.Load(), "%s has sent something", step)
	}
	_, _, _ = p.Run(t.Context(), writing[0], "-kubeconfig", kubeconfig, "-context", "prod")
	assert.NotZero(t, requests.Load(), "named with -context, the cluster is asked")
}
