package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"client-go-lab/internal/chaptertest"
)

// secret is in every token of the fake server, so that it would be seen if a token were printed.
const secret = "s3cret"

func TestInClusterOnFakeServer(t *testing.T) {
	chaptertest.Isolate(t)
	for _, anonymous := range []bool{false, true} {
		server := httptest.NewServer(doorkeeper(anonymous))
		defer server.Close()
		var out bytes.Buffer
		require.NoError(t, inCluster(t.Context(), &rest.Config{Host: server.URL, QPS: -1, BearerToken: "admin"}, labNamespace, &out))
		program.RequireOutput(t, "incluster", out.String())
		assert.NotContains(t, out.String(), secret)
	}
}

// In a pod with automountServiceAccountToken: false the variables are set, and there is no token.
func TestPodWithoutToken(t *testing.T) {
	chaptertest.Isolate(t)
	t.Setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	server := httptest.NewServer(doorkeeper(false))
	defer server.Close()
	var out bytes.Buffer
	require.NoError(t, inCluster(t.Context(), &rest.Config{Host: server.URL, QPS: -1, BearerToken: "admin"}, labNamespace, &out))
	assert.Contains(t, out.String(), "KUBERNETES_SERVICE_HOST is set: true\n")
	assert.Contains(t, out.String(), "this may be a pod without a token: open ")
	assert.Contains(t, out.String(), "a wrong token: 401: Unauthorized", "it went on to the end")
}

// A token expires. Who has read its file once is a stranger from then on; client-go reads the file again each minute.
func TestTokenFileIsReadAgain(t *testing.T) {
	file, valid := filepath.Join(t.TempDir(), "token"), ""
	server := roundTripper(func(r *http.Request) (*http.Response, error) {
		answer := httptest.NewRecorder()
		if r.Header.Get("Authorization") == "Bearer "+valid {
			sendAnswer(answer, readyPod("web"))
		} else {
			sendAnswer(answer, apierrors.NewUnauthorized("Unauthorized"))
		}
		return answer.Result(), nil
	})
	synctest.Test(t, func(t *testing.T) {
		renew := func(token string) {
			valid = token
			require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
		}
		renew("first")
		once, err := newClient(&rest.Config{Host: "http://192.0.2.1", QPS: -1, Transport: server, BearerToken: "first"})
		require.NoError(t, err)
		again, err := newClient(&rest.Config{Host: "http://192.0.2.1", QPS: -1, Transport: server, BearerTokenFile: file})
		require.NoError(t, err)
		get := func(client kubernetes.Interface) error {
			_, err := client.CoreV1().Pods("default").Get(t.Context(), "web", metav1.GetOptions{})
			return err
		}
		require.NoError(t, get(once))
		require.NoError(t, get(again))
		renew("second")
		time.Sleep(time.Minute) // of the bubble: it takes no time
		assert.True(t, apierrors.IsUnauthorized(get(once)))
		assert.NoError(t, get(again))
	})
}

// How to reach the server stays; who we were goes.
func TestWithToken(t *testing.T) {
	config := &rest.Config{
		Host: "https://192.0.2.1", Username: "ann", Password: "x", BearerTokenFile: "admin", UserAgent: "lab",
		Impersonate:     rest.ImpersonationConfig{UserName: "jane"},
		TLSClientConfig: rest.TLSClientConfig{Insecure: true, ServerName: "api", CertFile: "cert", KeyFile: "key"},
		Proxy:           http.ProxyFromEnvironment,
	}
	got := withToken(config, secret)
	assert.NotNil(t, got.Proxy)
	got.Proxy = nil // functions cannot be compared
	assert.Equal(t, &rest.Config{
		Host: "https://192.0.2.1", BearerToken: secret, UserAgent: "lab",
		TLSClientConfig: rest.TLSClientConfig{Insecure: true, ServerName: "api"},
	}, got)
}

// doorkeeper knows three tokens: the administrator's, and those of the service accounts reader and visitor. It says 401 to
// other tokens, and to none, unless anybody may ask: then that is 403, as system:anonymous.
func doorkeeper(anonymous bool) http.Handler {
	const namespace = "/api/v1/namespaces/{ns}/"
	const accounts = "system:serviceaccount:client-go-lab:"
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request, user string) any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			token, given := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			user := map[string]string{"admin": "admin", secret + "reader": accounts + "reader", secret + "visitor": accounts + "visitor"}[token]
			if !given && anonymous {
				user = "system:anonymous"
			}
			if user == "" {
				sendAnswer(w, apierrors.NewUnauthorized("Unauthorized"))
				return
			}
			sendAnswer(w, answer(r, user))
		})
	}
	mayRead := func(user, verb string) bool { return user == accounts+"reader" && verb == "list" }

	made := func(*http.Request, string) any {
		return &corev1.ServiceAccount{TypeMeta: metav1.TypeMeta{Kind: "ServiceAccount", APIVersion: "v1"}}
	}
	handle("POST "+namespace+"serviceaccounts", made)
	handle("POST /apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", made)
	handle("POST /apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings", made)
	handle("POST "+namespace+"serviceaccounts/{name}/token", func(r *http.Request, _ string) any {
		return &authenticationv1.TokenRequest{
			TypeMeta: metav1.TypeMeta{Kind: "TokenRequest", APIVersion: "authentication.k8s.io/v1"},
			Status:   authenticationv1.TokenRequestStatus{Token: secret + r.PathValue("name")},
		}
	})
	handle("POST /apis/authorization.k8s.io/v1/namespaces/{ns}/localsubjectaccessreviews", func(*http.Request, string) any {
		return &authorizationv1.LocalSubjectAccessReview{
			TypeMeta: metav1.TypeMeta{Kind: "LocalSubjectAccessReview", APIVersion: "authorization.k8s.io/v1"},
			Status:   authorizationv1.SubjectAccessReviewStatus{Allowed: true},
		}
	})
	handle("POST /apis/authentication.k8s.io/v1/selfsubjectreviews", func(_ *http.Request, user string) any {
		return &authenticationv1.SelfSubjectReview{
			TypeMeta: metav1.TypeMeta{Kind: "SelfSubjectReview", APIVersion: "authentication.k8s.io/v1"},
			Status:   authenticationv1.SelfSubjectReviewStatus{UserInfo: authenticationv1.UserInfo{Username: user}},
		}
	})
	handle("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", func(r *http.Request, user string) any {
		body, _ := io.ReadAll(r.Body)
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil) // protobuf
		if err != nil {
			return apierrors.NewBadRequest(err.Error())
		}
		review := object.(*authorizationv1.SelfSubjectAccessReview)
		review.TypeMeta = metav1.TypeMeta{Kind: "SelfSubjectAccessReview", APIVersion: "authorization.k8s.io/v1"}
		review.Status.Allowed = mayRead(user, review.Spec.ResourceAttributes.Verb)
		return review
	})
	handle("GET "+namespace+"configmaps", func(_ *http.Request, user string) any {
		if !mayRead(user, "list") {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", fmt.Errorf(
				"User %q cannot list resource %q in API group %q in the namespace %q", user, "configmaps", "", labNamespace))
		}
		return &corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"}}
	})
	return mux
}
