package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

// The fake clientset has no RESTClients to take apart. A server that only knows who is asking is enough here.
func TestAnatomyOnFakeServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.Path != "/apis/authentication.k8s.io/v1/selfsubjectreviews" {
			http.NotFound(w, r)
			return
		}
		user := r.Header.Get("Impersonate-User")
		if user == "" {
			user = "gopher"
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","status":{"userInfo":{"username":%q}}}`, user)
	}))
	defer server.Close()
	var out bytes.Buffer
	require.NoError(t, anatomy(t.Context(), &rest.Config{Host: server.URL, QPS: -1}, "default", &out))
	program.RequireOutput(t, "anatomy", out.String())
}

// moduleFile reads a file of the client-go that this program is built with.
func moduleFile(t *testing.T, name string) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/client-go").Output()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), filepath.FromSlash(name)))
	require.NoError(t, err)
	return string(text)
}

// What the README says about generated code: the typed client of Deployments has no List of its own any more. It embeds
// one generic client, which all the others embed, too.
func TestTypedClientsAreGeneric(t *testing.T) {
	deployments := moduleFile(t, "kubernetes/typed/apps/v1/deployment.go")
	assert.Contains(t, deployments, "*gentype.ClientWithListAndApply[*appsv1.Deployment, *appsv1.DeploymentList, ")
	assert.NotContains(t, deployments, "func (c *deployments) List(")
	assert.Contains(t, deployments, "func (c *deployments) GetScale(", "only what is special is written out")
	generic := moduleFile(t, "gentype/type.go")
	assert.Contains(t, generic, "func (l *alsoLister[T, L]) List(")
	assert.Less(t, strings.Count(deployments, "\n"), 150, "316 lines in v0.25")
}
