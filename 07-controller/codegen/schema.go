//go:build codegen

// Command schema prints what openapi-gen has written, as the JSON that applyconfiguration-gen reads. codegen.sh copies it
// to where it can be compiled.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"example.com/websites/openapi"
)

func main() {
	definitions := spec.Definitions{}
	for name, definition := range openapi.GetOpenAPIDefinitions(reference) {
		definitions[friendly(name)] = definition.Schema
	}
	err := json.NewEncoder(os.Stdout).Encode(spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger:     "2.0",
		Info:        &spec.Info{InfoProps: spec.InfoProps{Title: "Websites", Version: "v1alpha1"}},
		Definitions: definitions,
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "write the schema:", err)
		os.Exit(1)
	}
}

// friendly makes of a Go type's name the one by which applyconfiguration-gen looks for it. Types of apimachinery have such a
// name already.
func friendly(name string) string {
	if !strings.Contains(name, "/") {
		return name
	}
	return util.ToRESTFriendlyName(name)
}

func reference(name string) spec.Ref { return spec.MustCreateRef("#/definitions/" + friendly(name)) }
