package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDocsCommand(t *testing.T) {
	t.Run("builds the cluster for the commands", func(t *testing.T) {
		l := newLab(t)
		l.env = append(l.env, "FAKE_DOCS=checked\n", "FAKE_DOCS_EXIT=3")
		code, stdout, stderr := l.run("docs", "--fix", "README.md")
		assert.Equal(t, 3, code, "the checker's own; %s", stderr)
		assert.Equal(t, "checked\n", stdout)
		assert.Regexp(t, `(?m)^go run -C tools \./docs --root \S+ --binary \S+/localcluster --fix=true README\.md$`, l.log())
	})
	t.Run("or needs none", func(t *testing.T) {
		l := newLab(t)
		code, _, stderr := l.run("docs", "--no-run")
		assert.Zero(t, code, stderr)
		assert.Regexp(t, `(?m)^go run -C tools \./docs --root \S+ --binary  --no-run=true$`, l.log())
		assert.NotContains(t, l.log(), "go build -v", "nothing is compiled")
	})
}

func TestDocsInLabTest(t *testing.T) {
	report := "not run: README.md:9: go run ./lab up: needs Docker\n2 documents: 7 console blocks run\n"
	for _, c := range []struct {
		exit, word string
		code       int
	}{{"0", "ok", 0}, {"1", "FAIL", 1}} {
		l := newLab(t)
		l.env = append(l.env, "FAKE_TESTS="+onePass, "FAKE_DOCS="+report, "FAKE_DOCS_EXIT="+c.exit)
		code, stdout, stderr := l.run("test")
		assert.Equal(t, c.code, code, stdout+stderr)
		assert.Regexp(t, `(?m)^`+c.word+` +READMEs `, stdout)
		assert.Contains(t, stdout, "2 documents: 7 console blocks run", "what was checked, or what was found")
		assert.Contains(t, stdout, "README.md:9: go run ./lab up: needs Docker", "what was not run")
		counts(t, stdout)
	}
}
