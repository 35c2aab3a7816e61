package main

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/golangci/misspell"
)

// checkLink returns what is wrong with a link, or "". No request is made: a link into the web is only read, and one to
// pkg.go.dev is looked up in the modules on this machine.
func (c *checker) checkLink(d *document, link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	switch {
	case u.Scheme == "https" && u.Host == "pkg.go.dev":
		return c.names.checkURL(u)
	case u.Scheme == "https" && strings.Contains(u.Host, ".") && !strings.ContainsAny(link, " <>"):
		return ""
	case u.Scheme != "" || u.Host != "":
		return "neither a file of this repository nor https://..."
	}
	name := d.name
	if u.Path != "" {
		name = path.Join(path.Dir(d.name), u.Path)
	}
	if !filepath.IsLocal(name) {
		return "it leads out of the repository"
	}
	if _, err := os.Stat(filepath.Join(c.root, name)); err != nil {
		return "there is no " + name
	}
	if u.Fragment == "" {
		return ""
	}
	target := d
	if name != d.name {
		if path.Ext(name) != ".md" {
			return "an anchor in what is not Markdown: " + u.Fragment
		}
		if target, err = readDocument(c.root, name); err != nil {
			return err.Error()
		}
	}
	if !target.anchors[u.Fragment] {
		return fmt.Sprintf("%s has no heading for #%s", name, u.Fragment)
	}
	return ""
}

var speller = func() *misspell.Replacer {
	r := misspell.New()
	r.Compile()
	return r
}()

// checkSpelling returns the words that are known misspellings, each with its line.
func checkSpelling(source []byte) []located {
	var found []located
	_, words := speller.Replace(string(source))
	for _, w := range words {
		found = append(found, located{fmt.Sprintf("%q is a misspelling of %q", w.Original, w.Corrected), w.Line})
	}
	return found
}
