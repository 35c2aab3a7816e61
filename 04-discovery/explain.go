package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// explain says what a field is, and which fields it has: "deployments.spec.template.spec.containers".
func explain(ctx context.Context, config *rest.Config, args []string, out io.Writer) error {
	path := "deployments.spec.template.spec.containers"
	if len(args) > 0 {
		path = args[0]
	}
	wire := tap(config)
	client, err := newDiscoveryClient(config)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, ".") {
		return fmt.Errorf("%q ends with a dot: the name of a field is missing behind it", path)
	}
	names := strings.Split(path, ".")
	kind, err := kindOf(ctx, client, names[0])
	if err != nil {
		return err
	}
	wire.take()
	schemas, err := schemasOf(ctx, client, kind.GroupVersion())
	if err != nil {
		return err
	}
	seen := wire.take()
	field, err := schemas.find(kind, names)
	if err != nil {
		return err
	}
	field.print(path, kind, schemas, out)
	fmt.Fprintln(out)
	printWire(seen, out)
	return nil
}

// kindOf finds a resource by any of its names: deployments, deployment, deploy.
func kindOf(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, name string) (schema.GroupVersionKind, error) {
	lists, err := client.ServerPreferredResourcesWithContext(ctx)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return schema.GroupVersionKind{}, fmt.Errorf("ask the server what it serves: %w", err)
	}
	for _, list := range lists { // in the server's order: the core group first
		for _, resource := range list.APIResources {
			if slices.Contains(append([]string{resource.Name, resource.SingularName}, resource.ShortNames...), name) {
				return schema.FromAPIVersionAndKind(list.GroupVersion, resource.Kind), nil
			}
		}
	}
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("no resource %q in those that answered: %w", name, err)
	}
	hint := "go run ./04-discovery lists them"
	if name != strings.ToLower(name) {
		hint += "; names are in small letters"
	}
	return schema.GroupVersionKind{}, fmt.Errorf("no resource %q on this server (%s)", name, hint)
}

// schemas are the types of one group-version, by their full names: "io.k8s.api.core.v1.Container".
type schemas map[string]*spec.Schema

// schemasOf fetches the index of all OpenAPI v3 documents, and the document of one group-version.
func schemasOf(ctx context.Context, client discovery.OpenAPIV3SchemaInterfaceWithContext, gv schema.GroupVersion) (schemas, error) {
	paths, err := client.OpenAPIV3WithContext(ctx).PathsWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("get the index of /openapi/v3: %w", err)
	}
	path := "apis/" + gv.String()
	if gv.Group == "" {
		path = "api/" + gv.Version
	}
	document, ok := paths[path]
	if !ok {
		return nil, fmt.Errorf("the server has no OpenAPI v3 document for %s", gv)
	}
	body, err := document.SchemaWithContext(ctx, runtime.ContentTypeJSON)
	if err != nil {
		return nil, fmt.Errorf("get the OpenAPI v3 document of %s: %w", gv, err)
	}
	var parsed spec3.OpenAPI
	if err := json.Unmarshal(body, &parsed); err != nil {
		return nil, fmt.Errorf("decode the OpenAPI v3 document of %s: %w", gv, err)
	}
	if parsed.Components == nil {
		return nil, fmt.Errorf("the OpenAPI v3 document of %s describes no types", gv)
	}
	return parsed.Components.Schemas, nil
}

// field is a place in an object.
type field struct {
	schema   spec.Schema // as it stands there: its description is about this place
	required bool
}

