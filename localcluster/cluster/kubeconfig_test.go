package cluster

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const theirs = `# my clusters
apiVersion: v1
kind: Config
current-context: prod
preferences: {}
clusters:
- name: prod
  cluster: {server: "https://prod.example.com", certificate-authority: ca.crt}
- name: dev
  cluster: {server: "https://dev.example.com", insecure-skip-tls-verify: true}
users:
- name: sso
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: sso-login
      args: [--cluster, prod]
      env: [{name: REGION, value: eu}]
      interactiveMode: IfAvailable
- name: token
  user: {token: not-a-real-token}
contexts:
- name: prod
  context: {cluster: prod, user: sso, namespace: shop}
- name: dev
  context: {cluster: dev, user: token}
`

// home is a cluster's state with keys, and a kubeconfig of the user's.
func home(t *testing.T, kubeconfig string) (State, string) {
	t.Helper()
	s := newState(t)
	require.NoError(t, s.writePKI("https://127.0.0.1:1"))
	file := filepath.Join(t.TempDir(), "config")
	if kubeconfig != "" {
		require.NoError(t, os.WriteFile(file, []byte(kubeconfig), 0o640))
	}
	t.Setenv("KUBECONFIG", file)
	return s, file
}

func mergeUp(t *testing.T, s State) string {
	t.Helper()
	file, err := s.mergeKubeconfig(context.Background(), "https://127.0.0.1:1")
	require.NoError(t, err)
	return file
}

func load(t *testing.T, file string) *clientcmdapi.Config {
	t.Helper()
	config, err := clientcmd.LoadFromFile(file)
	require.NoError(t, err)
	return config
}

func TestMergeAddsAndTakesBack(t *testing.T) {
	s, file := home(t, theirs)
	before := load(t, file)

	assert.Equal(t, file, mergeUp(t, s))
	merged := load(t, file)
	assert.Equal(t, "lab", merged.CurrentContext)
	assert.Equal(t, "https://127.0.0.1:1", merged.Clusters["lab"].Server)
	assert.NotEmpty(t, merged.AuthInfos["lab"].ClientCertificateData)
	assert.Equal(t, before.AuthInfos["sso"], merged.AuthInfos["sso"], "an exec plugin stays as it was")
	assert.Equal(t, before.Contexts["prod"], merged.Contexts["prod"])
	assert.Equal(t, "ca.crt", merged.Clusters["prod"].CertificateAuthority, "a relative path stays relative")
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o640), info.Mode().Perm(), "the mode is the user's choice")

	changed, current, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Equal(t, file, changed)
	assert.Equal(t, "prod", current)
	assert.Equal(t, before, load(t, file))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "# my clusters", "comments go, as with every program that writes by client-go")
	assert.NoFileExists(t, file+".lock")
}

func TestMergeTwiceRemembersTheFirstContext(t *testing.T) {
	s, file := home(t, theirs)
	mergeUp(t, s)
	first, err := os.Stat(file)
	require.NoError(t, err)
	mergeUp(t, s)
	second, err := os.Stat(file)
	require.NoError(t, err)
	assert.True(t, os.SameFile(first, second), "the file is not written again when nothing changes")
	_, current, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Equal(t, "prod", current)
	assert.NotContains(t, load(t, file).Contexts, "lab")
}

func TestUnmergeLeavesAnotherChoiceAlone(t *testing.T) {
	s, file := home(t, theirs)
	mergeUp(t, s)
	config := load(t, file)
	config.CurrentContext = "dev"
	require.NoError(t, clientcmd.WriteToFile(*config, file))
	_, current, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Equal(t, "dev", current)
}

func TestUnmergeDoesNotGiveBackAContextThatIsGone(t *testing.T) {
	s, file := home(t, theirs)
	mergeUp(t, s)
	config := load(t, file)
	delete(config.Contexts, "prod")
	require.NoError(t, clientcmd.WriteToFile(*config, file))
	_, current, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Empty(t, current)
}

func TestMergeMakesAMissingKubeconfig(t *testing.T) {
	s, _ := home(t, "")
	file := filepath.Join(t.TempDir(), "new", "config")
	t.Setenv("KUBECONFIG", file)
	mergeUp(t, s)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	assert.Equal(t, "lab", load(t, file).CurrentContext)
}

func TestMergeWithoutKUBECONFIGUsesTheHomeDirectory(t *testing.T) {
	t.Setenv("KUBECONFIG", "")
	assert.Equal(t, clientcmd.RecommendedHomeFile, kubeconfigFile())
}

func TestMergeWithTwoFiles(t *testing.T) {
	s, second := home(t, theirs)
	missing := filepath.Join(t.TempDir(), "missing")
	first := filepath.Join(t.TempDir(), "first")
	// The first file's current context is defined in the second.
	require.NoError(t, os.WriteFile(first, []byte("apiVersion: v1\nkind: Config\ncurrent-context: prod\n"), 0o600))
	t.Setenv("KUBECONFIG", missing+":"+first+":"+second)

	assert.Equal(t, first, mergeUp(t, s), "the first that exists")
	all, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	require.NoError(t, err)
	assert.Equal(t, "lab", all.CurrentContext)
	assert.Contains(t, all.Contexts, "prod")
	assert.NoFileExists(t, missing)
	data, err := os.ReadFile(second)
	require.NoError(t, err)
	assert.Equal(t, theirs, string(data))

	_, current, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Equal(t, "prod", current)
}

