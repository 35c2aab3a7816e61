package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// repository writes a small repository with one lesson, whose README is the text given, with ”' for a fence.
func repository(t *testing.T, readme string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, content := range map[string]string{
		"go.mod":             "module client-go-lab\n\ngo 1.26.0\n",
		"README.md":          "# The front door\n\n## What's `new`, here?\n\n## What's `new`, here?\n",
		".ci/run":            "# go run ./lab doctor\nfirst=$(go run ./lab run 01)\ngo run ./lab tour --no-pause >log\n",
		"01-one/main.go":     "package main\n\nimport (\n\tweb \"net/http\"\n)\n\nfunc main() {\n\tclient := &web.Client{}\n\tclient.CloseIdleConnections()\n}\n",
		"01-one/README.md":   strings.ReplaceAll(readme, "'''", "```"),
		"elsewhere/other.md": "# Not a document\n",
	} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	return root
}

// check checks the lesson of a repository and returns what is printed.
func check(t *testing.T, root string, fix bool) (string, error) {
	t.Helper()
	var out strings.Builder
	c := checker{root: root, out: func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }}
	err := c.check(t.Context(), nil, fix)
	return out.String(), err
}

const mainBlock = "'''go main.go#main from=\"client := \" to=\"Close\"\nclient := &web.Client{}\nclient.CloseIdleConnections()\n'''\n"

func TestGoodReadme(t *testing.T) {
	root := repository(t, `# One

[up](../README.md), [there](../README.md#whats-new-here), [again](../README.md#whats-new-here-1), [here](#one), [code](main.go), [dir](../01-one/),
[there is more](https://kubernetes.io/docs/), <https://pkg.go.dev/net/http#Client.Do>, https://pkg.go.dev/net/http

| a table | with code |
| --- | --- |
| `+"`web.Client.Timeout`, `*web.Client`, `web.NewRequest(method, url)`"+` | `+"`client.Do`, `json.Unmarshal`, `Client.Nonsense`, `a.b`"+` |

`+mainBlock+`
- a list

  '''console
  $ echo mysql-x2kqp
  mysql-g5zvw
  '''

'''sh ci
go run ./lab run 01
go run ./lab tour
'''

'''sh
true
'''

'''console not-run="it needs a \"browser\""
$ xdg-open .
'''

'''go not-compared="no lesson should have it"
panic("no")
'''

'''diff
-old
+new
'''

'''mermaid
flowchart LR
  a --> b
'''
`)
	before, err := os.ReadFile(filepath.Join(root, "01-one/README.md"))
	require.NoError(t, err)
	for _, fix := range []bool{false, true} {
		out, err := check(t, root, fix)
		require.NoError(t, err, out)
		assert.Equal(t, `not run: 01-one/README.md:31: $ xdg-open .: it needs a "browser"
not run: 01-one/README.md:35: panic("no"): no lesson should have it
2 documents: 1 console blocks and 1 sh blocks run, 1 sh blocks run by CI itself, 2 not run; 1 Go blocks compared; 9 links, 5 names, 1 diagrams
`, out)
	}
	after, err := os.ReadFile(filepath.Join(root, "01-one/README.md"))
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "nothing to mend")
}

// Each fault is found, where it stands and with words that help, and there is no other.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a stale region": {strings.Replace(mainBlock, "Client{}", "Client{Timeout: 1}", 1), `README.md:3: the code has changed:
diff 01-one/README.md 01-one/main.go
--- 01-one/README.md
+++ 01-one/main.go
@@ -1,2 +1,2 @@
-client := &web.Client{Timeout: 1}
+client := &web.Client{}
 client.CloseIdleConnections()
