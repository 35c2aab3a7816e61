package docs

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The chapters stand alone, so each has connect.go in full. What is the same code stays the same: a mistake that is
// mended in one copy is mended in all. The lines below differ on purpose.
func TestCopiesOfConnect(t *testing.T) {
	onPurpose := []string{
		"config.QPS, config.Burst = ",                          // 04: discovery asks for a lot at once
		"config.WarningHandlerWithContext = rest.NoWarnings{}", // 03: its steps provoke warnings
	}
	files, err := filepath.Glob("../0*/connect.go")
	require.NoError(t, err)
	require.Len(t, files, 7)
	want := functions(t, files[0], onPurpose)
	for _, file := range files[1:] {
		for name, body := range functions(t, file, onPurpose) {
			if _, common := want[name]; common {
				assert.Equal(t, want[name], body, "%s in %s and %s", name, files[0], file)
			}
		}
	}
}

// functions returns the functions of a file, without comments and without the lines that begin with one of the texts.
func functions(t *testing.T, file string, without []string) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution) // without comments
	require.NoError(t, err)
	found := map[string]string{}
	for _, declared := range parsed.Decls {
		function, ok := declared.(*ast.FuncDecl)
		if !ok {
			continue
		}
		var text strings.Builder
		require.NoError(t, printer.Fprint(&text, files, function))
		for line := range strings.Lines(text.String()) {
			line = strings.TrimSpace(line)
			differs := false
			for _, begins := range without {
				differs = differs || strings.HasPrefix(line, begins)
			}
			if line != "" && !differs { // where comments were, lines are empty
				found[function.Name.Name] += line + "\n"
			}
		}
	}
	return found
}
