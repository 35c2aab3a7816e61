// Docs keeps the repository's READMEs true: it compares their Go code with the repository's, runs their commands on a
// fresh cluster, and checks links, names, spelling and diagrams. `go run ./lab docs` starts it; the notation is
// explained in docs/writing.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/diff"
)

const mend = "go run ./lab docs --fix"

// checker checks documents and counts.
type checker struct {
	root     string
	binary   string
	noRun    bool
	names    *names
	out      func(format string, args ...any)
	problems int
	fixable  int
	notRun   []string // blocks that were not run or not compared, and why
	count    struct{ console, sh, ci, code, links, names, diagrams int }
}

func main() {
	var c checker
	flag.StringVar(&c.root, "root", ".", "the repository")
	flag.StringVar(&c.binary, "binary", "", "the localcluster program, in lab's cache")
	flag.BoolVar(&c.noRun, "no-run", false, "run no commands")
	fix := flag.Bool("fix", false, "write code and output into the documents")
	flag.Parse()
	c.out = func(format string, args ...any) { fmt.Printf(format, args...) }

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := c.check(ctx, flag.Args(), *fix)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "docs: interrupted")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// documents are the Markdown files for readers.
func documents(root string) ([]string, error) {
	var found []string
	for _, pattern := range []string{"README.md", "[0-9][0-9]-*/README.md", "localcluster/README.md", "docs/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			name, err := filepath.Rel(root, p)
			if err != nil {
				return nil, err
			}
			found = append(found, filepath.ToSlash(name))
		}
	}
	if len(found) == 0 {
		return nil, errors.New("found no README.md in " + root)
	}
	return found, nil
}

// check checks the named documents, or all of them. Its error says how many problems there are.
func (c *checker) check(ctx context.Context, only []string, fix bool) error {
	all, err := documents(c.root)
	if err != nil {
		return err
	}
	var docs []*document
	var packages []string
	for _, name := range all {
		if len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		d, err := readDocument(c.root, name)
		if err != nil {
			return err
		}
		docs = append(docs, d)
		for _, l := range d.links {
			if u, err := url.Parse(l.text); err == nil && u.Host == "pkg.go.dev" {
				module, _, dir := splitURL(u)
				packages = append(packages, path.Join(module, dir))
			}
		}
	}
	if len(docs) == 0 {
		return fmt.Errorf("no such document; there are: %s", strings.Join(all, ", "))
	}
	if c.names, err = loadNames(ctx, c.root, packages); err != nil {
		return err
	}
	for _, d := range docs {
		c.checkText(d)
		if err := c.checkBlocks(ctx, d); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		if fix {
			if err := d.fix(c.root); err != nil {
				return err
			}
		}
	}
	for _, line := range c.notRun {
		c.out("not run: %s\n", line)
	}
	n := c.count
	c.out("%d documents: %d console blocks and %d sh blocks run, %d sh blocks run by CI itself, %d not run; %d Go blocks compared; %d links, %d names, %d diagrams\n",
		len(docs), n.console, n.sh, n.ci, len(c.notRun), n.code, n.links, n.names, n.diagrams)
	switch {
	case fix && c.fixable > 0 && c.problems == c.fixable:
		c.out("%d blocks mended: look at them with git diff\n", c.fixable)
		return nil
	case c.problems > 0:
		return fmt.Errorf("%d problems", c.problems)
	}
	return nil
}

// problem reports what is wrong in a line of a document.
func (c *checker) problem(d *document, line int, what string) {
	c.problems++
	c.out("%s:%d: %s\n", d.name, line, strings.TrimRight(what, "\n"))
}

func (c *checker) checkText(d *document) {
	for _, link := range d.links {
		c.count.links++
		if what := c.checkLink(d, link.text); what != "" {
			c.problem(d, link.line, fmt.Sprintf("dead link %s: %s", link.text, what))
		}
	}
	for _, span := range d.spans {
		if qualified.MatchString(span.text) {
			c.count.names++
		}
		if what := c.names.checkSpan(d, span.text); what != "" {
			c.problem(d, span.line, fmt.Sprintf("wrong name %s: %s", span.text, what))
		}
	}
	for _, word := range checkSpelling(d.source) {
		c.problem(d, word.line, word.text)
	}
}

