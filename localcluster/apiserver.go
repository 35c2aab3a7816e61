package main

import (
	"strconv"

	"github.com/spf13/cobra"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"

	"client-go-lab/localcluster/cluster"
)

// apiServerCommand is upstream's kube-apiserver, with the flags that make it this cluster's.
func apiServerCommand(state cluster.State, ports cluster.Ports) *cobra.Command {
	cmd := apiserver.NewAPIServerCommand()
	cmd.SetArgs([]string{
		"--etcd-servers=" + state.EtcdEndpoint(),

		// Loopback only. The advertised address is never dialled: the "kubernetes" Service gets no endpoints, because
		// no pod here has a process that could use them.
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(ports.API),
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file=" + state.Cert(cluster.APIServer),
		"--tls-private-key-file=" + state.Key(cluster.APIServer),

		// Who you are: client certificates, service-account tokens, and nobody else but on the health endpoints.
		"--client-ca-file=" + state.Cert(cluster.CA),
		"--authentication-config=" + state.File("authentication.yaml"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + state.Key(cluster.ServiceAccounts),
		"--service-account-signing-key-file=" + state.Key(cluster.ServiceAccounts),
		// What you may do.
		"--authorization-mode=RBAC",
		"--allow-privileged=true",

		// Aggregated API servers see the caller's name in headers signed by this client certificate.
		"--proxy-client-cert-file=" + state.Cert(cluster.FrontProxy),
		"--proxy-client-key-file=" + state.Key(cluster.FrontProxy),
		"--requestheader-client-ca-file=" + state.Cert(cluster.FrontProxyCA),
		"--requestheader-allowed-names=" + string(cluster.FrontProxy),
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",

		// `kubectl logs` and `exec`: the API server is the only client that the nodes accept.
		"--kubelet-certificate-authority=" + state.Cert(cluster.CA),
		"--kubelet-client-certificate=" + state.Cert(cluster.KubeletClient),
		"--kubelet-client-key=" + state.Key(cluster.KubeletClient),
		"--kubelet-preferred-address-types=InternalIP",

		"--profiling=false",
		"--shutdown-delay-duration=0s",
	})
	return cmd
}
