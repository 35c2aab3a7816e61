package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// manifest is one object of a file.
type manifest struct {
	document int // in which document of the file it stands, counted from 1
	*unstructured.Unstructured
}

// String names the object in messages: its document, its kind, its name.
func (m manifest) String() string {
	return fmt.Sprintf("document %d, %s %s", m.document, m.GetKind(), m.GetName())
}

// readManifests reads every document of a YAML or JSON file. It reads to the end and names everything that is wrong, so
// that whoever has to mend the file sees all of it, and nothing is applied of a file that is not good.
func readManifests(file io.Reader) ([]manifest, error) {
	var all []manifest
	var wrong []error
	reader := yaml.NewYAMLReader(bufio.NewReader(file)) // splits at "---", skips what is empty
	for document := 1; ; document++ {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.Join(append(wrong, fmt.Errorf("document %d: %w", document, err))...)
		}
		objects, errs := decode(text, fmt.Sprintf("document %d", document))
		wrong = append(wrong, errs...)
		for _, object := range objects {
			all = append(all, manifest{document, object})
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return all, nil
}

// decode makes objects of a document: none of a comment, one as a rule, several of a List. The errors say where they are.
func decode(text []byte, where string) ([]*unstructured.Unstructured, []error) {
	var content any
	// Strict: it is an error if a key is there twice. Numbers become int64 or float64, as the helpers want them.
	if err := yaml.UnmarshalStrict(text, &content); err != nil {
		return nil, []error{fmt.Errorf("%s: %s", where, strings.Join(strings.Fields(err.Error()), " "))} // on one line
	}
	if object, ok := content.(map[string]any); content == nil || ok && len(object) == 0 {
		return nil, nil
	}
	return unfold(content, where)
}

// unfold checks an object, and makes several of a List: of a List of anything, of a ConfigMapList, of a List in a List.
func unfold(content any, where string) ([]*unstructured.Unstructured, []error) {
	fields, ok := content.(map[string]any)
	if !ok {
		return nil, []error{fmt.Errorf("%s: it is no object, but %s", where, whatIs(content))}
	}
	object := &unstructured.Unstructured{Object: fields}
	switch {
	case object.GetAPIVersion() == "" || object.GetKind() == "":
		return nil, []error{fmt.Errorf("%s: it has no apiVersion or no kind", where)}
	case !object.IsList() && object.GetName() == "":
		return nil, []error{fmt.Errorf("%s: it has no metadata.name (apply must know what to change; generateName is for create)", where)}
	case !object.IsList():
		return []*unstructured.Unstructured{object}, nil
	}
	var all []*unstructured.Unstructured
	var wrong []error
	for i, item := range fields["items"].([]any) {
		objects, errs := unfold(item, fmt.Sprintf("%s, item %d", where, i+1))
		all, wrong = append(all, objects...), append(wrong, errs...)
	}
	return all, wrong
}

// whatIs says what a value is that is no object.
func whatIs(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case []any:
		return "a list"
	case bool:
		return "a bool"
	}
	return "a number"
}

// inOrder puts first what the others need: namespaces, then CRDs. The rest stays as the file has it.
func inOrder(all []manifest) []manifest {
	rank := func(m manifest) int {
		switch {
		case m.GroupVersionKind().GroupKind() == namespaceKind:
			return 0
		case m.GroupVersionKind().GroupKind() == crdKind:
			return 1
		}
		return 2
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b manifest) int { return rank(a) - rank(b) })
	return all
}
