// Package docs proves what the documents of this directory say about client-go, on the module that go.mod pins.
package docs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s.io/client-go/features"
)

// goList runs `go list` with these arguments and returns its output.
func goList(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return out
}

// clientGo returns the directory of the pinned client-go.
func clientGo(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(string(goList(t, "-m", "-f", "{{.Dir}}", "k8s.io/client-go")))
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// rows returns the tables' rows in a part of a document, each as its cells; the head of a table has no row.
func rows(text string) [][]string {
	var found [][]string
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| ---") {
			continue
		}
		if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "| ---") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), " | ") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		found = append(found, cells)
	}
	return found
}

// section returns what stands below a heading, up to the next one of the same level.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n"+heading+"\n")
	require.True(t, found, "no heading %q", heading)
	level, _, _ := strings.Cut(heading, " ")
	rest, _, _ = strings.Cut(rest, "\n"+level+" ")
	return rest
}

var code = regexp.MustCompile("`([^`]+)`")

// spans returns the pieces of code in a cell, without parentheses of calls.
func spans(cell string) []string {
	var found []string
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		found = append(found, strings.TrimSuffix(m[1], "()"))
	}
	return found
}

// exported lists what a directory's package declares: Name, Type.Method, Type.Field.
func exported(dir string) (map[string]bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				found[receiver(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					declared(spec, found)
				}
			}
		}
	}
	return found, nil
}

// receiver returns "Type." for a method and "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	for {
		switch x := of.(type) {
		case *ast.StarExpr:
			of = x.X
		case *ast.IndexExpr:
			of = x.X
		case *ast.IndexListExpr:
			of = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return ""
		}
	}
}

func declared(spec ast.Spec, found map[string]bool) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			found[name.Name] = true
		}
	case *ast.TypeSpec:
		found[s.Name.Name] = true
		var fields *ast.FieldList
		switch x := s.Type.(type) {
		case *ast.StructType:
			fields = x.Fields
		case *ast.InterfaceType:
			fields = x.Methods
		default:
			return
		}
		for _, field := range fields.List {
			for _, name := range field.Names {
				found[s.Name.Name+"."+name.Name] = true
			}
		}
	}
}

var chapterLink = regexp.MustCompile(`\]\(\.\./([0-9]{2}-[a-z]+)/`)

// tour checks a document like source-tour.md against a client-go, and returns what is wrong.
func tour(text, module, root string) []string {
	var wrong []string
	named := map[string]bool{}
	for _, row := range rows(text) {
		if len(row) != 4 || len(spans(row[0])) == 0 { // another kind of table
			continue
		}
		for _, folder := range spans(row[0]) {
			for of := folder; of != "."; of = path.Dir(of) {
				named[of] = true
			}
			dir := filepath.Join(module, filepath.FromSlash(folder))
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				wrong = append(wrong, "no folder "+folder)
				continue
			}
			names, err := exported(dir)
			if err != nil {
				wrong = append(wrong, err.Error())
			}
			for _, name := range spans(row[2]) {
				if !names[name] {
					wrong = append(wrong, fmt.Sprintf("%s has no %s", folder, name))
				}
			}
			if !strings.HasPrefix(row[3], "[") { // "by way of ..."
				continue
			}
			for _, m := range chapterLink.FindAllStringSubmatch(row[3], -1) {
				if used, err := imports(filepath.Join(root, m[1]), folder); err != nil {
					wrong = append(wrong, err.Error())
				} else if !used {
					wrong = append(wrong, fmt.Sprintf("%s does not import %s", m[1], folder))
				}
			}
		}
	}
	for _, parent := range []string{"", "tools", "util"} {
		entries, err := os.ReadDir(filepath.Join(module, parent))
		if err != nil {
			return append(wrong, err.Error())
		}
		for _, entry := range entries {
			if folder := path.Join(parent, entry.Name()); entry.IsDir() && entry.Name()[0] != '.' && !named[folder] {
				wrong = append(wrong, "nothing about the folder "+folder)
			}
		}
	}
	return wrong
}

// imports says whether any Go file of a chapter, its tests included, imports a folder of client-go, or one below it. A
// chapter that is not there has no say: the link to it is found by `lab docs`.
func imports(chapter, folder string) (bool, error) {
	if _, err := os.Stat(chapter); errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	want := "k8s.io/client-go/" + folder
	used := false
	err := filepath.WalkDir(chapter, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || used || filepath.Ext(name) != ".go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err == nil && (path == want || strings.HasPrefix(path, want+"/")) {
				used = true
			}
		}
		return nil
	})
	return used, err
}

