package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"client-go-lab/internal/chapter"
	"client-go-lab/internal/chaptertest"
	"client-go-lab/internal/labtest"
)

// behind is what the tests look behind the chapter's back with.
type behind struct {
	*clients
	disco *discovery.DiscoveryClient
}

func clusterClients(t *testing.T, kubeconfig string) behind {
	t.Helper()
	conn, err := connect(chapter.Flags{Kubeconfig: kubeconfig})
	require.NoError(t, err)
	c, err := newClients(conn.config, labNamespace)
	require.NoError(t, err)
	disco, err := discovery.NewDiscoveryClientForConfig(conn.config)
	require.NoError(t, err)
	return behind{c, disco}
}

func clusterClient(t *testing.T, kubeconfig string) dynamic.Interface {
	t.Helper()
	return clusterClients(t, kubeconfig).dynamic
}

// requireClean looks for what this chapter's steps may have left behind.
func requireClean(t *testing.T, client dynamic.Interface) {
	t.Helper()
	for _, resource := range []dynamic.ResourceInterface{
		client.Resource(configMaps).Namespace(labNamespace), client.Resource(cronJobs).Namespace(labNamespace),
		client.Resource(priorityClasses), client.Resource(crds),
	} {
		list, err := resource.List(t.Context(), mine())
		require.NoError(t, err)
		require.Empty(t, list.Items, "left behind")
	}
	require.Eventually(t, func() bool { // the CRD is gone a moment before its resource
		_, err := client.Resource(cups).List(t.Context(), metav1.ListOptions{})
		return apierrors.IsNotFound(err)
	}, patience, 10*time.Millisecond, "the server still serves cups")
}

func TestStepsOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for _, step := range contents().Steps {
		t.Run(step.Name, func(t *testing.T) {
			args := []string{step.Name, "-kubeconfig", kubeconfig}
			if step.Name == "list" {
				args = append(args, "-n", "default") // where the sample workloads are
			}
			stdout, stderr, code := chaptertest.Command(t, nil, args...)
			require.Zero(t, code, stderr)
			assert.Empty(t, stderr, "klog writes there")
			program.RequireOutput(t, step.Name, stdout)
			requireClean(t, client)
		})
	}
}

func TestArgumentsOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"list", "deployments.apps", "-n", "kube-system"}, "deployments.apps: apps/v1/deployments, kind Deployment, in the namespace kube-system\n", 0},
		{[]string{"list", "ns"}, "ns: v1/namespaces, kind Namespace, in the whole cluster\n", 0},
		{[]string{"list", "po", "-n", "default"}, "\nnginx-pod-node1\n", 0},
		{[]string{"list", "kettles.example.com"}, `this server has no resource "kettles.example.com"`, 1},
		{[]string{"columns", "crd"}, "NAME", 0},
		{[]string{"columns", "ns"}, "STATUS\n", 0},
		{[]string{"watch", "componentstatuses"}, "v1/componentstatuses: this resource cannot be watched", 1},
	} {
		stdout, stderr, code := program.Run(t.Context(), append(c.args, "-kubeconfig", kubeconfig)...)
		assert.Equal(t, c.code, code, stderr)
		assert.Contains(t, stdout+stderr, c.want)
	}
}

