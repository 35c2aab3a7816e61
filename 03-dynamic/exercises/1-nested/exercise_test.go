package nested

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"client-go-lab/internal/labtest"
)

func TestMain(m *testing.M) { labtest.Exercise(m) }

const (
	ideaThree = "reading a field ends in one of three ways: found; not there, which is no error; or there and of another type, which is one"
	ideaInt64 = "an unstructured object holds what JSON decoding makes: int64 and float64, and never int"
)

// object is one as it comes from a server.
func object(t *testing.T, spec string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if spec != "" {
		spec = "," + spec
	}
	if err := o.UnmarshalJSON([]byte(`{"apiVersion":"tea.example.com/v1","kind":"Kettle","metadata":{"name":"blue"}` + spec + `}`)); err != nil {
		t.Fatal(err)
	}
	return o
}

// result is a function's result as text, also when it panics. What the error says is up to the learner.
func result(f func() (any, error)) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("nothing, but panics: %v", r)
		}
	}()
	value, err := f()
	if err != nil {
		return "an error"
	}
	return fmt.Sprint(value)
}

func TestStep1Replicas(t *testing.T) {
	for _, c := range []struct{ spec, want, idea string }{
		{`"spec":{"replicas":3}`, "3", ideaThree},
		{`"spec":{"replicas":0}`, "0", "an explicit 0 is found, and is no missing field"},
		{`"spec":{}`, "1", ideaThree},
		{``, "1", "a path that ends early is not found either, and no error"},
		{`"spec":{"replicas":"3"}`, "an error", ideaThree},
		{`"spec":{"replicas":1.5}`, "an error", ideaThree},
		{`"spec":"three"`, "an error", "a path leads through maps: through text it leads nowhere, which is an error"},
		{`"spec":{"replicas":null}`, "an error", "null is there, and is no number"},
	} {
		got := result(func() (any, error) { return Replicas(object(t, c.spec)) })
		if got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("of {%s} Replicas makes %s", c.spec, got), c.want, c.idea)
		}
	}
}

func TestStep2SetReplicas(t *testing.T) {
	for _, c := range []struct{ spec, want, idea string }{
		{`"spec":{"replicas":3,"colour":"blue"}`, "map[colour:blue replicas:5]", "SetNestedField changes one field and leaves the others alone, also those that you know nothing about"},
		{``, "map[replicas:5]", "SetNestedField makes the maps that are not there yet"},
		{`"spec":"three"`, "an error", "where there is text, there is no field to set: SetNestedField says so"},
	} {
		o := object(t, c.spec)
		got := result(func() (any, error) { err := SetReplicas(o, 5); return o.Object["spec"], err })
		if got != c.want {
			idea := c.idea
			if strings.Contains(got, "deep copy") {
				idea = ideaInt64
			}
			labtest.Unexpected(t, fmt.Sprintf("of {%s} SetReplicas makes %s", c.spec, got), c.want, idea)
		}
		if c.want == "an error" {
			continue
		}
		spec, _, _ := unstructured.NestedMap(o.Object, "spec")
		if n := spec["replicas"]; n != int64(5) {
			labtest.Unexpected(t, fmt.Sprintf("replicas is a %T", n), "an int64", ideaInt64+": what others read with NestedInt64 must be one")
		}
	}
}

func TestStep3Images(t *testing.T) {
	for _, c := range []struct{ spec, want, idea string }{
		{`"spec":{"template":{"spec":{"containers":[{"image":"a"},{"name":"x","image":"b"}]}}}`, "[a b]", "a path ends at a list: NestedSlice, and then every item"},
		{``, "[]", "not there is no error: there are no containers"},
		{`"spec":{"template":{"spec":{"containers":"none"}}}`, "an error", ideaThree},
		{`"spec":{"template":{"spec":{"containers":["a"]}}}`, "an error", "an item of a list may be anything: ask with container.(map[string]any), and look at ok"},
		{`"spec":{"template":{"spec":{"containers":[{"image":"a"},{"name":"x"}]}}}`, "an error", `not found is no "" that you may go on with: here it is an error`},
		{`"spec":{"template":{"spec":{"containers":[{"image":7}]}}}`, "an error", ideaThree},
	} {
		got := result(func() (any, error) { return Images(object(t, c.spec)) })
		if got != c.want {
			labtest.Unexpected(t, fmt.Sprintf("of {%s} Images makes %s", c.spec, got), c.want, c.idea)
		}
	}
}
