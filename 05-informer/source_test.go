package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// comments returns the doc comments of the functions and types of a directory of client-go, and of embedded fields, by name, as they are in the
// module that go.mod names.
func comments(t *testing.T, directory string) map[string]string {
	t.Helper()
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/client-go").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(module)), directory, "*.go"))
	require.NoError(t, err)
	found := map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				found[d.Name.Name] = d.Doc.Text()
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if spec, ok := spec.(*ast.TypeSpec); ok {
						found[spec.Name.Name] = d.Doc.Text()
						if fields, ok := spec.Type.(*ast.StructType); ok {
							for _, field := range fields.Fields.List {
								if name, ok := field.Type.(*ast.Ident); ok && len(field.Names) == 0 { // embedded
									found[spec.Name.Name+"."+name.Name] = field.Doc.Text()
								}
							}
						}
					}
				}
			}
		}
	}
	return found
}

// What README.md and docs/architecture.md say of client-go's source: what is deprecated, what is not, and what has other names in it.
func TestSource(t *testing.T) {
	found := comments(t, "tools/cache")
	maps.Copy(found, comments(t, "informers"))
	maps.Copy(found, comments(t, "informers/core/v1"))
	for _, name := range []string{"NewInformer", "NewIndexerInformer", "NewTransformingInformer", "NewTransformingIndexerInformer",
		"NewFilteredSharedInformerFactory", "ListFunc", "WatchFunc"} {
		require.Contains(t, found, name)
		assert.Contains(t, found[name], "Deprecated:", name)
	}
	for _, name := range []string{"NewSharedInformerFactoryWithOptions", "NewSharedInformerFactory", "NewSharedIndexInformerWithOptions",
		"NewSharedInformer", "NewSharedIndexInformer", "NewInformerWithOptions", "NewReflectorWithOptions", "AddEventHandler",
		"NewTypedPodInformer", "NewTypedPodInformerWithOptions", "NewPodInformer", "NewFilteredPodInformer"} {
		require.Contains(t, found, name)
		assert.NotContains(t, found[name], "Deprecated:", name)
	}
	assert.Contains(t, found, "processLoop")
	assert.Contains(t, found, "processDeltasInBatch")
	for _, name := range []string{"Config.Queue", "sharedIndexInformer"} { // out of date
		assert.Contains(t, found[name], "DeltaFIFO", name)
	}
}