Write it into the document: go run ./lab docs --fix
`},
		"a region that is gone":     {strings.Replace(mainBlock, "#main", "#man", 1), "region main.go#man: no declaration of this name: man"},
		"a file that is gone":       {strings.Replace(mainBlock, "main.go", "man.go", 1), "man.go: no such file"},
		"Go without a region":       {"'''go\nx := 1\n'''\n", "a Go block names the code that it shows"},
		"a wrong output":            {"'''console\n$ echo one\ntwo\n'''\n", "README.md:3: \"echo one\" printed something else:\n"},
		"a wrong exit code":         {"'''console\n$ false\n'''\n", `"false" ended with exit code 1, not 0`},
		"a failing sh block":        {"'''sh\nfalse\n'''\n", "it ended with exit code 1"},
		"what CI does not run":      {"'''sh ci\ngo run ./lab doctor\n'''\n", `marked ci, but .ci/run does not run "go run ./lab doctor"`},
		"no language":               {"'''\nx\n'''\n", `README.md:3: a code block needs one of the languages go, console, sh, diff, mermaid, text, yaml and json; this one has ""`},
		"indented code":             {"    x := 1\n", "README.md:3: a code block needs one of the languages"},
		"another language":          {"'''bash\nx\n'''\n", `this one has "bash"`},
		"an unknown mark":           {"'''console no-run=\"tired\"\n$ true\n'''\n", "no-run= means nothing on a console block"},
		"an unknown word":           {"'''console skip\n$ true\n'''\n", `"skip" means nothing on a console block`},
		"a dead file":               {"[x](../nowhere.md)\n", "README.md:3: dead link ../nowhere.md: there is no nowhere.md"},
		"a dead file in a table":    {"| a | b |\n| - | - |\n| x | [x](nowhere.go) |\n", "README.md:5: dead link nowhere.go: there is no 01-one/nowhere.go"},
		"a dead image":              {"![x](nowhere.png)\n", "dead link nowhere.png"},
		"a dead anchor":             {"[x](../README.md#new)\n", "dead link ../README.md#new: README.md has no heading for #new"},
		"a dead anchor here":        {"[x](#two)\n", "dead link #two: 01-one/README.md has no heading for #two"},
		"an anchor by its words":    {"[x](../README.md#What's-new-here)\n", "no heading for"},
		"out of the repository":     {"[x](../../x)\n", "it leads out of the repository"},
		"plain http":                {"[x](http://kubernetes.io)\n", "neither a file of this repository nor https://"},
		"no host":                   {"[x](https://kubernetes)\n", "neither a file of this repository nor https://"},
		"a wrong identifier":        {"`web.Clinet`\n", "README.md:3: wrong name web.Clinet: package net/http has no Clinet"},
		"a wrong field":             {"a line\n`web.Client.TimeOut`\n", "README.md:4: wrong name web.Client.TimeOut: package net/http has no Client.TimeOut"},
		"a wrong package":           {"`wbe.Client`\n", "wrong name wbe.Client: wbe is no package that a chapter imports"},
		"a wrong pkg.go.dev name":   {"https://pkg.go.dev/net/http#Clinet\n", "dead link https://pkg.go.dev/net/http#Clinet: package net/http has no Clinet"},
		"a wrong pkg.go.dev method": {"https://pkg.go.dev/net/http#Client.Doo\n", "package net/http has no Client.Doo"},
		"a wrong package's page":    {"https://pkg.go.dev/net/htpt\n", "no such package in the modules of go.mod: net/htpt"},
		"a misspelling":             {"\nThey recieve it.\n", `README.md:4: "recieve" is a misspelling of "receive"`},
		"a broken diagram":          {"'''mermaid\nflowchart LR\n  a -> b\n'''\n", `README.md:3: broken diagram: line 2, "a -> b": an arrow was expected`},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := check(t, repository(t, "# One\n\n"+c.text), false)
			require.EqualError(t, err, "1 problems", out)
			assert.Contains(t, out, c.want)
		})
	}
	_, err := check(t, repository(t, "# One\n\n'''go from=main\n'''\n'''go from=\"a\n'''\n"), false)
	assert.ErrorContains(t, err, "README.md:5: from= needs a text in double quotes")
}

func TestFix(t *testing.T) {
	list := "> quoted:\n>\n> '''console\n> $ printf 'one\\n\\ntwo\\n'\n> '''\n\n" // the prompt stays, its output comes
	root := repository(t, "# One\n\n"+strings.Replace(mainBlock, "Client{}", "Clint{}", 1)+"\n"+list+"- x\n\n  '''console\n  $ echo one\n  ono\n  '''\n\nThe end.\n")
	out, err := check(t, root, true)
	require.NoError(t, err, out)
	assert.Contains(t, out, "3 blocks mended")
	got, err := os.ReadFile(filepath.Join(root, "01-one/README.md"))
	require.NoError(t, err)
	want := "# One\n\n" + mainBlock + "\n> quoted:\n>\n> '''console\n> $ printf 'one\\n\\ntwo\\n'\n> one\n>\n> two\n> '''\n\n- x\n\n  '''console\n  $ echo one\n  one\n  '''\n\nThe end.\n"
	assert.Equal(t, strings.ReplaceAll(want, "'''", "```"), string(got))
	out, err = check(t, root, false)
	require.NoError(t, err, out)

	// What --fix cannot mend stays a failure.
	root = repository(t, "# One\n\n[x](#two)\n\n'''console\n$ echo one\n'''\n")
	_, err = check(t, root, true)
	require.EqualError(t, err, "2 problems")
}

