package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sample = `package sample

import "fmt"

// limit has a comment.
const limit = 3

const (
	first  = 1 // one
	second = 2
)

// box is a type.
type box[T any] struct {
	content T
}

// Show is a method.
func (b *box[T]) Show() {
	fmt.Println(b.content) // all of it
}

func work(n int) (err error) {
	x := fmt.Sprintf("%d %d",
		n,
		limit)
	// A comment on what follows.
	for i := range n {
		if i > 1 {
			fmt.Println(x)
		} else {
			return nil
		}
	}
	switch n {
	case 1:
		fmt.Println("one")
		fmt.Println("and")
	case 2:
	}
	return err
}
`

func TestRegion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sample.go")
	require.NoError(t, os.WriteFile(path, []byte(sample), 0o644))
	for _, c := range []struct{ names, from, to, want string }{
		{"limit", "", "", "const limit = 3\n"},
		{"first", "", "", "first  = 1 // one\n"},
		{"box", "", "", "type box[T any] struct {\n\tcontent T\n}\n"},
		{"box.Show", "", "", "func (b *box[T]) Show() {\n\tfmt.Println(b.content) // all of it\n}\n"},
		{"limit,box.Show", "", "", "const limit = 3\n\nfunc (b *box[T]) Show() {\n\tfmt.Println(b.content) // all of it\n}\n"},
		{"work", "x := ", "", "x := fmt.Sprintf(\"%d %d\",\n\tn,\n\tlimit)\n"},
		{"work", "if i > 1", "", "if i > 1 {\n\tfmt.Println(x)\n} else {\n\treturn nil\n}\n"},
		{"work", "// A comment", "", "// A comment on what follows.\nfor i := range n {\n\tif i > 1 {\n\t\tfmt.Println(x)\n\t} else {\n\t\treturn nil\n\t}\n}\n"},
		{"work", "case 1", "", "case 1:\n\tfmt.Println(\"one\")\n\tfmt.Println(\"and\")\n"},
		{"work", "// A comment", "if i > 1", "// A comment on what follows.\nfor i := range n {\n\tif i > 1 {\n\t\tfmt.Println(x)\n\t} else {\n\t\treturn nil\n\t}\n"},
	} {
		got, err := region(path, c.names, c.from, c.to)
		require.NoError(t, err, "%+v", c)
		assert.Equal(t, c.want, got, "%+v", c)
	}
	for _, c := range []struct{ names, from, to, want string }{
		{"nothing", "", "", "no declaration of this name: nothing"},
		{"Show", "", "", "no declaration of this name: Show"},
		{"work", "y := ", "", `in work: no line with "y := "`},
		{"work", "limit = 3", "", "no line with"}, // it stands in another declaration
		{"work", "fmt.Println", "", `"fmt.Println" stands in lines 30 and 37: take more of the line`},
		{"work", "case 1", "x := ", `no line with "x := " from line 36 on`},
	} {
		_, err := region(path, c.names, c.from, c.to)
		assert.ErrorContains(t, err, c.want)
	}
	_, err := region(path+"x", "limit", "", "")
	assert.ErrorContains(t, err, "no such file")
}