// find follows the names from a kind's type downwards. names[0] is the resource, and stands for the whole object.
func (s schemas) find(kind schema.GroupVersionKind, names []string) (field, error) {
	root, err := s.ofKind(kind)
	if err != nil {
		return field{}, err
	}
	at := field{schema: *root}
	for i, name := range names[1:] {
		inside := s.inside(at.schema)
		next, ok := inside.Properties[name]
		if !ok {
			where := strings.Join(names[:i+1], ".")
			if len(inside.Properties) == 0 {
				return field{}, fmt.Errorf("no field %q in %s: it is a %s and has no fields", name, where, s.typeName(at.schema))
			}
			err := fmt.Errorf("no field %q in %s, which has: %s", name, where, strings.Join(slices.Sorted(maps.Keys(inside.Properties)), ", "))
			if i == 0 { // deployments.apps, as kubectl get takes it
				err = fmt.Errorf("%w; a path is RESOURCE.FIELD.FIELD and takes no group or version", err)
			}
			return field{}, err
		}
		at = field{schema: next, required: slices.Contains(inside.Required, name)}
	}
	return at, nil
}

// ofKind finds a kind's type. The name of a type is a convention; this extension is what says it.
func (s schemas) ofKind(kind schema.GroupVersionKind) (*spec.Schema, error) {
	for _, candidate := range s {
		var kinds []metav1.GroupVersionKind
		if err := candidate.Extensions.GetObject("x-kubernetes-group-version-kind", &kinds); err != nil {
			continue
		}
		// Types that every group has, such as DeleteOptions, belong to many kinds; a resource's type to one.
		if len(kinds) == 1 && kinds[0] == metav1.GroupVersionKind(kind) {
			return candidate, nil
		}
	}
	return nil, fmt.Errorf("the OpenAPI v3 document of %s has no type for %s", kind.GroupVersion(), kind.Kind)
}

// inside returns the type whose fields a reader writes at a place: that of the elements for a list or a map, and what a
// reference points to.
func (s schemas) inside(at spec.Schema) spec.Schema {
	switch {
	case reference(at) != "":
		if target, ok := s[reference(at)]; ok {
			return s.inside(*target)
		}
	case at.Items != nil && at.Items.Schema != nil:
		return s.inside(*at.Items.Schema)
	case at.AdditionalProperties != nil && at.AdditionalProperties.Schema != nil:
		return s.inside(*at.AdditionalProperties.Schema)
	}
	return at
}

// reference returns the name of the type that a place refers to. With a description or a default of its own beside it, a
// reference is wrapped into an allOf with one element.
func reference(at spec.Schema) string {
	if len(at.AllOf) == 1 {
		at = at.AllOf[0]
	}
	return strings.TrimPrefix(at.Ref.String(), "#/components/schemas/")
}

// typeName writes a type as Go does: []Container, map[string]string, int32.
func (s schemas) typeName(at spec.Schema) string {
	switch {
	case reference(at) != "":
		name := reference(at)
		return name[strings.LastIndex(name, ".")+1:]
	case at.Items != nil && at.Items.Schema != nil:
		return "[]" + s.typeName(*at.Items.Schema)
	case at.AdditionalProperties != nil && at.AdditionalProperties.Schema != nil:
		return "map[string]" + s.typeName(*at.AdditionalProperties.Schema)
	case at.Format != "":
		return at.Format // int32, date-time
	case len(at.Type) > 0:
		return at.Type[0]
	}
	return "any"
}

// print shows a field, then those inside, each with the first sentence of its description.
func (f field) print(path string, kind schema.GroupVersionKind, s schemas, out io.Writer) {
	fmt.Fprintf(out, "%s, in %s %s\n", path, kind.GroupVersion(), kind.Kind)
	fmt.Fprintf(out, "%s%s\n%s\n", s.typeName(f.schema), requiredMark(f.required), f.schema.Description)
	inside := s.inside(f.schema)
	if len(inside.Properties) > 0 {
		fmt.Fprintln(out)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(inside.Properties)) {
		property := inside.Properties[name]
		fmt.Fprintf(table, "  %s\t%s%s\t%s\n", name, s.typeName(property),
			requiredMark(slices.Contains(inside.Required, name)), firstSentence(property.Description))
	}
	table.Flush()
}

func requiredMark(required bool) string {
	if required {
		return ", required"
	}
	return ""
}

func firstSentence(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	sentence, _, cut := strings.Cut(text, ". ")
	if cut {
		sentence += "."
	}
	return sentence
}