func TestFixLeavesWhatSomebodyElseWrites(t *testing.T) {
	root := repository(t, "# One\n\n'''console\n$ echo more >>01-one/README.md; echo one\n'''\n")
	_, err := check(t, root, true)
	assert.ErrorContains(t, err, "01-one/README.md was changed while it was checked")
}

func TestChosenDocuments(t *testing.T) {
	root := repository(t, "# One\n\n[x](#two)\n")
	c := checker{root: root, out: func(string, ...any) {}}
	require.NoError(t, c.check(t.Context(), []string{"README.md"}, false))
	require.ErrorContains(t, c.check(t.Context(), []string{"elsewhere/other.md"}, false), "there are: README.md, 01-one/README.md")

	var out strings.Builder
	c = checker{root: repository(t, "# One\n\n'''console\n$ false\n'''\n"), noRun: true, out: func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }}
	require.NoError(t, c.check(t.Context(), nil, false))
	assert.Contains(t, out.String(), "not run: 01-one/README.md:3: $ false: --no-run\n")
}

// The repository's own names, in the versions of its go.mod.
func TestNamesOfClientGo(t *testing.T) {
	n, err := loadNames(t.Context(), "../..", []string{"k8s.io/client-go/tools/pager"})
	require.NoError(t, err)
	d := &document{}
	for code, want := range map[string]string{
		"rest.Config":                           "",
		"rest.Config.Timeout":                   "",
		"rest.Config.TLSClientConfig.CAData":    "",
		"rest.Config.CAData":                    "", // promoted
		"corev1.Pod.Name":                       "",
		"rest.CopyConfig(config)":               "",
		"watchtools.NewRetryWatcherWithContext": "",
		"rest.Config.TimeOut":                   "package k8s.io/client-go/rest has no Config.TimeOut",
		"rest.Confg":                            "package k8s.io/client-go/rest has no Confg",
	} {
		assert.Equal(t, want, n.checkSpan(d, code), code)
	}
	version := n.versions["k8s.io/client-go"]
	require.NotEmpty(t, version)
	for link, want := range map[string]string{
		"https://pkg.go.dev/k8s.io/client-go@" + version + "/rest#Config.Timeout": "",
		"https://pkg.go.dev/k8s.io/client-go@" + version + "/tools/pager":         "",
		"https://pkg.go.dev/k8s.io/client-go@v0.36.0/rest":                        "go.mod has k8s.io/client-go " + version,
		"https://pkg.go.dev/k8s.io/client-go@" + version + "/rest#Confg":          "package k8s.io/client-go/rest has no Confg",
		"https://pkg.go.dev/k8s.io/client-go@" + version + "/rset":                "no such package in the modules of go.mod: k8s.io/client-go/rset",
	} {
		u, err := url.Parse(link)
		require.NoError(t, err)
		assert.Equal(t, want, n.checkURL(u), link)
	}
}
