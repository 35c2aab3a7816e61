package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// manifest is one object of a file.
type manifest struct {
	document int // in which document of the file it stands, counted from 1
	*unstructured.Unstructured
}

// String names the object as kubectl does in messages: its document, its kind, its name.
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
		objects, err := decode(text)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("document %d: %w", document, err))
		}
		for _, object := range objects {
			all = append(all, manifest{document, object})
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return all, nil
}

// decode makes objects of a document: none of a comment, one as a rule, several of a List.
func decode(text []byte) ([]*unstructured.Unstructured, error) {
	content := map[string]any{}
	// Strict: it is an error if a key is there twice. Numbers become int64 or float64, as the helpers want them.
	if err := yaml.UnmarshalStrict(text, &content); err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " ")) // on one line
	}
	if len(content) == 0 {
		return nil, nil
	}
	object := &unstructured.Unstructured{Object: content}
	if object.GetAPIVersion() == "" || object.GetKind() == "" {
		return nil, errors.New("it has no apiVersion or no kind")
	}
	if object.IsList() { // it has items: a List of anything, or a ConfigMapList
		var objects []*unstructured.Unstructured
		err := object.EachListItem(func(item runtime.Object) error {
			inner, err := decodeItem(item.(*unstructured.Unstructured))
			objects = append(objects, inner)
			return err
		})
		return objects, err
	}
	return []*unstructured.Unstructured{object}, nil
}

// decodeItem checks an object of a List.
func decodeItem(item *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if item.GetAPIVersion() == "" || item.GetKind() == "" {
		return nil, fmt.Errorf("item %q of the List has no apiVersion or no kind", item.GetName())
	}
	return item, nil
}

// inOrder puts first what the others need: namespaces, then definitions. The rest stays as the file has it.
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