func TestSourceTour(t *testing.T) {
	text := read(t, "source-tour.md")
	module := clientGo(t)
	require.Empty(t, tour(text, module, ".."), "source-tour.md")

	files := rows(section(t, text, "## Ten files for a first visit"))
	require.Len(t, files, 10)
	for _, row := range files {
		name := spans(row[1])[0]
		require.FileExists(t, filepath.Join(module, filepath.FromSlash(name)))
		names, err := exported(filepath.Join(module, filepath.FromSlash(path.Dir(name))))
		require.NoError(t, err)
		for _, start := range spans(row[2]) {
			require.True(t, names[start], "%s has no %s", name, start)
		}
	}
}

// TestTourFinds breaks the tour, in every way at once.
func TestTourFinds(t *testing.T) {
	text := read(t, "source-tour.md")
	var wanted []string
	for _, c := range []struct{ before, after, wrong string }{
		{"`tools/pager`", "`tools/pagers`", "no folder tools/pagers"},
		{"`tools/pager`", "`tools/pagers`", "nothing about the folder tools/pager"},
		{"`scale`", "scale", "nothing about the folder scale"},
		{"`RealFIFO`", "`RealQueue`", "tools/cache has no RealQueue"},
		{"`TypedInterface`", "`TypedInterface.Remove`", "util/workqueue has no TypedInterface.Remove"},
		{"../06-workqueue/README.md#poison", "../01-restclient/README.md#pods", "01-restclient does not import tools/events"},
	} {
		require.True(t, strings.Contains(text, c.before) || strings.Contains(text, c.after), c.before)
		text = strings.ReplaceAll(text, c.before, c.after)
		wanted = append(wanted, c.wrong)
	}
	require.ElementsMatch(t, wanted, tour(text, clientGo(t), ".."))
}

// unsorted returns what is wrong with the order of a glossary's terms.
func unsorted(terms []string) error {
	for i := 1; i < len(terms); i++ {
		switch before, after := strings.ToLower(terms[i-1]), strings.ToLower(terms[i]); cmp.Compare(before, after) {
		case 0:
			return fmt.Errorf("%s is there twice", terms[i])
		case 1:
			return fmt.Errorf("%s comes after %s", terms[i], terms[i-1])
		}
	}
	return nil
}

func TestGlossary(t *testing.T) {
	var terms []string
	for _, row := range rows(read(t, "glossary.md")) {
		require.Len(t, row, 4, "%s", row)
		for _, cell := range row {
			require.NotEmpty(t, cell, "%s", row)
		}
		require.Contains(t, row[3], "](", "%s: no link to where it is shown", row[0])
		require.True(t, strings.HasSuffix(row[2], "."), "%s: no sentence", row[0])
		terms = append(terms, row[0])
	}
	require.NoError(t, unsorted(terms))
	require.GreaterOrEqual(t, len(terms), 60)
	require.LessOrEqual(t, len(terms), 90)
}

func TestGlossaryFinds(t *testing.T) {
	require.EqualError(t, unsorted([]string{"bookmark", "Cache", "burst"}), "burst comes after Cache")
	require.EqualError(t, unsorted([]string{"Burst", "burst"}), "burst is there twice")
}

// TestGates compares the table of feature gates with client-go's own list and with what they are in this program.
func TestGates(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(clientGo(t), "features", "known_features.go"), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var known []string
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			continue
		}
		for _, spec := range d.Specs {
			known = append(known, spec.(*ast.ValueSpec).Names[0].Name)
		}
	}
	var listed []string
	for _, row := range rows(section(t, read(t, "versions.md"), "## Feature gates")) {
		gate := spans(row[0])[0]
		listed = append(listed, gate)
		today := row[len(row)-2]
		if _, set := os.LookupEnv("KUBE_FEATURE_" + gate); !set {
			require.Equal(t, strings.HasPrefix(today, "on"), features.FeatureGates().Enabled(features.Feature(gate)), gate)
		}
	}
	slices.Sort(known)
	require.Equal(t, known, listed)
}

// TestGoneClients compares the table of typed clients with the clientset.
func TestGoneClients(t *testing.T) {
	names, err := exported(filepath.Join(clientGo(t), "kubernetes"))
	require.NoError(t, err)
	require.True(t, names["Interface.CoreV1"])
	table := rows(section(t, read(t, "versions.md"), "### Typed clients that are gone"))
	require.NotEmpty(t, table)
	for _, row := range table {
		for _, gone := range spans(row[1]) {
			require.False(t, names["Interface."+gone], gone)
		}
		for _, today := range spans(row[2]) {
			require.True(t, names["Interface."+today], today)
		}
	}
}

