// Package chaptertest is what the tests of all chapters share: running the chapter as a function or as a process,
// comparing what its steps print, and what must hold for every chapter (the errors before the first answer, the guard).
// What a chapter's steps do, its own tests check.
package chaptertest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"client-go-lab/internal/chapter"
)

// asProgram in the environment makes a test binary behave as the chapter's program.
const asProgram = "LAB_TEST_AS_PROGRAM"

// Main is the TestMain of every chapter. main is the chapter's own: [Command] runs it in a process of its own.
func Main(m *testing.M, main func()) {
	if os.Getenv(asProgram) != "" {
		main() // ends the process
	}
	os.Exit(m.Run())
}

// Program is a chapter with what its steps should print.
type Program struct {
	Chapter  chapter.Chapter
	Expected Expected
}

// Run runs the chapter in this process and returns what it wrote and its exit code.
func (p Program) Run(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = p.Chapter.Main(ctx, args, &out, &errs)
	return out.String(), errs.String(), code
}

// Command runs the chapter as a process, so that lines of loggers, signals and exit codes are seen, too. started, if
// given, is called once it runs.
func Command(t *testing.T, started func(*os.Process), args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	if started != nil {
		started(cmd.Process)
	}
	if err := cmd.Wait(); err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// CancelAt is an output that cancels a context as soon as a word has been written to it.
type CancelAt struct {
	bytes.Buffer
	Word   string
	Cancel context.CancelFunc
}

func (c *CancelAt) Write(b []byte) (int, error) {
	n, err := c.Buffer.Write(b)
	if strings.Contains(c.String(), c.Word) {
		c.Cancel()
	}
	return n, err
}

// Kubeconfig writes a kubeconfig with one context for a server without TLS, and returns the file's path.
func Kubeconfig(t *testing.T, contextName, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: server}
	config.AuthInfos["u"] = clientcmdapi.NewAuthInfo()
	config.Contexts[contextName] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = contextName
	require.NoError(t, clientcmd.WriteToFile(*config, path))
	return path
}

// Isolate keeps what surrounds the tests out of them: a kubeconfig, and the pod that they may run in.
func Isolate(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
}
