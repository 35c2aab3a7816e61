package main

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"client-go-lab/internal/chaptertest"
)

func TestMain(m *testing.M) { chaptertest.Main(m, main) }

// program is this chapter under test.
var program = chaptertest.Program{Chapter: contents(), Expected: expected}

// serve starts a fake API and returns it with a kubeconfig whose current context has the given name.
func serve(t *testing.T, contextName string) (*fakeAPI, string) {
	t.Helper()
	api := newFakeAPI()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return api, chaptertest.Kubeconfig(t, contextName, server.URL)
}

func TestStepsOnFakeAPI(t *testing.T) {
	chaptertest.Isolate(t)
	for _, step := range contents().Steps {
		t.Run(step.Name, func(t *testing.T) {
			api, kubeconfig := serve(t, "lab")
			stdout, stderr, code := chaptertest.Command(t, nil, step.Name, "-kubeconfig", kubeconfig)
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr, "klog writes there")
			program.RequireOutput(t, step.Name, stdout)
			assert.Empty(t, api.names(), "left behind")
		})
	}
}