// TestDeprecated looks for the formal mark, which staticcheck reads, at what the table calls deprecated today.
func TestDeprecated(t *testing.T) {
	paths := map[string]string{
		"wait":       "k8s.io/apimachinery/pkg/util/wait",
		"cache":      "k8s.io/client-go/tools/cache",
		"workqueue":  "k8s.io/client-go/util/workqueue",
		"watchtools": "k8s.io/client-go/tools/watch",
		"corev1":     "k8s.io/api/core/v1",
		"metav1":     "k8s.io/apimachinery/pkg/apis/meta/v1",
		"events":     "k8s.io/client-go/tools/events",
		"fake":       "k8s.io/client-go/kubernetes/fake",
	}
	text := map[string]string{}
	for _, row := range rows(section(t, read(t, "versions.md"), "### Deprecated, and what to write")) {
		for _, name := range spans(row[1]) {
			pkg, name, found := strings.Cut(name, ".")
			require.True(t, found, pkg)
			require.Contains(t, paths, pkg)
			if text[pkg] == "" {
				text[pkg] = sourceOf(t, paths[pkg])
			}
			name = name[strings.LastIndex(name, ".")+1:]
			// The mark, the rest of the comment, and then the declaration.
			declared := regexp.MustCompile(`// Deprecated:.*\n(?:\s*//.*\n)*\s*(?:func |type )?(?:\([^)]*\) )?` + name + `\b`)
			require.Equal(t, !strings.HasSuffix(row[0], "only"), declared.MatchString(text[pkg]), "%s.%s", pkg, name)
		}
	}
}

// sourceOf returns what the files of a package say, one after the other, but for its serialization.
func sourceOf(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(goList(t, "-f", "{{.Dir}}", pkg))), "*.go"))
	require.NoError(t, err)
	var all strings.Builder
	for _, name := range files {
		if !strings.Contains(filepath.Base(name), "generated.") { // megabytes, of core/v1 alone
			all.WriteString(read(t, name))
		}
	}
	return all.String()
}

var want = regexp.MustCompile(`// want "(.*)"$`)

// TestBroken compiles the old code in testdata/broken: each line that is marked with an error must have it, the rest,
// which is what to write instead, must compile, and versions.md must show each error.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "broken", "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	fset := token.NewFileSet()
	parsed := map[string]*ast.File{}
	packages := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		parsed[name] = file
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			packages[path] = true
		}
	}
	imp := importer.ForCompiler(fset, "gc", exportData(t, packages))
	shown := section(t, read(t, "versions.md"), "## What broke")
	var all []string
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			found := map[int][]string{}
			config := types.Config{Importer: imp, Error: func(err error) {
				var e types.Error
				require.ErrorAs(t, err, &e)
				line := fset.Position(e.Pos).Line
				found[line] = append(found[line], e.Msg)
				all = append(all, e.Msg)
			}}
			_, _ = config.Check("broken", fset, []*ast.File{parsed[name]}, nil) // Error has got them all
			for i, line := range strings.Split(read(t, name), "\n") {
				m := want.FindStringSubmatch(line)
				if m == nil {
					require.Empty(t, found[i+1], "line %d", i+1)
					continue
				}
				require.Contains(t, strings.Join(found[i+1], "\n"), m[1], "line %d", i+1)
				require.True(t, strings.Contains(shown, m[1]), "versions.md does not show %q", m[1])
			}
		})
	}
	shown, _, _ = strings.Cut(shown, "\n### ") // the first table
	for _, row := range rows(shown) {
		for _, seen := range code.FindAllStringSubmatch(row[2], -1) {
			require.True(t, strings.Contains(strings.Join(all, "\n"), seen[1]), "no old code in testdata/broken has the error %q", seen[1])
		}
	}
}

// exportData finds what the compiler wrote for packages and all that they import; it compiles what Go's cache lacks.
func exportData(t *testing.T, packages map[string]bool) importer.Lookup {
	t.Helper()
	args := []string{"-export", "-deps", "-json=ImportPath,Export", "--"}
	for path := range packages {
		args = append(args, path)
	}
	files := map[string]string{}
	decoder := json.NewDecoder(bytes.NewReader(goList(t, args...)))
	for {
		var p struct{ ImportPath, Export string }
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		files[p.ImportPath] = p.Export
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}
