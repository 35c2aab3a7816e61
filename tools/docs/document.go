package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// document is a Markdown file: what the checks need of it.
type document struct {
	name    string // its path in the repository, with slashes
	source  []byte
	blocks  []*block
	links   []located
	spans   []located // `code` in the prose
	anchors map[string]bool
}

// located is a piece of a document and the line it stands in.
type located struct {
	text string
	line int
}

// block is a fenced code block. What follows the language in its first line is for this program; GitHub does not show it.
type block struct {
	line        int
	lang        string
	words       []string          // pods.go#listPods
	attrs       map[string]string // from="err := client.Get()"
	text        string
	start, stop int    // the text in the document's source
	indent      string // before each line: the block stands in a list, or is quoted
	fixed       string // what --fix writes instead of text, if it differs
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM)) // tables hold links, too

// readDocument reads a file of the repository. Its error says in which line the notation is wrong.
func readDocument(root, name string) (*document, error) {
	source, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return nil, err
	}
	d := &document{name: name, source: source, anchors: map[string]bool{}}
	line := 1 // for nodes that do not know theirs: the last one seen
	err = ast.Walk(markdown.Parser().Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if t, ok := n.(*ast.Text); ok {
			line = d.lineAt(t.Segment.Start)
		} else if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
			line = d.lineAt(n.Lines().At(0).Start)
		}
		switch n := n.(type) {
		case *ast.Heading:
			d.addAnchor(textOf(n, source))
		case *ast.Link:
			d.links = append(d.links, located{string(n.Destination), d.firstLine(n, line)})
		case *ast.Image:
			d.links = append(d.links, located{string(n.Destination), d.firstLine(n, line)})
		case *ast.AutoLink:
			if n.AutoLinkType == ast.AutoLinkURL {
				d.links = append(d.links, located{string(n.URL(source)), line})
			}
		case *ast.CodeSpan:
			d.spans = append(d.spans, located{textOf(n, source), d.firstLine(n, line)})
			return ast.WalkSkipChildren, nil
		case *ast.CodeBlock: // indented
			d.blocks = append(d.blocks, &block{line: line})
		case *ast.FencedCodeBlock:
			if n.Info == nil {
				d.blocks = append(d.blocks, &block{line: line - 1})
				return ast.WalkContinue, nil
			}
			b, err := d.newBlock(n)
			if err != nil {
				return ast.WalkStop, fmt.Errorf("%s:%d: %w", name, b.line, err)
			}
			d.blocks = append(d.blocks, b)
		}
		return ast.WalkContinue, nil
	})
	return d, err
}

func (d *document) newBlock(n *ast.FencedCodeBlock) (*block, error) {
	info := n.Info.Segment
	end := func(from int) int { // behind the end of the line
		if i := bytes.IndexByte(d.source[from:], '\n'); i >= 0 {
			return from + i + 1
		}
		return len(d.source)
	}
	b := &block{line: d.lineAt(info.Start), start: end(info.Stop), attrs: map[string]string{}}
	b.stop = b.start
	for i := range n.Lines().Len() {
		segment := n.Lines().At(i)
		b.text += string(segment.Value(d.source))
		b.stop = segment.Stop
	}
	b.fixed = b.text
	fence := string(d.source[bytes.LastIndexByte(d.source[:info.Start], '\n')+1 : info.Start])
	b.indent = strings.Map(func(r rune) rune {
		if r == '>' {
			return r
		}
		return ' '
	}, fence[:strings.IndexAny(fence, "`~")])

	rest := string(info.Value(d.source))
	b.lang, rest, _ = strings.Cut(rest, " ")
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		word, _, _ := strings.Cut(rest, " ")
		key, value, isAttr := strings.Cut(word, `="`)
		if !isAttr {
			b.words, rest = append(b.words, word), rest[len(word):]
			continue
		}
		rest = rest[len(key)+1:]
		quoted, err := strconv.QuotedPrefix(rest)
		if err == nil {
			value, err = strconv.Unquote(quoted)
		}
		if err != nil || value == "" {
			return b, fmt.Errorf("%s= needs a text in double quotes, with \\\" for a quote in it", key)
		}
		b.attrs[key], rest = value, rest[len(quoted):]
	}
	return b, nil
}

// fix writes the blocks' fixed texts into the file, unless somebody has changed it meanwhile.
func (d *document) fix(root string) error {
	path := filepath.Join(root, d.name)
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, d.source) {
		return fmt.Errorf("%s was changed while it was checked; nothing is written: try again", d.name)
	}
	var out []byte
	from := 0
	for _, b := range d.blocks {
		if b.fixed == b.text {
			continue
		}
		out = append(out, d.source[from:b.start]...)
		for line := range strings.Lines(b.fixed) {
			out = append(out, strings.TrimRight(b.indent+strings.TrimSuffix(line, "\n"), " ")+"\n"...)
		}
		from = b.stop
	}
	if from == 0 {
		return nil
	}
	return os.WriteFile(path, append(out, d.source[from:]...), 0o644)
}

func (d *document) lineAt(offset int) int { return 1 + bytes.Count(d.source[:offset], []byte("\n")) }

// firstLine is the line of the first text in n.
func (d *document) firstLine(n ast.Node, otherwise int) int {
	for c := n.FirstChild(); c != nil; c = c.FirstChild() {
		if t, ok := c.(*ast.Text); ok {
			return d.lineAt(t.Segment.Start)
		}
	}
	return otherwise
}

// textOf is what a reader sees of n.
func textOf(n ast.Node, source []byte) string {
	var s strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			s.Write(t.Segment.Value(source))
			if t.SoftLineBreak() {
				s.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return s.String()
}

// addAnchor adds the anchor that GitHub gives a heading: lower case, no punctuation, hyphens for spaces, and -1, -2
// behind a second and third of the same name.
func (d *document) addAnchor(heading string) {
	slug := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
	name := slug
	for i := 1; d.anchors[name]; i++ {
		name = slug + "-" + strconv.Itoa(i)
	}
	d.anchors[name] = true
}
