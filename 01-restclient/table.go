package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// acceptTable asks for any list or object as rows and cells. Without a server that can do it, plain JSON will do.
const acceptTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

// table prints pods as "kubectl get pods" does: the server makes the columns and the cells, the client only prints.
func table(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	pods := &metav1.Table{}
	err := client.Get().Namespace(namespace).Resource("pods").
		SetHeader("Accept", acceptTable).
		Do(ctx).
		Into(pods)
	if err != nil {
		return fmt.Errorf("get the pods in the namespace %q as a Table: %w", namespace, err)
	}
	if len(pods.ColumnDefinitions) == 0 {
		return fmt.Errorf("the server sent a plain list, not a Table: it does not know how to print pods")
	}
	return printTable(pods, out)
}

// printTable prints the columns of priority 0, as kubectl does; the others are for -o wide. Age it leaves out: the
// server counts it at every request, and this output is to be the same each time.
func printTable(table *metav1.Table, out io.Writer) error {
	var narrow, wide, header []string
	var show []int
	for i, column := range table.ColumnDefinitions {
		if column.Priority > 0 {
			wide = append(wide, column.Name)
			continue
		}
		narrow = append(narrow, column.Name)
		if column.Name != "Age" {
			show = append(show, i)
			header = append(header, strings.ToUpper(column.Name))
		}
	}
	fmt.Fprintf(out, "columns: %s\n", strings.Join(narrow, ", "))
	fmt.Fprintf(out, "wide:    %s\n\n", strings.Join(wide, ", "))

	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, row := range table.Rows {
		if len(row.Cells) != len(table.ColumnDefinitions) {
			return fmt.Errorf("the server sent a row of %d cells for %d columns", len(row.Cells), len(table.ColumnDefinitions))
		}
		var cells []string
		for _, i := range show {
			cells = append(cells, fmt.Sprint(row.Cells[i])) // string, number or bool: whatever JSON has
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}