// What comes from a file stays, and a dry run leaves nothing.
func TestApplyFileOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	t.Cleanup(func() { assert.NoError(t, sweep(context.WithoutCancel(t.Context()), client)) })

	args := []string{"apply", "example.yaml", "-n", labNamespace, "-kubeconfig", kubeconfig}
	stdout, stderr, code := program.Run(t.Context(), append(args, "--dry-run=server")...)
	require.Zero(t, code, stderr)
	assert.Equal(t, 4, strings.Count(stdout, "applied (server dry run)\n"), stdout)
	requireClean(t, client)

	for range 2 {
		stdout, stderr, code = program.Run(t.Context(), args...)
		require.Zero(t, code, stderr)
		assert.Equal(t, 5, strings.Count(stdout, " applied\n"), stdout)
	}
	for _, name := range []string{"salt", "pepper"} {
		_, err := client.Resource(configMaps).Namespace(labNamespace).Get(t.Context(), name, metav1.GetOptions{})
		assert.NoError(t, err)
	}
	stdout, _, code = program.Run(t.Context(), "columns", "plates", "-n", labNamespace, "-kubeconfig", kubeconfig)
	assert.Zero(t, code)
	assert.Equal(t, "NAME\ndinner\n", stdout)

	// What the schema does not have is an error here: Create would drop it and warn.
	file := filepath.Join(t.TempDir(), "file.yaml")
	require.NoError(t, os.WriteFile(file, []byte("apiVersion: dynamic.lab.example.com/v1\nkind: Plate\nmetadata: {name: soup}\nspec: {rim: gold}\n"), 0o600))
	_, stderr, code = program.Run(t.Context(), "apply", file, "-n", labNamespace, "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Contains(t, stderr, "document 1, Plate soup: failed to create typed patch object")
	assert.Contains(t, stderr, ".spec.rim: field not declared in schema")

	// What stands behind "..." is refused; kubectl loses it, and says nothing.
	require.NoError(t, os.WriteFile(file, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n...\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"), 0o600))
	_, stderr, code = program.Run(t.Context(), "apply", file, "-n", labNamespace, "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Contains(t, stderr, "nothing applied: document 1: something follows its first object")
	kubectl := exec.CommandContext(t.Context(), labtest.Binary(t), "kubectl", "--kubeconfig", kubeconfig, "-n", labNamespace, "apply", "--dry-run=server", "-f", file)
	output, err := kubectl.CombinedOutput()
	require.NoError(t, err, string(output))
	assert.Equal(t, "configmap/a created (server dry run)\n", string(output))

	// Warnings are shown.
	require.NoError(t, os.WriteFile(file, []byte("apiVersion: v1\nkind: Endpoints\nmetadata: {name: soup}\n"), 0o600))
	stdout, stderr, code = program.Run(t.Context(), "apply", file, "-dry-run=server", "-n", labNamespace, "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "warning: v1 Endpoints is deprecated")

	// Somebody else takes a field over: to apply it again is a conflict, and the others are applied all the same.
	salt := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "salt"}, "data": map[string]any{"grams": "500"}}}
	cooks, err := client.Resource(configMaps).Namespace(labNamespace).Apply(t.Context(), "salt", salt, metav1.ApplyOptions{FieldManager: "cook", Force: true})
	require.NoError(t, err)
	stdout, stderr, code = program.Run(t.Context(), args...)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Contains(t, stderr, `ConfigMap salt: Apply failed with 1 conflict: conflict with "cook": .data.grams (take the field out of the file, let its owner change it, or take it over with -force-conflicts)`)
	assert.Contains(t, stdout, "configmaps/pepper applied\n")
	_, stderr, code = program.Run(t.Context(), append(args, "-force-conflicts")...)
	require.Zero(t, code, stderr)
	taken, err := client.Resource(configMaps).Namespace(labNamespace).Get(t.Context(), "salt", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"grams": "5"}, taken.Object["data"])

	// The file is older than the object: force is no help.
	old := filepath.Join(t.TempDir(), "old.yaml")
	require.NoError(t, os.WriteFile(old, fmt.Appendf(nil, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: salt, resourceVersion: %q}\n", cooks.GetResourceVersion()), 0o600))
	_, stderr, code = program.Run(t.Context(), "apply", old, "-force-conflicts", "-n", labNamespace, "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Contains(t, stderr, "the object has been modified; please apply your changes to the latest version and try again (take resourceVersion and uid out of the file: they are not those of the object that is there)")

	// A new version of a CRD that is there already, and an object in it.
	_, versions, _ := strings.Cut(string(example), "---\n")
	definition, _, _ := strings.Cut(versions, "--- #")
	_, v1, _ := strings.Cut(definition, "  versions:\n")
	v2 := strings.NewReplacer("name: v1", "name: v2", "storage: true", "storage: false").Replace(v1)
	plate := "---\napiVersion: dynamic.lab.example.com/v2\nkind: Plate\nmetadata: {name: soup}\nspec: {centimetres: 22}\n"
	require.NoError(t, os.WriteFile(file, []byte(definition+v2+plate), 0o600))
	stdout, stderr, code = program.Run(t.Context(), "apply", "-f", file, "-n", labNamespace, "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "plates.dynamic.lab.example.com/soup applied\n")

	// A dry run does not make a namespace, and so does not check what is in it.
	require.NoError(t, os.WriteFile(file, []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: client-go-lab-fresh}\n---\n"+
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: there, namespace: client-go-lab-fresh}\n"), 0o600))
	stdout, stderr, code = program.Run(t.Context(), "apply", file, "-dry-run=server", "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	assert.Equal(t, "namespaces/client-go-lab-fresh applied (server dry run)\nconfigmap/there not checked: a dry run does not make its namespace\n", stdout)
}

// A watch of a named resource goes on until Ctrl-C, which is its proper end.
func TestFollowOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	require.NoError(t, sweep(t.Context(), client))
	_, err := client.Resource(configMaps).Namespace(labNamespace).Create(t.Context(), tea(), metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, sweep(context.WithoutCancel(t.Context()), client)) })

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	added := &onWord{word: `"name":"tea"`, do: func() {
		err := client.Resource(configMaps).Namespace(labNamespace).Delete(ctx, "tea", metav1.DeleteOptions{})
		assert.NoError(t, err)
	}}
	out := &chaptertest.CancelAt{Word: `"type":"DELETED"`, Cancel: cancel}
	var stderr bytes.Buffer
	code := contents().Main(ctx, []string{"watch", "cm", "-n", labNamespace, "-kubeconfig", kubeconfig}, both{added, out}, &stderr)
	assert.Zero(t, code, stderr.String())
	assert.Contains(t, out.String(), `"type":"ADDED"`)
	assert.Contains(t, out.String(), `"type":"DELETED"`)
	assert.NotContains(t, out.String(), "managedFields")
}

// onWord does something when a word is written for the first time.
type onWord struct {
	bytes.Buffer
	word string
	do   func()
}

func (w *onWord) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if w.do != nil && strings.Contains(w.String(), w.word) {
		do := w.do
		w.do = nil
		do()
	}
	return n, err
}

// both writes to the one and the other.
type both struct {
	one   *onWord
	other *chaptertest.CancelAt
}

func (w both) Write(b []byte) (int, error) {
	if n, err := w.other.Write(b); err != nil {
		return n, err
	}
	return w.one.Write(b)
}

func TestCancelledStepsCleanUpOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	for step, word := range map[string]string{
		"crud":     "created CronJob",
		"apply":    "plates.dynamic.lab.example.com/dinner applied",
		"mapper":   "the server has it now",
		"convert":  "apply with a kind",
		"crd":      "is established",
		"metadata": "dynamic:",
		"columns":  "-- columns of your own",
		"watch":    `"type":"ADDED"`,
	} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &chaptertest.CancelAt{Word: word, Cancel: cancel}
			var stderr bytes.Buffer
			code := contents().Main(ctx, []string{step, "-kubeconfig", kubeconfig}, out, &stderr)
			if step != "watch" { // all three events may have come already
				assert.Equal(t, chapter.ExitInterrupted, code, stderr.String())
			}
			assert.Contains(t, out.String(), word)
			requireClean(t, client)
		})
	}
}

func TestInterruptOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	requireClean(t, client)
	list, err := client.Resource(crds).List(t.Context(), mine())
	require.NoError(t, err)
	options := mine()
	options.ResourceVersion = list.GetResourceVersion()
	stream, err := client.Resource(crds).Watch(t.Context(), options)
	require.NoError(t, err)
	defer stream.Stop()
	_, stderr, code := chaptertest.Command(t, func(p *os.Process) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := nextEvent(ctx, stream) // the program has made its CRD
		if !assert.NoError(t, err, "it makes no CRD") {
			_ = p.Kill() // it may have ended long ago: what it has said follows
			return
		}
		assert.NoError(t, p.Signal(os.Interrupt))
	}, "crd", "-kubeconfig", kubeconfig)
	require.Equal(t, chapter.ExitInterrupted, code, stderr)
	assert.Contains(t, stderr, "03-dynamic: interrupted: ")
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	requireClean(t, client)
}

func TestLeftoversOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	require.NoError(t, sweep(t.Context(), client))
	require.NoError(t, installCRD(t.Context(), client, newCRD("Cup", map[string]any{"type": "object"})))
	for resource, object := range map[dynamic.ResourceInterface]*unstructured.Unstructured{
		client.Resource(configMaps).Namespace(labNamespace): tea(),
		client.Resource(cronJobs).Namespace(labNamespace):   newCronJob("kettle"),
		client.Resource(cups).Namespace(labNamespace):       newCup("tea", map[string]any{}),
	} {
		_, err := resource.Create(t.Context(), object, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	stdout, stderr, code := program.Run(t.Context(), "crd", "-kubeconfig", kubeconfig)
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "crd", stdout)
	requireClean(t, client)
}

// A step deletes nothing that has not its label.
func TestOthersStayOnCluster(t *testing.T) {
	kubeconfig := labtest.Kubeconfig(t)
	client := clusterClient(t, kubeconfig)
	require.NoError(t, makeNamespace(t.Context(), client))
	other := tea()
	other.SetName("of-chapter-01")
	other.SetLabels(map[string]string{labLabel: "01"})
	resource := client.Resource(configMaps).Namespace(labNamespace)
	_, err := resource.Create(t.Context(), other, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { // it must still be there
		assert.NoError(t, resource.Delete(context.WithoutCancel(t.Context()), "of-chapter-01", metav1.DeleteOptions{}))
	})
	_, stderr, code := program.Run(t.Context(), "watch", "-kubeconfig", kubeconfig)
	assert.Zero(t, code, stderr)
}

// The same cluster under a name that could be anybody's: the guard sends nothing, unless -context names it.
func TestGuardOnCluster(t *testing.T) {
	config, err := clientcmd.LoadFromFile(labtest.Kubeconfig(t))
	require.NoError(t, err)
	config.Contexts["prod"] = config.Contexts[config.CurrentContext]
	config.CurrentContext = "prod"
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, clientcmd.WriteToFile(*config, kubeconfig))

	stdout, stderr, code := program.Run(t.Context(), "crud", "-kubeconfig", kubeconfig)
	assert.Equal(t, chapter.ExitFailed, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "-context prod")

	stdout, stderr, code = program.Run(t.Context(), "crud", "-kubeconfig", kubeconfig, "-context", "prod")
	require.Zero(t, code, stderr)
	program.RequireOutput(t, "crud", stdout)
}
