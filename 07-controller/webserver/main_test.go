package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mount is a directory as the kubelet makes it of a ConfigMap: the files are links into ..data, which is a link itself.
type mount struct {
	t   *testing.T
	dir string
}

// put replaces the content of the mount, as the kubelet does: a new directory, then the link in one step.
func (m mount) put(version string, files map[string]string) {
	m.t.Helper()
	require.NoError(m.t, os.Mkdir(filepath.Join(m.dir, version), 0o755))
	for name, content := range files {
		require.NoError(m.t, os.WriteFile(filepath.Join(m.dir, version, name), []byte(content), 0o644))
	}
	require.NoError(m.t, os.Symlink(version, filepath.Join(m.dir, "..data_tmp")))
	require.NoError(m.t, os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")))
	for name := range files {
		if _, err := os.Lstat(filepath.Join(m.dir, name)); err != nil {
			require.NoError(m.t, os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)))
		}
	}
}

func handler(t *testing.T) (mount, http.Handler) {
	t.Helper()
	m := mount{t, t.TempDir()}
	root, err := os.OpenRoot(m.dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return m, site(root.FS())
}

func request(handler http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestPage(t *testing.T) {
	for name, c := range map[string]struct {
		files       map[string]string
		contentType string
		body        string
	}{
		"HTML":                      {map[string]string{"index.html": "<h1>hello</h1>"}, "text/html; charset=utf-8", "<h1>hello</h1>"},
		"HTML that looks like text": {map[string]string{"index.html": "hello"}, "text/html; charset=utf-8", "hello"},
		"text":                      {map[string]string{"index.txt": "hello"}, "text/plain; charset=utf-8", "hello"},
		"text that looks like HTML": {map[string]string{"index.txt": "<html>"}, "text/plain; charset=utf-8", "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			m, handler := handler(t)
			m.put("..1", c.files)
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				w := request(handler, method, "/")
				assert.Equal(t, http.StatusOK, w.Code)
				assert.Equal(t, c.contentType, w.Header().Get("Content-Type"))
				assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
				assert.Equal(t, c.body, w.Body.String(), "net/http cuts off the body of an answer to HEAD, not the recorder")
			}
		})
	}
}

func TestPageChanges(t *testing.T) {
	m, handler := handler(t)
	assert.Equal(t, http.StatusNotFound, request(handler, http.MethodGet, "/").Code, "no page yet")
	m.put("..1", map[string]string{"index.txt": "one"})
	assert.Equal(t, "one", request(handler, http.MethodGet, "/").Body.String())
	m.put("..2", map[string]string{"index.txt": "two"})
	assert.Equal(t, "two", request(handler, http.MethodGet, "/").Body.String())
	m.put("..3", map[string]string{"index.html": "three"}) // the link index.txt leads nowhere now
	assert.Equal(t, "three", request(handler, http.MethodGet, "/").Body.String())
}

func TestNothingElse(t *testing.T) {
	m, handler := handler(t)
	m.put("..1", map[string]string{"index.html": "hello", "other.html": "other"})
	for path, code := range map[string]int{
		"/other.html": http.StatusNotFound, "/index.html": http.StatusNotFound, "/..data/": http.StatusNotFound,
	} {
		assert.Equal(t, code, request(handler, http.MethodGet, path).Code, path)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, request(handler, http.MethodPost, "/").Code)
}

// A link that leads out of the directory is not followed.
func TestNoWayOut(t *testing.T) {
	m, handler := handler(t)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(m.dir, "index.html")))
	w := request(handler, http.MethodGet, "/")
	assert.Equal(t, http.StatusInternalServerError, w.Code)
	assert.NotContains(t, w.Body.String(), "secret")
}

// SIGTERM ends ctx. The request that is under way is answered, the program ends after it, and a new one is refused.
func TestDrain(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	begun, answer := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-answer
		io.WriteString(w, "late")
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, slow) }()

	body := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			body <- err.Error()
			return
		}
		defer response.Body.Close()
		b, _ := io.ReadAll(response.Body)
		body <- string(b)
	}()
	<-begun
	cancel()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, 10*time.Second, 10*time.Millisecond, "new connections are refused")
	select {
	case err := <-ended:
		t.Fatalf("ended before the request: %v", err)
	default:
	}
	close(answer)
	assert.Equal(t, "late", <-body)
	assert.NoError(t, <-ended)
}

func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, run(ctx, t.TempDir(), "127.0.0.1:0"))
	assert.ErrorIs(t, run(ctx, filepath.Join(t.TempDir(), "none"), "127.0.0.1:0"), os.ErrNotExist)
	assert.ErrorContains(t, run(ctx, t.TempDir(), "nowhere"), "missing port")
}
