package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Identity names a key pair of the cluster, and the files that hold it.
type Identity string

// The identities. The authorities and the service-account key are made once; all others are made anew at every start,
// so that none ever expires in use.
const (
	CA              Identity = "ca"
	FrontProxyCA    Identity = "front-proxy-ca"
	ServiceAccounts Identity = "service-accounts" // a bare key: signs tokens

	APIServer         Identity = "kube-apiserver"
	Kubelet           Identity = "kubelet"
	KubeletClient     Identity = "kube-apiserver-kubelet-client"
	FrontProxy        Identity = "front-proxy-client"
	Admin             Identity = "admin"
	ControllerManager Identity = "kube-controller-manager"
	Scheduler         Identity = "kube-scheduler"
	Kwok              Identity = "kwok"
)

const (
	caLife   = 10 * 365 * 24 * time.Hour
	certLife = 365 * 24 * time.Hour
)

// writePKI makes what is missing or short-lived of the cluster's keys, certificates and kubeconfigs.
func (s State) writePKI(server string) error {
	ca, err := s.authority(CA)
	if err != nil {
		return err
	}
	proxyCA, err := s.authority(FrontProxyCA)
	if err != nil {
		return err
	}
	if _, err := s.key(ServiceAccounts); err != nil {
		return err
	}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	serves, calls := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, c := range []struct {
		id     Identity
		issuer pair
		cert   x509.Certificate
	}{
		{APIServer, ca, x509.Certificate{ExtKeyUsage: serves,
			DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			IPAddresses: append(loopback, net.IPv4(10, 96, 0, 1))}},
		{Kubelet, ca, x509.Certificate{ExtKeyUsage: serves, IPAddresses: loopback}},
		{KubeletClient, ca, x509.Certificate{ExtKeyUsage: calls}},
		{FrontProxy, proxyCA, x509.Certificate{ExtKeyUsage: calls}},
		{Admin, ca, x509.Certificate{ExtKeyUsage: calls, Subject: pkix.Name{CommonName: "lab-admin", Organization: []string{"system:masters"}}}},
		// Upstream's controllers act under a service account each. Here they share one identity that may do everything.
		{ControllerManager, ca, x509.Certificate{ExtKeyUsage: calls,
			Subject: pkix.Name{CommonName: "system:kube-controller-manager", Organization: []string{"system:masters"}}}},
		{Scheduler, ca, x509.Certificate{ExtKeyUsage: calls, Subject: pkix.Name{CommonName: "system:kube-scheduler"}}},
		{Kwok, ca, x509.Certificate{ExtKeyUsage: calls, Subject: pkix.Name{CommonName: "kwok"}}},
	} {
		if c.cert.Subject.CommonName == "" {
			c.cert.Subject.CommonName = string(c.id)
		}
		key, err := newKey()
		if err != nil {
			return err
		}
		der, err := issue(c.cert, certLife, key, c.issuer)
		if err != nil {
			return fmt.Errorf("certificate of %s: %w", c.id, err)
		}
		if err := s.writePair(c.id, key, der); err != nil {
			return err
		}
	}
	for _, id := range []Identity{Admin, ControllerManager, Scheduler, Kwok} {
		config, err := s.kubeconfigOf(id, server)
		if err != nil {
			return err
		}
		data, err := clientcmd.Write(*config)
		if err != nil {
			return fmt.Errorf("kubeconfig of %s: %w", id, err)
		}
		if err := writeFile(s.Kubeconfig(id), data); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfigOf builds a kubeconfig for one identity, whose cluster, user and context are all called ContextName.
func (s State) kubeconfigOf(id Identity, server string) (*clientcmdapi.Config, error) {
	var data [3][]byte
	for i, file := range []string{s.Cert(CA), s.Cert(id), s.Key(id)} {
		var err error
		if data[i], err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("kubeconfig of %s: %w", id, err)
		}
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[ContextName] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: data[0]}
	config.AuthInfos[ContextName] = &clientcmdapi.AuthInfo{ClientCertificateData: data[1], ClientKeyData: data[2]}
	config.Contexts[ContextName] = &clientcmdapi.Context{Cluster: ContextName, AuthInfo: ContextName}
	config.CurrentContext = ContextName
	return config, nil
}

// pair is a certificate authority ready to sign.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// authority loads a certificate authority, or makes it when there is none.
func (s State) authority(id Identity) (pair, error) {
	key, err := s.key(id)
	if err != nil {
		return pair{}, err
	}
	certs, err := cert.CertsFromFile(s.Cert(id))
	if err == nil {
		return pair{certs[0], key}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return pair{}, fmt.Errorf("read %s: %w; `up --fresh` makes a new one", s.Cert(id), err)
	}
	template := x509.Certificate{Subject: pkix.Name{CommonName: "client-go-lab-" + string(id)}, IsCA: true, BasicConstraintsValid: true}
	der, err := issue(template, caLife, key, pair{})
	if err != nil {
		return pair{}, fmt.Errorf("certificate authority %s: %w", id, err)
	}
	if err := s.writePair(id, key, der); err != nil {
		return pair{}, err
	}
	parsed, err := x509.ParseCertificate(der)
	return pair{parsed, key}, err
}

// key loads a private key, or makes it when there is none.
func (s State) key(id Identity) (*ecdsa.PrivateKey, error) {
	loaded, err := keyutil.PrivateKeyFromFile(s.Key(id))
	if errors.Is(err, fs.ErrNotExist) {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		return key, s.writePair(id, key, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; `up --fresh` makes a new one", s.Key(id), err)
	}
	key, ok := loaded.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read %s: not an ECDSA key; `up --fresh` makes a new one", s.Key(id))
	}
	return key, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// issue signs template; an empty issuer makes it sign itself.
func issue(template x509.Certificate, life time.Duration, key *ecdsa.PrivateKey, issuer pair) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-5 * time.Minute) // clocks differ, even on one machine's virtual ones
	template.NotAfter = time.Now().Add(life)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if template.IsCA {
		template.KeyUsage |= x509.KeyUsageCertSign
	}
	if issuer.cert == nil {
		issuer = pair{&template, key}
	}
	return x509.CreateCertificate(rand.Reader, &template, issuer.cert, key.Public(), issuer.key)
}

// writePair writes a key and, unless it is a bare key, its certificate.
func (s State) writePair(id Identity, key *ecdsa.PrivateKey, der []byte) error {
	data, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return fmt.Errorf("key of %s: %w", id, err)
	}
	if err := writeFile(s.Key(id), data); err != nil {
		return err
	}
	if der == nil {
		return nil
	}
	return writeFile(s.Cert(id), pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: der}))
}
