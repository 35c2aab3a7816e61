package exercise

import (
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/scanner"
	"go/token"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Source is an annotated solution. What the learner writes is marked in it:
//
//	// lab:begin 1 what to do
//	the solution's code
//	// lab:stub what stands there at first; more of these lines make more lines
//	// lab:end
//
// The number is that of the step inside the exercise; a step may have several such places.
type Source struct {
	Steps []string // what to do in step 1, 2, ...; the text of its first place
	parts []part
}

// part is unmarked text (step 0), or one place to fill in.
type part struct {
	step       int
	do         string
	code, stub []string
}

const allSteps = math.MaxInt

var mark = regexp.MustCompile(`^(\s*)// lab:(\S+) ?(.*)$`)

// Parse reads an annotated solution. Its errors begin with the line.
func Parse(text string) (*Source, error) {
	s := &Source{parts: []part{{}}}
	inside := false
	for i, line := range strings.Split(text, "\n") {
		p := &s.parts[len(s.parts)-1]
		bad := func(format string, args ...any) error {
			return fmt.Errorf("line %d: "+format, append([]any{i + 1}, args...)...)
		}
		m := mark.FindStringSubmatch(line)
		switch {
		case m == nil && strings.Contains(line, "lab:begin"), m == nil && strings.Contains(line, "lab:end"):
			return nil, bad("a mark must stand alone on its line, as // lab:...")
		case m == nil:
			p.code = append(p.code, line)
		case m[2] == "begin":
			number, do, _ := strings.Cut(m[3], " ")
			n, err := strconv.Atoi(number)
			switch {
			case inside:
				return nil, bad("lab:begin inside another one")
			case err != nil || n < 1 || n > len(s.Steps)+1 || do == "":
				return nil, bad("write lab:begin N what to do; N is the number of the step, from 1, in order")
			case n == len(s.Steps)+1:
				s.Steps = append(s.Steps, do)
			}
			inside = true
			s.parts = append(s.parts, part{step: n, do: m[1] + "// TODO " + number + ": " + do})
		case m[2] == "stub" && inside:
			p.stub = append(p.stub, m[1]+m[3])
		case m[2] == "end" && inside:
			inside = false
			s.parts = append(s.parts, part{})
		default:
			return nil, bad("lab:%s has no meaning here", m[2])
		}
	}
	if inside {
		return nil, errors.New("the last lab:begin has no lab:end")
	}
	if len(s.Steps) == 0 {
		return nil, errors.New("it marks nothing to write: // lab:begin 1 what to do")
	}
	return s, nil
}

// Render returns the file with steps 1 to solved solved, and stubs in place of the others.
func (s *Source) Render(solved int) (string, error) {
	var lines []string
	for _, p := range s.parts {
		if p.step <= solved {
			lines = append(lines, p.code...)
		} else {
			lines = append(append(lines, p.do), p.stub...)
		}
	}
	text, err := pruneImports(strings.Join(lines, "\n"))
	if err != nil {
		return "", fmt.Errorf("with the first %d steps solved: %w", min(solved, len(s.Steps)), err)
	}
	return text, nil
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

var noImports = regexp.MustCompile(`(?m)^import \(\s*\)\n+`)

// pruneImports takes out the imports that stubs do not use, and formats the rest.
func pruneImports(text string) (string, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "exercise.go", text, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	used := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				used[x.Name] = true
			}
		}
		return true
	})
	lines := strings.Split(text, "\n")
	for _, i := range f.Imports {
		if name := importName(i); !used[name] && name != "_" {
			lines[files.Position(i.Pos()).Line-1] = "\x00"
		}
	}
	text = strings.ReplaceAll(strings.Join(lines, "\n"), "\x00\n", "")
	text = noImports.ReplaceAllString(text, "")
	out, err := format.Source([]byte(text))
	return string(out), err
}

// importName is what a package is called in the file, going by its path.
func importName(i *ast.ImportSpec) string {
	if i.Name != nil {
		return i.Name.Name
	}
	importPath := strings.Trim(i.Path.Value, `"`)
	if majorVersion.MatchString(path.Base(importPath)) {
		importPath = path.Dir(importPath)
	}
	return path.Base(importPath)
}

// sameTokens compares Go code without comments, spacing and line ends.
func sameTokens(a, b string) bool {
	x, okA := tokens(a)
	y, okB := tokens(b)
	return okA && okB && x == y
}

func tokens(text string) (string, bool) {
	var s scanner.Scanner
	files := token.NewFileSet()
	src := []byte(text)
	s.Init(files.AddFile("", -1, len(src)), src, nil, 0)
	var out strings.Builder
	for {
		_, tok, lit := s.Scan()
		if tok == token.EOF {
			return out.String(), s.ErrorCount == 0
		}
		if tok == token.SEMICOLON { // written, or put there by a line end
			lit = ""
		}
		fmt.Fprintf(&out, "%v %q\n", tok, lit)
	}
}
