package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// resourceOptions are the flags of kubectl api-resources. Not given is not the same as empty: --api-group= is the core
// group, and no --api-group is all of them.
type resourceOptions struct {
	output     string // "", "wide" or "name"
	noHeaders  bool
	namespaced *bool    // nil: both
	group      *string  // nil: all
	verbs      []string // a resource must know all of them
	categories []string // and belong to all of them
	sortBy     string   // "", "name" or "kind"
}

func (o *resourceOptions) register(set *flag.FlagSet) {
	*o = resourceOptions{}
	set.StringVar(&o.output, "o", "", "print the table in this `FORMAT`: wide or name")
	set.StringVar(&o.output, "output", "", "the same as -o `FORMAT`")
	set.BoolVar(&o.noHeaders, "no-headers", false, "print no column headers")
	set.Func("api-group", "only resources of this `GROUP`; empty for the core group", func(value string) error {
		o.group = &value
		return nil
	})
	set.BoolFunc("namespaced", "only namespaced resources; -namespaced=false: only the others", func(value string) error {
		yes, err := strconv.ParseBool(value)
		o.namespaced = &yes
		return err
	})
	set.Func("verbs", "only resources that know all of these `VERBS`, separated by commas", appendTo(&o.verbs))
	set.Func("categories", "only resources in all categories of this `LIST`, separated by commas", appendTo(&o.categories))
	set.StringVar(&o.sortBy, "sort-by", "", "sort by this `KEY`, name or kind, instead of by group")
}

// appendTo is a flag that takes a list, and may be given more than once.
func appendTo(list *[]string) func(string) error {
	return func(value string) error {
		if value == "" {
			return nil // as kubectl reads it: no elements, not one that is empty
		}
		*list = append(*list, strings.Split(value, ",")...)
		return nil
	}
}

// resources prints what kubectl api-resources prints.
func resources(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, o resourceOptions, out io.Writer) error {
	if !slices.Contains([]string{"", "wide", "name"}, o.output) {
		return fmt.Errorf("-o %s: this table is made as wide or name", o.output)
	}
	if !slices.Contains([]string{"", "name", "kind"}, o.sortBy) {
		return fmt.Errorf("--sort-by %s: it accepts only name or kind", o.sortBy)
	}

	// Each resource once: in its group's preferred version, or, if that does not have it, in another.
	lists, err := client.ServerPreferredResourcesWithContext(ctx)
	if err != nil {
		err = fmt.Errorf("ask the server what it serves: %w", err)
	}
	if len(lists) == 0 {
		return err
	}
	// One API that does not answer is no reason to keep quiet about the others: the table first, then the error.
	if printErr := o.print(o.choose(lists), out); printErr != nil {
		return printErr
	}
	return err
}

// row is a resource and the group-version that it is listed in. APIResource has a Group and a Version, too: those of the
// Kind, where it comes from another group. Scale, of autoscaling, below deployments, of apps, is one.
type row struct {
	metav1.APIResource
	in schema.GroupVersion
}

// choose returns the rows that the options leave, in their order.
func (o resourceOptions) choose(lists []*metav1.APIResourceList) []row {
	var rows []row
	for _, list := range lists {
		in, err := schema.ParseGroupVersion(list.GroupVersion) // "apps/v1", or "v1" for the core group
		if err != nil {
			continue
		}
		for _, resource := range list.APIResources {
			if o.wants(resource, in) {
				rows = append(rows, row{APIResource: resource, in: in})
			}
		}
	}
	// Stable: events are there twice, with one name and one kind. The server's order of groups decides.
	slices.SortStableFunc(rows, func(a, b row) int {
		switch o.sortBy {
		case "name":
			return cmp.Compare(a.Name, b.Name)
		case "kind":
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
		}
		return cmp.Or(cmp.Compare(a.in.Group, b.in.Group), cmp.Compare(a.Name, b.Name))
	})
	return rows
}

func (o resourceOptions) wants(resource metav1.APIResource, in schema.GroupVersion) bool {
	return len(resource.Verbs) > 0 &&
		(o.group == nil || *o.group == in.Group) &&
		(o.namespaced == nil || *o.namespaced == resource.Namespaced) &&
		hasAll(resource.Verbs, o.verbs) &&
		hasAll(resource.Categories, o.categories)
}

func hasAll(have, want []string) bool {
	return !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(have, s) })
}

func (o resourceOptions) print(rows []row, out io.Writer) error {
	if o.output == "name" {
		for _, r := range rows {
			fmt.Fprintln(out, schema.GroupResource{Group: r.in.Group, Resource: r.Name}) // "deployments.apps", "pods"
		}
		return nil
	}
	table := tabwriter.NewWriter(out, 6, 4, 3, ' ', 0)
	columns := []string{"NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"}
	if o.output == "wide" {
		columns = append(columns, "VERBS", "CATEGORIES")
	}
	if !o.noHeaders {
		fmt.Fprintln(table, strings.Join(columns, "\t"))
	}
	for _, r := range rows {
		cells := []string{r.Name, strings.Join(r.ShortNames, ","), r.in.String(), strconv.FormatBool(r.Namespaced), r.Kind}
		if o.output == "wide" {
			cells = append(cells, strings.Join(r.Verbs, ","), strings.Join(r.Categories, ","))
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}
