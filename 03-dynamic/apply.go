package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// example is what the step applies when no file is named.
//
//go:embed example.yaml
var example []byte

var (
	namespaceKind = schema.GroupKind{Kind: "Namespace"}
	crdKind       = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
)

// applyExample applies the example: only to ask, then for good. After that come files that are not good.
func applyExample(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapperWithContext, namespace string, out io.Writer) error {
	fmt.Fprintln(out, "-- example.yaml, as a dry run")
	if err := apply(ctx, client, mapper, namespace, bytes.NewReader(example), applyOptions{dryRun: true}, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- example.yaml")
	if err := apply(ctx, client, mapper, namespace, bytes.NewReader(example), applyOptions{}, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- files that are not good")
	for _, file := range []string{
		"kind: ConfigMap\nmetadata: {name: a}\n---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nkind: Secret\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: tea.example.com/v1\nkind: Samovar\nmetadata: {name: b}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sugar}\ndata: {lumps: 2}\n---\n" +
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: honey, labels: {client-go-lab/chapter: \"03\"}}\n",
	} {
		err := apply(ctx, client, mapper, namespace, strings.NewReader(file), applyOptions{}, out)
		if err == nil || ctx.Err() != nil {
			return unexpected("apply a file that is not good", "an error", err)
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			fmt.Fprintln(out, line)
		}
	}
	return nil
}

// applyOptions are the flags of this step.
type applyOptions struct {
	dryRun bool // the server checks, and stores nothing
	force  bool // fields that other managers own are taken over
}

// apply applies every object of a YAML file, as "kubectl apply --server-side -f" does: any kind, namespaced or not,
// CRDs before their objects. Objects without a namespace go into the one given. If the file is not good, or
// names a kind that there is not, nothing is changed. If the server refuses an object, the others are applied all the same.
//
// What it leaves out is pruning: to delete what is no longer in the file one has to know what once was, and a wrong
// guess there deletes things. Delete by name, or use a tool that keeps a record.
func apply(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapperWithContext, namespace string, file io.Reader, options applyOptions, out io.Writer) error {
	manifests, err := readManifests(file)
	if err != nil {
		return fmt.Errorf("nothing applied: %w", err)
	}
	if len(manifests) == 0 {
		return errors.New("nothing applied: no objects in the file")
	}
	defined, err := checkKinds(ctx, mapper, manifests)
	if err != nil {
		return fmt.Errorf("nothing applied: %w", err)
	}
	var absent map[string]bool
	if options.dryRun {
		if absent, err = absentNamespaces(ctx, client, manifests); err != nil {
			return fmt.Errorf("nothing checked: %w", err)
		}
	}
	var failed []error
	for _, m := range inOrder(manifests) {
		if ctx.Err() != nil { // Ctrl-C came between two objects: the others are not applied
			return errors.Join(append(failed, ctx.Err())...)
		}
		if options.dryRun && defined[m.GroupVersionKind()] {
			notChecked(m, "install its CRD", out)
			continue
		}
		err := applyOne(ctx, client, mapper, namespace, m, options, absent, out)
		if err != nil && ctx.Err() != nil {
			return errors.Join(append(failed, err)...)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", m, err))
		}
	}
	return errors.Join(failed...)
}

// checkKinds makes sure that the server knows every kind, or will when the CRDs in the file are there. It
// returns the kinds that it will know only then.
func checkKinds(ctx context.Context, mapper meta.RESTMapperWithContext, manifests []manifest) (map[schema.GroupVersionKind]bool, error) {
	inFile := map[schema.GroupVersionKind]bool{}
	for _, m := range manifests {
		if m.GroupVersionKind().GroupKind() == crdKind {
			for _, kind := range definedKinds(m.Unstructured) {
				inFile[kind] = true
			}
		}
	}
	defined := map[schema.GroupVersionKind]bool{}
	var unknown []error
	for _, m := range manifests {
		kind := m.GroupVersionKind()
		_, err := mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
		switch {
		case err == nil:
		case !meta.IsNoMatchError(err):
			return nil, fmt.Errorf("ask the server for its kinds: %w", err)
		case inFile[kind]:
			defined[kind] = true
		default:
			unknown = append(unknown, fmt.Errorf("%s: this server has no kind %s in %s (is its CRD installed?)", m, kind.Kind, kind.GroupVersion()))
		}
	}
	return defined, errors.Join(unknown...)
}

// definedKinds returns the kind that a CRD defines, in each version that the server is to serve.
func definedKinds(crd *unstructured.Unstructured) []schema.GroupVersionKind {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	var kinds []schema.GroupVersionKind
	for _, item := range versions {
		version, _ := item.(map[string]any)
		if name, _ := version["name"].(string); version["served"] == true {
			kinds = append(kinds, schema.GroupVersionKind{Group: group, Version: name, Kind: kind})
		}
	}
	return kinds
}

// absentNamespaces returns the namespaces that are in the file and not on the server.
func absentNamespaces(ctx context.Context, client dynamic.Interface, manifests []manifest) (map[string]bool, error) {
	absent := map[string]bool{}
	for _, m := range manifests {
		if m.GroupVersionKind().GroupKind() != namespaceKind {
			continue
		}
		_, err := client.Resource(namespaces).Get(ctx, m.GetName(), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			absent[m.GetName()] = true
		case err != nil:
			return nil, fmt.Errorf("look for the namespace %s: %w", m.GetName(), err)
		}
	}
	return absent, nil
}

// notChecked says that a dry run has left an object out, since it does not do what the object needs.
func notChecked(m manifest, need string, out io.Writer) {
	fmt.Fprintf(out, "%s/%s not checked: a dry run does not %s\n", strings.ToLower(m.GetKind()), m.GetName(), need)
}

// applyOne applies one object, and waits for what others may need of it.
func applyOne(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapperWithContext, namespace string, m manifest, options applyOptions, absent map[string]bool, out io.Writer) error {
	kind := m.GroupVersionKind()
	mapping, err := mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	if m.GetNamespace() != "" {
		namespace = m.GetNamespace()
	}
	if absent[namespace] && mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		notChecked(m, "make its namespace", out)
		return nil
	}
	request := metav1.ApplyOptions{FieldManager: manager, Force: options.force}
	done := "applied"
	if options.dryRun {
		request.DryRun = []string{metav1.DryRunAll}
		done = "applied (server dry run)"
	}
	m.SetManagedFields(nil) // kubectl get -o yaml --show-managed-fields writes them, and Apply refuses them
	_, err = at(client, mapping, namespace).Apply(ctx, m.GetName(), m.Unstructured, request)
	switch {
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return fmt.Errorf("%w (take the field out of the file, let its owner change it, or take it over with -force-conflicts)", err)
	case apierrors.IsConflict(err): // force does not help
		return fmt.Errorf("%w (take resourceVersion and uid out of the file: they are not those of the object that is there)", err)
	case err != nil:
		return err
	}
	fmt.Fprintf(out, "%s/%s %s\n", mapping.Resource.GroupResource(), m.GetName(), done)

	if kind.GroupKind() == crdKind && !options.dryRun {
		if err := waitEstablished(ctx, client, m.GetName()); err != nil {
			return err
		}
		for _, kind := range definedKinds(m.Unstructured) {
			if _, err := waitMapped(ctx, mapper, kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// printWarnings prints what the server remarks on a request that it has done.
type printWarnings struct{ out io.Writer }

// HandleWarningHeaderWithContext prints one warning.
func (p printWarnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _ string, text string) {
	fmt.Fprintf(p.out, "warning: %s\n", text)
}
