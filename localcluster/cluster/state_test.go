package cluster

import (
	"crypto/x509"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
)

func TestPKIIsPrivateAndVerifies(t *testing.T) {
	s := newState(t)
	require.NoError(t, s.writePKI("https://127.0.0.1:1"))

	require.NoError(t, filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		assert.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))

	roots := x509.NewCertPool()
	roots.AddCert(loadCert(t, s, CA))
	for id, usage := range map[Identity]x509.ExtKeyUsage{
		APIServer: x509.ExtKeyUsageServerAuth, Kubelet: x509.ExtKeyUsageServerAuth,
		Admin: x509.ExtKeyUsageClientAuth, Kwok: x509.ExtKeyUsageClientAuth, KubeletClient: x509.ExtKeyUsageClientAuth,
	} {
		_, err := loadCert(t, s, id).Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}})
		assert.NoError(t, err, id)
	}
	_, err := loadCert(t, s, FrontProxy).Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	assert.Error(t, err, "the front proxy's certificate must not pass as a user's")
	assert.Equal(t, []string{"system:masters"}, loadCert(t, s, Admin).Subject.Organization)
	assert.Empty(t, loadCert(t, s, Kwok).Subject.Organization)

	config, err := clientcmd.LoadFromFile(s.Kubeconfig(Admin))
	require.NoError(t, err)
	assert.Empty(t, config.AuthInfos[ContextName].Token, "the admin is a certificate, not a token")
	assert.NotEmpty(t, config.AuthInfos[ContextName].ClientCertificateData)
}

func TestPKIKeepsAuthoritiesAndRenewsTheRest(t *testing.T) {
	s := newState(t)
	require.NoError(t, s.writePKI("https://127.0.0.1:1"))
	ca, apiServer := loadCert(t, s, CA), loadCert(t, s, APIServer)
	tokens, err := os.ReadFile(s.Key(ServiceAccounts))
	require.NoError(t, err)

	require.NoError(t, s.writePKI("https://127.0.0.1:2"))
	assert.Equal(t, ca.Raw, loadCert(t, s, CA).Raw)
	assert.NotEqual(t, apiServer.Raw, loadCert(t, s, APIServer).Raw)
	again, err := os.ReadFile(s.Key(ServiceAccounts))
	require.NoError(t, err)
	assert.Equal(t, tokens, again, "tokens issued before must stay valid")
}

func TestPKITellsOfADamagedKey(t *testing.T) {
	s := newState(t)
	require.NoError(t, os.WriteFile(s.Key(CA), []byte("not a key"), 0o600))
	err := s.writePKI("https://127.0.0.1:1")
	require.ErrorContains(t, err, s.Key(CA))
	require.ErrorContains(t, err, "up --fresh")
}

func TestPrepareTellsWhatToDoWithAnUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	err := State{filepath.Join(file, "state")}.prepare()
	require.ErrorContains(t, err, "cannot be used")
	require.ErrorContains(t, err, "LAB_STATE")
}

func TestLastWords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(file, []byte("I1 fine\npanic: no space left\n\ngoroutine 1 [running]:\nmain.main()\n"), 0o600))
	assert.Equal(t, "  panic: no space left", lastWords(file))
	require.NoError(t, os.WriteFile(file, []byte("I1 fine\nso long\n"), 0o600))
	assert.Equal(t, "  so long", lastWords(file))
	assert.Contains(t, lastWords(file+".gone"), "no such file")
}

func TestFreeSpace(t *testing.T) {
	free, err := freeSpace(t.TempDir())
	require.NoError(t, err)
	assert.Greater(t, free, uint64(minFree), "the tests themselves need this much")
}

func TestPrepareClosesAnOpenDirectory(t *testing.T) {
	s := State{t.TempDir()}
	require.NoError(t, os.Chmod(s.Dir, 0o755))
	require.NoError(t, s.prepare())
	info, err := os.Stat(s.Dir)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
}

func TestTwoPrepareAtOnce(t *testing.T) {
	s := newState(t)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for range 200 {
				if err := s.prepare(); !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	both.Wait()
}

func TestStartTakesNoNodesAway(t *testing.T) {
	s := newState(t)
	require.NoError(t, writeJSON(s.File("cluster.json"), Config{Nodes: 5}))
	_, err := s.start(UpOptions{Nodes: 2, Out: &recorder{}})
	require.ErrorContains(t, err, "`up --fresh --nodes 2`")
}

func TestDefaultState(t *testing.T) {
	t.Setenv("LAB_STATE", "")
	t.Setenv("HOME", "/home/gopher")
	t.Setenv("XDG_CACHE_HOME", "/cache")
	s, err := DefaultState()
	require.NoError(t, err)
	assert.Equal(t, "cluster", filepath.Base(s.Dir))
	assert.Equal(t, "client-go-lab", filepath.Base(filepath.Dir(s.Dir)))
	t.Setenv("LAB_STATE", "elsewhere")
	s, err = DefaultState()
	require.NoError(t, err)
	assert.True(t, filepath.IsAbs(s.Dir), s.Dir)
}

func TestWriteFileLeavesOldContentWhenItCannotWrite(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	require.NoError(t, writeFile(file, []byte("old")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
	require.Error(t, writeFile(filepath.Join(dir, "d"), []byte("a directory is in the way")))
	require.NoError(t, writeFile(file, []byte("new")))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "no temporary file stays behind")
}

func TestChoosePorts(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, busy.Close()) }()
	port := busy.Addr().(*net.TCPAddr).Port

	_, err = choosePorts(Ports{}, UpOptions{Port: port})
	require.ErrorContains(t, err, "in use by another program")

	said := &recorder{}
	ports, err := choosePorts(Ports{API: port, Kubelet: port}, UpOptions{Out: said})
	require.NoError(t, err)
	assert.NotContains(t, []int{0, port}, ports.API)
	assert.NotContains(t, []int{0, port}, ports.Kubelet)
	assert.Contains(t, said.String(), "in use by another program")

	again, err := choosePorts(ports, UpOptions{Out: said})
	require.NoError(t, err)
	assert.Equal(t, ports, again, "a port that is free stays")
}

func loadCert(t *testing.T, s State, id Identity) *x509.Certificate {
	t.Helper()
	certs, err := cert.CertsFromFile(s.Cert(id))
	require.NoError(t, err)
	return certs[0]
}
