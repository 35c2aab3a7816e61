package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"strings"
)

// region returns the part of a Go file that a block shows:
//
//	pods.go#listPods                      the declaration, without its doc comment
//	wire.go#wire,wire.RoundTrip           two of them, with an empty line in between
//	pods.go#listPods from="err := "       the statement that begins in the one line with this text
//	pods.go#listPods from="a" to="b"      from there to the end of the statement in the next line with b
//
// The lines keep their text and lose the indentation that they share. Names and texts stand in the README, not in the
// code: a lesson's code has no marks in it that are for its README only.
func region(path, names, from, to string) (string, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, source, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	lines := strings.Split(string(source), "\n")
	var parts []string
	for name := range strings.SplitSeq(names, ",") {
		decl := declaration(file, name)
		if decl == nil {
			return "", fmt.Errorf("no declaration of this name: %s", name)
		}
		first, last := fset.Position(decl.Pos()).Line, fset.Position(decl.End()).Line
		if from != "" {
			if first, last, err = statements(fset, decl, lines, from, to); err != nil {
				return "", fmt.Errorf("in %s: %w", name, err)
			}
		}
		parts = append(parts, dedent(lines[first-1:last]))
	}
	return strings.Join(parts, "\n"), nil
}

// declaration finds a function, a method as Type.Name, a type, a constant or a variable.
func declaration(file *ast.File, name string) ast.Node {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if funcName(d) == name {
				return d
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				var names []*ast.Ident
				switch s := spec.(type) {
				case *ast.TypeSpec:
					names = []*ast.Ident{s.Name}
				case *ast.ValueSpec:
					names = s.Names
				}
				for _, ident := range names {
					if ident.Name == name && len(d.Specs) == 1 {
						return d // with its keyword
					} else if ident.Name == name {
						return spec
					}
				}
			}
		}
	}
	return nil
}

func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr: // a type parameter
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + d.Name.Name
		default:
			return ""
		}
	}
}

// statements returns the first and the last line of what from and to choose in decl.
func statements(fset *token.FileSet, decl ast.Node, lines []string, from, to string) (first, last int, err error) {
	begin, end := fset.Position(decl.Pos()).Line, fset.Position(decl.End()).Line
	for n := begin; n <= end; n++ {
		if strings.Contains(lines[n-1], from) {
			if first != 0 {
				return 0, 0, fmt.Errorf("%q stands in lines %d and %d: take more of the line", from, first, n)
			}
			first = n
		}
	}
	if first == 0 {
		return 0, 0, fmt.Errorf("no line with %q", from)
	}
	last = first
	if to != "" {
		for last <= end && !strings.Contains(lines[last-1], to) {
			last++
		}
		if last > end {
			return 0, 0, fmt.Errorf("no line with %q from line %d on", to, first)
		}
	}
	// The largest thing that begins in the line ends the region: a statement, a case. A comment goes with what follows.
	ends, next := map[int]int{}, math.MaxInt
	ast.Inspect(decl, func(n ast.Node) bool {
		if n != nil {
			line := fset.Position(n.Pos()).Line
			ends[line] = max(ends[line], fset.Position(n.End()).Line)
			if line > last {
				next = min(next, line)
			}
		}
		return true
	})
	switch {
	case ends[last] != 0:
		last = ends[last]
	case to == "" && next != math.MaxInt && strings.HasPrefix(strings.TrimSpace(lines[last-1]), "//"):
		last = ends[next]
	}
	return first, last, nil
}

// dedent joins lines without the tabs that all of them begin with.
func dedent(lines []string) string {
	tabs := math.MaxInt
	for _, line := range lines {
		if line != "" {
			tabs = min(tabs, len(line)-len(strings.TrimLeft(line, "\t")))
		}
	}
	var s strings.Builder
	for _, line := range lines {
		s.WriteString(line[min(tabs, len(line)):] + "\n")
	}
	return s.String()
}
