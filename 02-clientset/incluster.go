package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// inCluster plays what a program in a pod is: a service account, with a token and a few permissions, or none.
func inCluster(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	client, err := newClient(config)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "-- rest.InClusterConfig")
	lookAround(out)
	fmt.Fprintln(out, "-- two service accounts, one role")
	if err := makeAccounts(ctx, client, namespace); err != nil {
		return err
	}
	for _, account := range []string{"reader", "visitor"} {
		token, err := makeToken(ctx, client, namespace, account)
		if err != nil {
			return err
		}
		if err := asAccount(ctx, config, namespace, token, out); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "-- who are you? 401 and 403")
	return strangers(ctx, config, namespace, out)
}

// lookAround shows what rest.InClusterConfig reads. The kubelet gives it to every container, unless the pod or its
// service account says automountServiceAccountToken: false, as it should if the program never talks to the API server.
func lookAround(out io.Writer) {
	for _, name := range []string{"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"} {
		fmt.Fprintf(out, "%s is set: %t\n", name, os.Getenv(name) != "")
	}
	for _, name := range []string{"token", "ca.crt"} {
		path := "/var/run/secrets/kubernetes.io/serviceaccount/" + name
		_, err := os.Stat(path)
		fmt.Fprintf(out, "%s is there: %t\n", path, err == nil)
	}
	_, err := rest.InClusterConfig()
	if err != nil && !errors.Is(err, rest.ErrNotInCluster) { // the variables are set, but there is no token to read
		fmt.Fprintf(out, "this may be a pod without a token: %v\n", err)
		return
	}
	fmt.Fprintf(out, "this is a pod: %t\n", err == nil)
}

// makeAccounts makes the service accounts reader and visitor. Only reader is bound to a role: it may read ConfigMaps, in
// this namespace, and nothing else. That is least privilege: name the verbs and the resources, and never "*".
func makeAccounts(ctx context.Context, client kubernetes.Interface, namespace string) error {
	for _, name := range []string{"reader", "visitor"} {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()}}
		if _, err := client.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create the ServiceAccount %s: %w", name, err)
		}
	}
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "read-configmaps", Labels: labels()},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "watch"}}},
	}
	if _, err := client.RbacV1().Roles(namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the Role read-configmaps: %w", err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "read-configmaps", Labels: labels()},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "read-configmaps"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "reader", Namespace: namespace}},
	}
	if _, err := client.RbacV1().RoleBindings(namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the RoleBinding read-configmaps: %w", err)
	}
	// The API server reads roles through informers of its own: it may take a moment until it knows this one.
	return poll(ctx, "the server to know the role", func(ctx context.Context) (bool, error) {
		review := &authorizationv1.LocalSubjectAccessReview{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace},
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               "system:serviceaccount:" + namespace + ":reader",
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "list", Resource: "configmaps"},
			},
		}
		review, err := client.AuthorizationV1().LocalSubjectAccessReviews(namespace).Create(ctx, review, metav1.CreateOptions{})
		return err == nil && review.Status.Allowed, err
	})
}

// makeToken asks for a token of a service account, as the kubelet does for each pod. It is good for ten minutes, and
// only as long as the account is there. A token is a password: it is never printed.
func makeToken(ctx context.Context, client kubernetes.Interface, namespace, account string) (string, error) {
	seconds := int64(600) // the least there is
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	request, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("ask for a token of the ServiceAccount %s: %w", account, err)
	}
	return request.Status.Token, nil
}

// withToken takes from a Config how to reach the server (address, CA, proxy and so on) and not who we are, and adds a
// token. In a pod the address is in the environment, and CAFile and BearerTokenFile name the files; the token's file is
// read again each minute, because the kubelet renews it. A BearerToken is good until it expires, and then everything is
// 401.
func withToken(config *rest.Config, token string) *rest.Config {
	c := rest.AnonymousClientConfig(config)
	c.BearerToken = token
	return c
}

// asAccount runs the same program with the token of one account or another.
func asAccount(ctx context.Context, config *rest.Config, namespace, token string, out io.Writer) error {
	client, err := newClient(withToken(config, token))
	if err != nil {
		return err
	}
	// Who am I? Everybody may ask that.
	self, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("ask who we are: %w", err)
	}
	fmt.Fprintf(out, "%s\n", self.Status.UserInfo.Username)

	// May I? Ask before, where a 403 in the middle of the work would be too late.
	for _, verb := range []string{"list", "delete"} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Resource: "configmaps"},
		}}
		review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("ask whether we may %s ConfigMaps: %w", verb, err)
		}
		fmt.Fprintf(out, "    can-i %s configmaps: %t\n", verb, review.Status.Allowed)
	}
	return printAnswer(ctx, client, namespace, "    list configmaps: ", out)
}

// printAnswer lists ConfigMaps and prints whether that worked.
func printAnswer(ctx context.Context, client kubernetes.Interface, namespace, what string, out io.Writer) error {
	_, err := client.CoreV1().ConfigMaps(namespace).List(ctx, mine())
	switch {
	case err == nil:
		fmt.Fprintf(out, "%sOK\n", what)
	case apierrors.IsForbidden(err):
		fmt.Fprintf(out, "%s403: %v\n", what, err)
	case apierrors.IsUnauthorized(err):
		fmt.Fprintf(out, "%s401: %v\n", what, err)
	default:
		return fmt.Errorf("list the ConfigMaps in %s: %w", namespace, err)
	}
	return nil
}

// strangers come without a token, and with a wrong one.
func strangers(ctx context.Context, config *rest.Config, namespace string, out io.Writer) error {
	for _, stranger := range []struct{ what, token string }{
		{"no token: ", ""},
		{"a wrong token: ", "no-such-token"},
	} {
		client, err := newClient(withToken(config, stranger.token))
		if err != nil {
			return err
		}
		if err := printAnswer(ctx, client, namespace, stranger.what, out); err != nil {
			return err
		}
	}
	return nil
}
