// Package exercise is the engine of the exercises: it finds them, renders the learner's file from the annotated solution,
// runs their tests, and proves to the author that these tests are worth something. For authors: ../../docs/writing.md
//
// An exercise of chapter NN-name is spread over three directories of the same name, N-id:
//
//	NN-name/solutions/N-id/exercise.go          the only source: the solution, with marks (see Source)
//	NN-name/solutions/N-id/hints.md             three hints: "## 1", "## 2", "## 3"
//	NN-name/exercises/N-id/exercise.go          the learner's file, rendered from the solution
//	NN-name/exercises/N-id/exercise_test.go     the one test for every variant of it
//	NN-name/wrong/N-id/MISTAKE/exercise.go      a typical mistake; "// want: TEXT" is what its author must be told
//
// It uses the standard library alone, because lab does.
package exercise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Exercise names one exercise.
type Exercise struct {
	ID      string // "01/hello": what people type
	Chapter string // "01-restclient"
	Dir     string // "1-hello"
	root    string
}

// File is the learner's file, as a path in the repository.
func (e Exercise) File() string { return e.in("exercises", "exercise.go") }

// Path is the learner's file on the disk.
func (e Exercise) Path() string { return e.abs(e.File()) }

// in is a file of the exercise in one of the chapter's directories, as a path in the repository.
func (e Exercise) in(directory string, elem ...string) string {
	return path.Join(append([]string{e.Chapter, directory, e.Dir}, elem...)...)
}

func (e Exercise) abs(name string) string { return filepath.Join(e.root, filepath.FromSlash(name)) }

func (e Exercise) read(name string) (string, error) {
	data, err := os.ReadFile(e.abs(name))
	return string(data), err
}

var dirName = regexp.MustCompile(`^([1-9])-([a-z0-9]+)$`)

// All finds the exercises of the repository at root, in the order of the course.
func All(root string) ([]Exercise, error) {
	found, err := fs.Glob(os.DirFS(root), "[0-9][0-9]-*/solutions/*")
	if err != nil {
		return nil, err
	}
	var all []Exercise
	for _, dir := range found { // sorted
		chapter, _, _ := strings.Cut(dir, "/")
		m := dirName.FindStringSubmatch(path.Base(dir))
		if m == nil {
			return nil, fmt.Errorf("%s: an exercise's directory is called like 1-hello: its place, and a word", dir)
		}
		all = append(all, Exercise{ID: chapter[:2] + "/" + m[2], Chapter: chapter, Dir: m[0], root: root})
	}
	return all, nil
}

// At is the exercise whose test is in dir, an absolute path.
func At(dir string) Exercise {
	chapter := filepath.Dir(filepath.Dir(dir))
	return Exercise{Chapter: filepath.Base(chapter), Dir: filepath.Base(dir), root: filepath.Dir(chapter)}
}

// Select picks what a learner may call it: nothing for all, 1, 01, 01-restclient or restclient for a chapter, and with
// /hello, /1 or /1-hello one exercise; also the learner's file, its directory, and hello alone if only one is called so.
func Select(all []Exercise, name string) ([]Exercise, error) {
	name = strings.Trim(strings.TrimPrefix(name, "./"), "/")
	chapter, id, one := strings.Cut(name, "/")
	number, numberErr := strconv.Atoi(chapter)
	var found []Exercise
	var names []string
	for _, e := range all {
		names = append(names, e.ID)
		n, err := strconv.Atoi(e.Chapter[:2])
		inChapter := name == "" || chapter == e.Chapter || chapter == e.Chapter[3:] || numberErr == nil && err == nil && n == number
		if inChapter && (!one || id == e.Dir || id == e.Dir[:1] || id == e.Dir[2:]) || name == e.File() || name == path.Dir(e.File()) {
			found = append(found, e)
		}
	}
	if len(found) == 0 { // a word that only one exercise has
		for _, e := range all {
			if name == e.Dir[2:] {
				found = append(found, e)
			}
		}
		if len(found) > 1 {
			found = nil
		}
	}
	if len(found) == 0 {
		if len(names) == 0 {
			return nil, errors.New("there is no exercise yet")
		}
		return nil, fmt.Errorf("there is no exercise %q; there are: %s", name, strings.Join(names, ", "))
	}
	return found, nil
}

// Source reads and parses the exercise's annotated solution.
func (e Exercise) Source() (*Source, error) {
	text, err := e.read(e.in("solutions", "exercise.go"))
	if err != nil {
		return nil, err
	}
	s, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.in("solutions", "exercise.go"), err)
	}
	return s, nil
}

// Pristine is what the learner's file holds at first.
func (e Exercise) Pristine() (string, error) { return e.rendered(0) }

// Solution is our solution, without marks.
func (e Exercise) Solution() (string, error) { return e.rendered(allSteps) }

func (e Exercise) rendered(solved int) (string, error) {
	s, err := e.Source()
	if err != nil {
		return "", err
	}
	text, err := s.Render(solved)
	if err != nil {
		return "", fmt.Errorf("%s: %w", e.in("solutions", "exercise.go"), err)
	}
	return text, nil
}

// Untouched says whether the learner has written nothing yet: comments and spacing do not count.
func (e Exercise) Untouched() (bool, error) {
	pristine, err := e.Pristine()
	if err != nil {
		return false, err
	}
	text, err := e.read(e.File())
	if err != nil {
		return false, err
	}
	return sameTokens(text, pristine), nil
}

// Reset writes the pristine file. What the learner had goes to backup first, a new file.
func (e Exercise) Reset(backup string) (changed bool, err error) {
	pristine, err := e.Pristine()
	if err != nil {
		return false, err
	}
	text, err := e.read(e.File())
	if err == nil && text == pristine {
		return false, nil
	}
	if err == nil {
		if err := os.MkdirAll(filepath.Dir(backup), 0o755); err != nil {
			return false, err
		}
		if err := os.WriteFile(backup, []byte(text), 0o644); err != nil {
			return false, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(e.Path()), 0o755); err != nil {
		return false, err
	}
	if err := replaceFile(e.Path(), pristine); err != nil {
		if text != "" {
			err = fmt.Errorf("%w (what you had is in %s, too)", err, backup)
		}
		return false, err
	}
	return true, nil
}

// replaceFile writes a new file and puts it in the place of the old one: a full disk loses neither.
func replaceFile(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".exercise-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing, once it has its new name
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

var hintHeading = regexp.MustCompile(`(?m)^## ([0-9]+)\n`)

// Hints are the exercise's three hints: where to look, what to call, the shape of the answer.
func (e Exercise) Hints() ([]string, error) {
	name := e.in("solutions", "hints.md")
	text, err := e.read(name)
	if err != nil {
		return nil, err
	}
	var hints, numbers []string
	for _, at := range hintHeading.FindAllStringSubmatchIndex(text, -1) {
		numbers = append(numbers, text[at[2]:at[3]])
		rest := text[at[1]:]
		if end := hintHeading.FindStringIndex(rest); end != nil {
			rest = rest[:end[0]]
		}
		if rest = strings.TrimSpace(rest); rest != "" {
			hints = append(hints, rest)
		}
	}
	if !slices.Equal(numbers, []string{"1", "2", "3"}) || len(hints) != 3 {
		return nil, fmt.Errorf(`%s: it must hold three hints, under "## 1", "## 2" and "## 3"`, name)
	}
	return hints, nil
}
