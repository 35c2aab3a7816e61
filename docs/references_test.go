package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// chapterOf are the directories that proofs in fake-versus-real.md begin with.
var chapterOf = map[string]string{
	"01": "01-restclient", "02": "02-clientset", "03": "03-dynamic", "04": "04-discovery", "05": "05-informer", "06": "06-workqueue",
	"07": "07-controller", "docs": "docs",
}

// pairs are the tests with a subtest for each observation: one on the fakes, one on a server.
var pairs = map[string]struct{ file, table, fake, real string }{
	"02":   {"fakes_test.go", "claims", "TestFakes", "TestFakesOnCluster"},
	"03":   {"lies_test.go", "lies", "TestFakeLies", "TestFakeLiesOnCluster"},
	"docs": {"fakes_test.go", "fakeLies", "TestFakesLie", "TestFakesLieOnCluster"},
}

var proofInRow = regexp.MustCompile("`(0[1-7]|docs)/([^`]+)`")

// Every row of the table is proved on a fake and on a server, by tests that exist; and every observation is in a row.
func TestFakeVersusReal(t *testing.T) {
	document, err := os.ReadFile("fake-versus-real.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(document), "\n## The table\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	code := sources{}
	cited := map[string]bool{}
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 8 || strings.HasPrefix(line, "| what |") || strings.HasPrefix(line, "| --- |") || strings.HasPrefix(line, "| *") {
			assert.False(t, strings.Contains(line, "OnCluster"), "a proof outside of a row: %s", line)
			continue
		}
		rows++
		t.Run(strings.TrimSpace(cells[1]), func(t *testing.T) {
			onFake, onCluster := false, false
			for _, proof := range proofInRow.FindAllStringSubmatch(cells[6], -1) {
				cited[proof[1]+"/"+proof[2]] = true
				for _, test := range code.resolve(t, proof[1], proof[2]) {
					if strings.Contains(test, "OnCluster") {
						onCluster = true
					} else {
						onFake = true
					}
				}
			}
			assert.True(t, onFake, "nothing shows what the fake does")
			assert.True(t, onCluster, "nothing shows what a server does")
		})
	}
	assert.Greater(t, rows, 50)
	for chapter, pair := range pairs {
		for _, name := range code.parse(t, chapterOf[chapter], pair.file).observations(t, pair.table) {
			assert.True(t, cited[chapter+"/"+name], "no row has %s/%s", chapter, name)
		}
	}
	for _, test := range code.parse(t, chapterOf["04"], "fake_test.go").functions {
		if name, onFake := strings.CutSuffix(test, "OnFake"); onFake {
			assert.True(t, cited["04/"+strings.TrimPrefix(name, "Test")], "no row has %s", test)
		}
	}
}

// sources are parsed files, by directory and name.
type sources map[string]*source

// source is a file: its functions, the strings in it, and the file itself.
type source struct {
	functions, texts []string
	file             *ast.File
}

func (s sources) parse(t *testing.T, dir, name string) *source {
	t.Helper()
	path := filepath.Join("..", dir, name)
	if s[path] != nil {
		return s[path]
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	parsed := &source{file: file}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			parsed.functions = append(parsed.functions, node.Name.Name)
		case *ast.BasicLit:
			if text, err := strconv.Unquote(node.Value); err == nil {
				parsed.texts = append(parsed.texts, text)
			}
		}
		return true
	})
	s[path] = parsed
	return parsed
}

// resolve returns the test functions that a proof stands for, and makes sure that they exist.
func (s sources) resolve(t *testing.T, chapter, proof string) []string {
	t.Helper()
	dir := chapterOf[chapter]
	if file, test, found := strings.Cut(proof, "#"); found {
		test, sub, _ := strings.Cut(test, "/")
		assert.Contains(t, s.parse(t, dir, file).functions, test, "%s/%s", dir, file)
		if sub != "" { // the subtests of steps are called as the steps are, in main.go
			assert.Contains(t, s.parse(t, dir, "main.go").texts, sub, "%s/main.go", dir)
		}
		return []string{test}
	}
	if chapter == "04" {
		tests := []string{"Test" + proof + "OnFake", "Test" + proof + "OnCluster"}
		assert.Subset(t, s.parse(t, dir, "fake_test.go").functions, tests)
		return tests
	}
	pair, found := pairs[chapter]
	require.True(t, found, "say which file has %s", proof)
	parsed := s.parse(t, dir, pair.file)
	assert.Subset(t, parsed.functions, []string{pair.fake, pair.real})
	assert.Contains(t, parsed.observations(t, pair.table), proof)
	return []string{pair.fake, pair.real}
}

// observations are the names in a table of observations: the first text in each of its elements.
func (s *source) observations(t *testing.T, table string) []string {
	t.Helper()
	var found []string
	ast.Inspect(s.file, func(node ast.Node) bool {
		spec, isValue := node.(*ast.ValueSpec)
		if !isValue || spec.Names[0].Name != table {
			return true
		}
		for _, element := range spec.Values[0].(*ast.CompositeLit).Elts {
			first := element.(*ast.CompositeLit).Elts[0]
			if keyed, isKeyed := first.(*ast.KeyValueExpr); isKeyed {
				first = keyed.Value
			}
			name, err := strconv.Unquote(first.(*ast.BasicLit).Value)
			require.NoError(t, err)
			found = append(found, name)
		}
		return false
	})
	require.NotEmpty(t, found)
	slices.Sort(found)
	return found
}
