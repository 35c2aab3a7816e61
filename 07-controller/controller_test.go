package main

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"client-go-lab/internal/labtest"
)

// labWorld prepares the cluster that the tests share.
func labWorld(t testing.TB) *world {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", labtest.Kubeconfig(t))
	require.NoError(t, err)
	return newWorld(t, config)
}

func TestControllerOnCluster(t *testing.T) {
	w := labWorld(t)
	r := w.start(w.kubeconfig(""), "-lease", "1m").leading()
	w.create(names(5)...)
	w.requireAsSpecified(5)
	for _, name := range names(3) {
		require.NoError(t, w.websites.Websites(w.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
	w.requireAsSpecified(2)
	assert.Zero(t, r.metric("rest_client_requests_total", `code="403"`))
	assert.Zero(t, r.metric("website_reconcile_total", `result="error"`))
	assert.Zero(t, r.signal(syscall.SIGTERM).ExitCode(), "a controller that is asked to end ends well")
	lease, err := w.kube.CoordinationV1().Leases(w.system).Get(context.WithoutCancel(t.Context()), leaseName, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Empty(t, *lease.Spec.HolderIdentity, "the lease was given back")
}