func TestMergeRefusesAForeignContextOfItsName(t *testing.T) {
	foreign := `{apiVersion: v1, kind: Config, clusters: [{name: lab, cluster: {server: "https://lab.example.com"}}]}`
	s, file := home(t, foreign)
	_, err := s.mergeKubeconfig(context.Background(), "https://127.0.0.1:1")
	require.ErrorContains(t, err, "not the lab's")
	require.ErrorContains(t, err, "--merge-kubeconfig=false")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, foreign, string(data))
}

func TestMergeReplacesWhatALostClusterLeft(t *testing.T) {
	first, file := home(t, theirs)
	mergeUp(t, first)
	old := load(t, file).Clusters["lab"].CertificateAuthorityData
	// Its state is deleted by hand; another cluster comes up.
	second := newState(t)
	require.NoError(t, second.writePKI("https://127.0.0.1:2"))
	mergeUp(t, second)
	assert.NotEqual(t, old, load(t, file).Clusters["lab"].CertificateAuthorityData)
	_, current, err := second.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Empty(t, current, "not the context that is gone")
	assert.NotContains(t, load(t, file).Contexts, "lab")
}

func TestMergeIntoARelativeFile(t *testing.T) {
	s, file := home(t, theirs)
	t.Chdir(filepath.Dir(file))
	t.Setenv("KUBECONFIG", "config")
	mergeUp(t, s)
	t.Chdir(t.TempDir())
	changed, current, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Equal(t, file, changed)
	assert.Equal(t, "prod", current)
}

func TestMergeIntoAnotherFileLeavesTheFirst(t *testing.T) {
	s, first := home(t, theirs)
	before := load(t, first)
	mergeUp(t, s)
	second := filepath.Join(t.TempDir(), "second")
	t.Setenv("KUBECONFIG", second)
	assert.Equal(t, second, mergeUp(t, s))
	assert.Equal(t, before, load(t, first))
	changed, _, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Equal(t, second, changed)
}

func TestMergeLeavesADamagedKubeconfigAlone(t *testing.T) {
	s, file := home(t, "clusters: [")
	_, err := s.mergeKubeconfig(context.Background(), "https://127.0.0.1:1")
	require.ErrorContains(t, err, file+" is unchanged")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "clusters: [", string(data))
	assert.NoFileExists(t, file+".lock")
}

func TestMergeIntoAnUnwritablePlace(t *testing.T) {
	s, file := home(t, theirs)
	t.Setenv("KUBECONFIG", filepath.Join(file, "below-a-file"))
	_, err := s.mergeKubeconfig(context.Background(), "https://127.0.0.1:1")
	require.ErrorContains(t, err, "is unchanged")
	require.ErrorIs(t, err, syscall.ENOTDIR)
}

func TestMergeFollowsALink(t *testing.T) {
	s, file := home(t, theirs)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(file, link))
	t.Setenv("KUBECONFIG", link)
	mergeUp(t, s)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeSymlink, "the link is still a link")
	assert.Contains(t, load(t, file).Contexts, "lab")
}

func TestMergeWaitsForKubectlAndNamesAStaleLock(t *testing.T) {
	s, file := home(t, theirs)
	require.NoError(t, os.WriteFile(file+".lock", nil, 0o600)) // as client-go's: empty
	_, err := s.mergeKubeconfig(context.Background(), "https://127.0.0.1:1")
	require.ErrorContains(t, err, "remove that file")
	require.ErrorContains(t, err, file+".lock")

	require.NoError(t, os.Remove(file+".lock"))
	mergeUp(t, s)
}

func TestMergeTakesAwayALockOfItsOwnThatACrashLeft(t *testing.T) {
	s, file := home(t, theirs)
	gone := exec.Command("true")
	require.NoError(t, gone.Run())
	require.NoError(t, os.WriteFile(file+".lock", []byte(mark+" "+strconv.Itoa(gone.Process.Pid)), 0o600))
	mergeUp(t, s)
	assert.NoFileExists(t, file+".lock")
}

// A crash between noting what is to be done and doing it, and one after doing it.
func TestUnmergeAfterACrash(t *testing.T) {
	s, file := home(t, theirs)
	before := load(t, file)
	require.NoError(t, writeJSON(s.File("kubeconfig.json"), merge{file, "prod"}))
	_, current, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Equal(t, "prod", current)
	assert.Equal(t, before, load(t, file))

	mergeUp(t, s)
	s2 := State{s.Dir} // a new process
	_, current, err = s2.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Equal(t, "prod", current)
	assert.Equal(t, before, load(t, file))

	changed, _, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Empty(t, changed, "nothing left to take back")
}

func TestUnmergeWhenTheKubeconfigIsGone(t *testing.T) {
	s, file := home(t, theirs)
	mergeUp(t, s)
	require.NoError(t, os.Remove(file))
	changed, _, err := s.unmergeKubeconfig(context.Background())
	require.NoError(t, err)
	assert.Empty(t, changed)
	assert.NoFileExists(t, file)
}
