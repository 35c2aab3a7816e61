package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/jsonpath"
)

// column is a heading, and where in an object its value is: a JSONPath, as kubectl get -o custom-columns has it.
type column struct{ heading, path string }

// columnsExample makes two CronJobs and prints them in columns.
func columnsExample(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapperWithContext, config *rest.Config, namespace string, out io.Writer) error {
	kettle, toaster := newCronJob("kettle"), newCronJob("toaster")
	containers := []any{
		map[string]any{"name": "bread", "image": "example.com/bread:1"},
		map[string]any{"name": "heat", "image": "example.com/heat:2"},
	}
	if err := unstructured.SetNestedSlice(toaster.Object, containers, "spec", "jobTemplate", "spec", "template", "spec", "containers"); err != nil {
		return fmt.Errorf("set the containers of the CronJob toaster: %w", err)
	}
	if err := unstructured.SetNestedField(toaster.Object, "UTC", "spec", "timeZone"); err != nil { // another zone may be unknown to the server
		return fmt.Errorf("set the time zone of the CronJob toaster: %w", err)
	}
	for _, object := range []*unstructured.Unstructured{kettle, toaster} {
		if _, err := client.Resource(cronJobs).Namespace(namespace).Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create the CronJob %s: %w", object.GetName(), err)
		}
	}

	fmt.Fprintln(out, "-- columns of your own")
	err := ownColumns(ctx, client.Resource(cronJobs).Namespace(namespace), mine(), []column{
		{"NAME", "{.metadata.name}"},
		{"SCHEDULE", "{.spec.schedule}"},
		{"ZONE", "{.spec.timeZone}"},
		{"IMAGES", "{.spec.jobTemplate.spec.template.spec.containers[*].image}"},
		{"HEAT", `{.spec.jobTemplate.spec.template.spec.containers[?(@.name=="heat")].image}`},
		{"CHAPTER", `{.metadata.labels.client-go-lab/chapter}`},
	}, out)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "-- the server's columns")
	return columns(ctx, mapper, config, "cronjobs", namespace, mine(), out)
}

// ownColumns lists objects and prints the columns.
func ownColumns(ctx context.Context, client dynamic.ResourceInterface, options metav1.ListOptions, columns []column, out io.Writer) error {
	list, err := client.List(ctx, options)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	var headings []string
	var paths []*jsonpath.JSONPath
	for _, c := range columns {
		headings = append(headings, c.heading)
		// AllowMissingKeys: most fields are optional, and without it the first object that lacks one is an error.
		path := jsonpath.New(c.heading).AllowMissingKeys(true)
		if err := path.Parse(c.path); err != nil {
			return fmt.Errorf("column %s: %w", c.heading, err)
		}
		paths = append(paths, path)
	}
	fmt.Fprintln(w, strings.Join(headings, "\t"))
	for _, item := range list.Items {
		var cells []string
		for _, path := range paths {
			cell, err := evaluate(path, item.Object)
			if err != nil {
				return fmt.Errorf("%s: %w", item.GetName(), err)
			}
			cells = append(cells, cell)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// evaluate finds the values at a path: none, one, or several, which it joins with commas.
func evaluate(path *jsonpath.JSONPath, object map[string]any) (string, error) {
	results, err := path.FindResults(object)
	if err != nil {
		return "", err
	}
	var values []string
	for _, result := range results { // one for each {} of the template
		for _, value := range result {
			values = append(values, fmt.Sprint(value.Interface()))
		}
	}
	if len(values) == 0 {
		return "<none>", nil
	}
	return strings.Join(values, ","), nil
}

// columns asks for a Table of any resource: the server, or the CRD of a custom resource, knows the columns.
func columns(ctx context.Context, mapper meta.RESTMapperWithContext, config *rest.Config, resource, namespace string, options metav1.ListOptions, out io.Writer) error {
	mapping, err := resolve(ctx, mapper, resource)
	if err != nil {
		return err
	}
	// A dynamic client asks for plain JSON, whatever AcceptContentTypes its Config has. So: a RESTClient, as in chapter 01.
	config = rest.CopyConfig(config)
	version := mapping.Resource.GroupVersion()
	config.GroupVersion, config.APIPath = &version, "/apis"
	if version.Group == "" {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.AcceptContentTypes = "application/json;as=Table;v=v1;g=meta.k8s.io"
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return fmt.Errorf("make a RESTClient for %s: %w", version, err)
	}
	table := &metav1.Table{}
	err = client.Get().
		NamespaceIfScoped(namespace, mapping.Scope.Name() == meta.RESTScopeNameNamespace).
		Resource(mapping.Resource.Resource).
		SpecificallyVersionedParams(&options, scheme.ParameterCodec, metav1.Unversioned). // VersionedParams knows built-in groups only
		Do(ctx).
		Into(table)
	if err != nil {
		return fmt.Errorf("get %s as a Table: %w", path(mapping.Resource), err)
	}
	return printTable(table, out)
}

// printTable prints the columns that kubectl prints without -o wide, but for the age, which is another at each request.
func printTable(table *metav1.Table, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	var show []int
	var cells []string
	for i, definition := range table.ColumnDefinitions {
		if definition.Priority == 0 && definition.Name != "Age" {
			show = append(show, i)
			cells = append(cells, strings.ToUpper(definition.Name))
		}
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
	for _, row := range table.Rows {
		if len(row.Cells) != len(table.ColumnDefinitions) {
			return fmt.Errorf("the server sent a row of %d cells for %d columns", len(row.Cells), len(table.ColumnDefinitions))
		}
		cells = cells[:0]
		for _, i := range show {
			text := ""
			if cell := row.Cells[i]; cell != nil { // a custom resource has no value there: kubectl leaves it blank, too
				text = fmt.Sprint(cell)
			}
			cells = append(cells, text)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}
