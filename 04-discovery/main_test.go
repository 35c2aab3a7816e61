package main

import (
	"net/http/httptest"
	"testing"

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
	return api, chaptertest.Kubeconfig(t, contextName, server.URL)
}