// allowed are the languages of code blocks, and what may stand behind each.
var allowed = map[string][]string{
	"go":      {"from", "to", "not-compared"},
	"console": {"exit", "not-run"},
	"sh":      {"not-run"},
	"mermaid": nil, "diff": nil, "text": nil, "yaml": nil, "json": nil,
}

// checkBlocks checks the code blocks of a document, in order. Its commands run in a home of their own.
func (c *checker) checkBlocks(ctx context.Context, d *document) (err error) {
	var h *home
	defer func() {
		if h != nil {
			err = errors.Join(err, h.remove(ctx))
		}
	}()
	for _, b := range d.blocks {
		if h == nil && !c.noRun && (b.lang == "console" || b.lang == "sh") {
			if h, err = newHome(c.binary); err != nil {
				return err
			}
		}
		what, err := c.checkBlock(ctx, h, d, b)
		if err != nil {
			return err
		}
		if what != "" {
			c.problem(d, b.line, what)
		}
		if b.fixed != b.text {
			c.fixable++
		}
	}
	return nil
}

// checkBlock returns what is wrong with a block.
func (c *checker) checkBlock(ctx context.Context, h *home, d *document, b *block) (string, error) {
	attrs, known := allowed[b.lang]
	if !known {
		return fmt.Sprintf("a code block needs one of the languages go, console, sh, diff, mermaid, text, yaml and json; this one has %q", b.lang), nil
	}
	for name := range b.attrs {
		if !slices.Contains(attrs, name) {
			return fmt.Sprintf("%s= means nothing on a %s block", name, b.lang), nil
		}
	}
	ci := b.lang == "sh" && slices.Equal(b.words, []string{"ci"})
	if len(b.words) > 0 && b.lang != "go" && !ci {
		return fmt.Sprintf("%q means nothing on a %s block", strings.Join(b.words, " "), b.lang), nil
	}
	reason := b.attrs["not-run"] + b.attrs["not-compared"]
	if c.noRun && (b.lang == "console" || b.lang == "sh") && !ci && reason == "" {
		reason = "--no-run"
	}
	switch {
	case reason != "":
		first, _, _ := strings.Cut(b.text, "\n")
		c.notRun = append(c.notRun, fmt.Sprintf("%s:%d: %s: %s", d.name, b.line, first, reason))
	case ci:
		c.count.ci++
		return c.checkCI(b)
	case b.lang == "console":
		c.count.console++
		return h.checkConsole(ctx, c.root, b)
	case b.lang == "sh":
		c.count.sh++
		return h.checkShell(ctx, c.root, b)
	case b.lang == "go":
		c.count.code++
		return c.checkCode(d, b), nil
	case b.lang == "mermaid":
		c.count.diagrams++
		if err := checkMermaid(b.text); err != nil {
			return "broken diagram: " + err.Error(), nil
		}
	}
	return "", nil
}

// checkCode compares a Go block with the region that it names.
func (c *checker) checkCode(d *document, b *block) string {
	if len(b.words) != 1 || !strings.Contains(b.words[0], "#") {
		return `a Go block names the code that it shows: go FILE#NAME, from="..." to="..." for a part of it; or says why there is none: not-compared="..."`
	}
	file, decl, _ := strings.Cut(b.words[0], "#")
	file = path.Join(path.Dir(d.name), file)
	code, err := region(filepath.Join(c.root, file), decl, b.attrs["from"], b.attrs["to"])
	if err != nil {
		return fmt.Sprintf("region %s: %v", b.words[0], err)
	}
	if code == b.text {
		return ""
	}
	b.fixed = code
	return fmt.Sprintf("the code has changed:\n%sWrite it into the document: %s", diff.Diff(d.name, []byte(b.text), file, []byte(code)), mend)
}

// checkCI looks for a block's commands in .ci/run, which runs them its own way.
func (c *checker) checkCI(b *block) (string, error) {
	script, err := os.ReadFile(filepath.Join(c.root, ".ci", "run"))
	if err != nil {
		return "", err
	}
	for command := range strings.Lines(b.text) {
		command = strings.TrimSpace(command)
		if !regexp.MustCompile(`(?m)^[^#]*` + regexp.QuoteMeta(command) + `($|[ )])`).Match(script) {
			return fmt.Sprintf("marked ci, but .ci/run does not run %q", command), nil
		}
	}
	return "", nil
}
