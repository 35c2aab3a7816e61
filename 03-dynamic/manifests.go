package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	goyaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
	if first, rest := splitJSON(text); len(rest) > 0 {
		objects, wrong := decode(first, where)
		others, alsoWrong := decode(rest, where)
		return append(objects, others...), append(wrong, alsoWrong...)
	}
	if err := nothingFollows(text); err != nil {
		return nil, []error{fmt.Errorf("%s: %w", where, err)}
	}
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

// nothingFollows makes sure that a document of YAML is one: after a line "..." another may begin without "---", and the
// decoder below, which is kubectl's too, would read the first, and lose the other without a word.
func nothingFollows(text []byte) error {
	decoder := goyaml.NewDecoder(bytes.NewReader(text))
	var first, second goyaml.Node
	if decoder.Decode(&first) != nil {
		return nil // nothing is there, or it is wrong: the decoder below says how
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return errors.New("something follows its first object (put --- between two)")
	}
	return nil
}

// beforeJSON is what may stand before a JSON object: spaces, comments, the first "---" of the file.
var beforeJSON = regexp.MustCompile(`^(?:\s|#.*\n|---)*`)

// splitJSON returns the first object of a document, and what follows if that object is JSON: as kubectl does, we read
// one JSON object behind the other. The YAML decoder would read the first one, and lose the others without a word.
func splitJSON(text []byte) (first, rest []byte) {
	begin := len(beforeJSON.Find(text))
	decoder := json.NewDecoder(bytes.NewReader(text[begin:]))
	var object map[string]any
	if decoder.Decode(&object) != nil {
		return text, nil // YAML
	}
	end := begin + int(decoder.InputOffset())
	return text[:end], bytes.TrimSpace(text[end:])
}

// unfold checks an object, and makes several of a List: of a List of anything, of a ConfigMapList, of a List in a List.
func unfold(content any, where string) ([]*unstructured.Unstructured, []error) {
	fields, ok := content.(map[string]any)
	if !ok {
		return nil, []error{fmt.Errorf("%s: it is no object, but %s", where, whatIs(content))}
	}
	object := &unstructured.Unstructured{Object: fields}
	for _, path := range []string{"apiVersion", "kind", "metadata.name", "metadata.namespace"} {
		// The getters below return "" for what is no string, as if it were not there.
		value, _, _ := unstructured.NestedFieldNoCopy(fields, strings.Split(path, ".")...)
		if _, ok := value.(string); !ok && value != nil {
			return nil, []error{fmt.Errorf("%s: its %s is no string, but %s (in YAML, 7, y and no need quotes)", where, path, whatIs(value))}
		}
	}
	if _, err := schema.ParseGroupVersion(object.GetAPIVersion()); err != nil {
		return nil, []error{fmt.Errorf("%s: its apiVersion %q is neither a version nor group/version", where, object.GetAPIVersion())}
	}
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
	case map[string]any:
		return "an object"
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
