package main

import (
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// alsoKnown are packages that the lessons name and their code does not import, under the names that they have there.
var alsoKnown = map[string]string{
	"json":       "encoding/json",
	"retry":      "k8s.io/client-go/util/retry",
	"watchtools": "k8s.io/client-go/tools/watch",
}

// names looks up identifiers in the packages that the repository's code imports, in the versions of its go.mod.
type names struct {
	root     string
	byName   map[string][]*types.Package // by the names under which files import them
	byPath   map[string]*types.Package
	failed   map[string]error  // what byName could not have
	versions map[string]string // of modules
}

// loadNames compiles the repository's packages, if Go's cache does not have them, and reads what they export.
// more are paths of packages that documents link to.
func loadNames(ctx context.Context, root string, more []string) (*names, error) {
	imported, err := imports(root)
	if err != nil {
		return nil, err
	}
	patterns := append(slices.Collect(maps.Values(imported)), more...)
	slices.Sort(patterns)
	config := &packages.Config{Context: ctx, Dir: root, Mode: packages.LoadTypes | packages.NeedModule}
	loaded, err := packages.Load(config, append([]string{"./..."}, slices.Compact(patterns)...)...)
	if err != nil {
		return nil, fmt.Errorf("load the packages that the documents name: %w", err)
	}
	n := &names{root: root, byName: map[string][]*types.Package{}, byPath: map[string]*types.Package{}, failed: map[string]error{}, versions: map[string]string{}}
	failed := map[string]error{}
	for _, p := range loaded {
		if len(p.Errors) > 0 || p.Types == nil {
			failed[p.PkgPath] = fmt.Errorf("load %s: %v", p.PkgPath, p.Errors)
			continue
		}
		n.byPath[p.PkgPath] = p.Types
		if p.Module != nil {
			n.versions[p.Module.Path] = p.Module.Version
		}
	}
	for alias, path := range imported {
		alias, _, _ = strings.Cut(alias, " ")
		if p := n.byPath[path]; p != nil {
			if alias == "" {
				alias = p.Name()
			}
			n.byName[alias] = append(n.byName[alias], p)
		} else if alias != "" { // a problem only of a document that names it
			n.failed[alias] = failed[path]
		}
	}
	return n, nil
}

// imports maps "alias path" to path for every import in the repository's root module. Most have no alias.
func imports(root string) (map[string]string, error) {
	found := map[string]string{}
	for alias, path := range alsoKnown {
		found[alias+" "+path] = path
	}
	files, err := filepath.Glob(filepath.Join(root, "[0-9][0-9]-*", "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return nil, err
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, err
			}
			alias := ""
			if spec.Name != nil {
				alias = spec.Name.Name
			}
			found[alias+" "+path] = path
		}
	}
	return found, nil
}

// qualified matches rest.Config, *rest.Config, rest.Config.Timeout, rest.CopyConfig(config), rest.Config{}.
var qualified = regexp.MustCompile(`^[*&]?([a-z][a-z0-9]*)\.([A-Z]\w*)((?:\.\w+)*)(?:\(.*\)|\{.*\})?$`)

// checkSpan returns what is wrong with a piece of code in the prose, or "". A name before the dot that is no package
// must at least be a variable in one of the document's Go blocks.
func (n *names) checkSpan(d *document, code string) string {
	m := qualified.FindStringSubmatch(code)
	if m == nil {
		return ""
	}
	known := n.byName[m[1]]
	for _, p := range known {
		if lookup(p, m[2]+m[3]) {
			return ""
		}
	}
	if len(known) > 0 {
		return fmt.Sprintf("package %s has no %s", known[0].Path(), m[2]+m[3])
	}
	if err := n.failed[m[1]]; err != nil {
		return err.Error()
	}
	for _, b := range d.blocks {
		if b.lang == "go" && regexp.MustCompile(`\b`+m[1]+`\b`).MatchString(b.text) {
			return ""
		}
	}
	return fmt.Sprintf("%s is no package that a chapter imports, and no variable in this document's Go blocks (packages that only prose names: alsoKnown in tools/docs/names.go)", m[1])
}

// lookup finds Name, Type.Field, Type.Method and Type.Field.Field in a package.
func lookup(p *types.Package, name string) bool {
	parts := strings.Split(name, ".")
	object := p.Scope().Lookup(parts[0])
	for _, part := range parts[1:] {
		if object == nil {
			return false
		}
		object, _, _ = types.LookupFieldOrMethod(object.Type(), true, p, part)
	}
	return object != nil && object.Exported()
}

// checkURL looks up https://pkg.go.dev/MODULE@VERSION/PACKAGE#Name.
func (n *names) checkURL(u *url.URL) string {
	module, version, dir := splitURL(u)
	p := n.byPath[path.Join(module, dir)]
	switch {
	case p == nil:
		return "no such package in the modules of go.mod: " + path.Join(module, dir)
	case version != "" && n.versions[module] != version:
		return fmt.Sprintf("go.mod has %s %s", module, n.versions[module])
	case u.Fragment != "" && !lookup(p, u.Fragment):
		return fmt.Sprintf("package %s has no %s", p.Path(), u.Fragment)
	}
	return ""
}

func splitURL(u *url.URL) (module, version, dir string) {
	module, rest, found := strings.Cut(strings.Trim(u.Path, "/"), "@")
	if found {
		version, dir, _ = strings.Cut(rest, "/")
	}
	return module, version, dir
}
