package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// supports asks two questions about several calls: is it served, and may it be done. As ourselves, and as a user to whom
// nobody has given anything.
func supports(ctx context.Context, config *rest.Config, _ []string, out io.Writer) (err error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a clientset: %w", err)
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: "jane"}
	jane, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a clientset: %w", err)
	}

	table := tabwriter.NewWriter(out, 6, 4, 3, ' ', 0)
	defer func() { err = errors.Join(err, table.Flush()) }() // on an error, too: the rows before it are good
	fmt.Fprintln(table, "RESOURCE\tVERB\tSERVED\tYOU MAY\tJANE MAY")
	for _, ask := range []struct{ resource, verb string }{
		{"deployments.v1.apps", "list"},
		{"deployments.v1.apps", "approve"},
		{"deployments.v1beta1.apps", "list"},
		{"pods/exec.v1.", "create"},
		{"pods/exec.v1.", "list"},
		{"selfsubjectaccessreviews.v1.authorization.k8s.io", "create"},
		{"teapots.v1.unknown.example.com", "list"},
	} {
		resource, _ := schema.ParseResourceArg(ask.resource) // RESOURCE.VERSION.GROUP, as kubectl get takes it
		served, err := serves(ctx, client.Discovery(), *resource, ask.verb)
		if err != nil {
			return err
		}
		row := []string{ask.resource, ask.verb, served}
		for _, c := range []kubernetes.Interface{client, jane} {
			allowed, err := mayI(ctx, c, *resource, ask.verb)
			if err != nil {
				return err
			}
			row = append(row, yesNo(allowed))
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return nil
}

// serves asks discovery, in one request, and says "yes", or what there is not. An error is neither: the server, or the
// program behind an APIService, did not answer.
func serves(ctx context.Context, client discovery.ServerResourcesInterfaceWithContext, want schema.GroupVersionResource, verb string) (string, error) {
	list, err := client.ServerResourcesForGroupVersionWithContext(ctx, want.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return "no such group-version", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask what %s has: %w", want.GroupVersion(), err)
	}
	for _, resource := range list.APIResources {
		if resource.Name != want.Resource { // "deployments", "deployments/scale"
			continue
		}
		if !slices.Contains(resource.Verbs, verb) {
			return "no such verb", nil
		}
		return "yes", nil
	}
	return "no such resource", nil
}

// mayI asks the server's authorizers. They compare names with rules and never look whether there is such a thing: who may
// do everything may also list teapots.
func mayI(ctx context.Context, client kubernetes.Interface, want schema.GroupVersionResource, verb string) (bool, error) {
	resource, subresource, _ := strings.Cut(want.Resource, "/")
	review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Group: want.Group, Version: want.Version, Resource: resource, Subresource: subresource,
			Namespace: labNamespace, // it need not exist; empty means all of them
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask whether %s of %s is allowed: %w", verb, want.GroupResource(), err)
	}
	return review.Status.Allowed, nil
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
