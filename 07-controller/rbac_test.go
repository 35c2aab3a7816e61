package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"client-go-lab/07-controller/controller"
)

// Least privilege, in both senses: with the rights in config/rbac.yaml nothing is ever forbidden, and without any single one
// of them something is. A right that is there for nothing makes this test fail.

// right is a verb on a resource.
type right struct{ group, resource, verb string }

func (r right) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%s %s.%s", r.verb, r.resource, r.group), ".")
}

// grant is a right of a role of the manifest.
type grant struct {
	right
	role  int // index among the objects
	rule  int // index among the role's rules
	names []string
}

// grants reads all rights out of the roles among some objects.
func grants(t *testing.T, objects []*unstructured.Unstructured) (all []grant) {
	for i, object := range objects {
		if object.GetKind() != "Role" && object.GetKind() != "ClusterRole" {
			continue
		}
		for j, rule := range rulesOf(t, object) {
			require.Empty(t, rule.NonResourceURLs)
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						require.NotContains(t, group+resource+verb, "*", "a wildcard is not least privilege")
						all = append(all, grant{right{group, resource, verb}, i, j, rule.ResourceNames})
					}
				}
			}
		}
	}
	return all
}

func rulesOf(t *testing.T, role *unstructured.Unstructured) []rbacv1.PolicyRule {
	t.Helper()
	typed := &rbacv1.ClusterRole{} // a Role has its rules in the same place
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(role.Object, typed))
	return typed.Rules
}

// without returns the grant's role without it. The rule becomes one for each of its other rights.
func (g grant) without(t *testing.T, objects []*unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	role := objects[g.role].DeepCopy()
	var rules []rbacv1.PolicyRule
	for i, rule := range rulesOf(t, role) {
		if i != g.rule {
			rules = append(rules, rule)
			continue
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					if (right{group, resource, verb}) != g.right {
						rules = append(rules, rbacv1.PolicyRule{
							APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{verb}, ResourceNames: rule.ResourceNames,
						})
					}
				}
			}
		}
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&rbacv1.ClusterRole{Rules: rules})
	require.NoError(t, err)
	role.Object["rules"] = content["rules"]
	return role
}

// allowed asks the server whether the controller has a right.
func (w *world) allowed(ctx context.Context, g grant, namespace string) (bool, error) {
	resource, subresource, _ := strings.Cut(g.resource, "/")
	attributes := &authorizationv1.ResourceAttributes{
		Namespace: namespace, Group: g.group, Version: "*", Resource: resource, Subresource: subresource, Verb: g.verb,
	}
	if len(g.names) > 0 {
		attributes.Name = g.names[0]
	}
	review, err := w.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "system:serviceaccount:" + w.system + ":website-controller", ResourceAttributes: attributes,
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// setRole writes a role and waits until the server's authorizer, which watches roles as a controller would, has seen it.
func (w *world) setRole(role *unstructured.Unstructured, g grant, want bool) {
	w.t.Helper()
	require.NoError(w.t, w.apply(w.t.Context(), role))
	namespace := role.GetNamespace() // empty for a ClusterRole: all of them
	err := wait.PollUntilContextTimeout(w.t.Context(), 10*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		allowed, err := w.allowed(ctx, g, namespace)
		return allowed == want, err
	})
	require.NoError(w.t, err, "%s: allowed should be %v; does another rule give this right, too?", g, want)
}

func TestLeastPrivilegeOnCluster(t *testing.T) {
	w := labWorld(t)
	objects := manifests(t, "rbac.yaml")
	all := grants(t, objects)
	require.NotEmpty(t, all)

	t.Run("with all rights", func(t *testing.T) {
		w := w.in(t)
		proxy := w.audit()
		require.NoError(t, w.everything(t.Context(), proxy, "all"))
		assert.Empty(t, proxy.denied())
	})
	for i, g := range all {
		name := g.String() + " in " + objects[g.role].GetKind()
		t.Run("without "+name, func(t *testing.T) {
			w := w.in(t)
			w.setRole(g.without(t, objects), g, false)
			defer w.setRole(objects[g.role], g, true)
			proxy := w.audit()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() {
				select {
				case <-proxy.refused:
					cancel() // it is broken: no need to go on
				case <-ctx.Done():
				}
			}()
			err := w.everything(ctx, proxy, fmt.Sprintf("site-%d", i))
			w.sweepWebsites()
			denied := proxy.denied()
			require.NotEmpty(t, denied, "nothing needs the right to %s (the scenario: %v)", name, err)
			assert.Contains(t, denied, g.right.String())
			assert.Empty(t, slices.DeleteFunc(denied, func(d string) bool { return d == g.right.String() }), "nothing else is forbidden")
		})
	}
}

// everything makes two replicas do all that a controller does, with one Website. It ends early when ctx does.
func (w *world) everything(ctx context.Context, proxy *audit, name string) error {
	w.t.Helper()
	// The lease has to be created, too.
	err := w.kube.CoordinationV1().Leases(w.system).Delete(w.t.Context(), leaseName, metav1.DeleteOptions{})
	if !apierrors.IsNotFound(err) {
		require.NoError(w.t, err)
	}
	kubeconfig := w.kubeconfig(proxy.url)
	replicas := []*replica{w.start(kubeconfig)}
	// The other one behaves as with a server that cannot stream a list: its informers list, then watch.
	w.t.Setenv("KUBE_FEATURE_WatchListClient", "false")
	replicas = append(replicas, w.start(kubeconfig))

	until := func(what string, check func(context.Context) error) func() error {
		return func() error {
			last := errors.New("not looked at")
			err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
				if err := check(ctx); ctx.Err() == nil {
					last = err
				}
				return last == nil, nil
			})
			if err != nil {
				return fmt.Errorf("waiting until %s: %w (%w)", what, err, last)
			}
			return nil
		}
	}
	leader := func() *replica {
		for _, r := range replicas {
			if strings.Contains(r.logged(), "Starting workers") {
				return r
			}
		}
		return nil
	}
	somebodyLeads := until("a replica leads", func(context.Context) error {
		if leader() == nil {
			return errors.New("none does")
		}
		return nil
	})
	bothReady := until("both replicas are ready", func(ctx context.Context) error {
		return errors.Join(replicas[0].ready(ctx), replicas[1].ready(ctx))
	})
	asSpecified := func(n int) func() error {
		return until(fmt.Sprintf("%d Websites are as specified", n), func(ctx context.Context) error { return w.asSpecified(ctx, n) })
	}
	websites := w.websites.Websites(w.namespace)
	patch := func(patch string) func() error {
		return func() error {
			_, err := websites.Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
			return err
		}
	}
	for _, step := range []func() error{
		somebodyLeads,
		bothReady,
		func() error { // without pods, to be quick
			website := w.website(name)
			*website.Spec.Replicas = 0
			_, err := websites.Create(ctx, website, metav1.CreateOptions{})
			return err
		},
		asSpecified(1),
		patch(`{"spec":{"suspend":true}}`), // a change, and an event
		asSpecified(1),
		patch(`{"spec":{"suspend":false}}`),
		asSpecified(1),
		// The event "Available" has been there before. It is no series, for which the recorder would have to patch: an event
		// is about a resourceVersion.
		until("there are two events of a kind", func(ctx context.Context) error {
			list, err := w.kube.EventsV1().Events(w.namespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				return err
			}
			found := 0
			for _, event := range list.Items {
				if event.Regarding.Name == name && event.Reason == controller.ReasonAvailable && event.Series == nil {
					found++
				}
			}
			if found != 2 {
				return fmt.Errorf("there are %d", found)
			}
			return nil
		}),
		func() error { // drift
			_, err := w.kube.CoreV1().ConfigMaps(w.namespace).Patch(ctx, name, types.MergePatchType, []byte(`{"data":null}`), metav1.PatchOptions{})
			return err
		},
		asSpecified(1),
		func() error { // the other one takes over
			old := leader()
			if code := old.signal(syscall.SIGTERM).ExitCode(); code != 0 {
				return fmt.Errorf("exit code %d", code)
			}
			replicas = slices.DeleteFunc(replicas, func(r *replica) bool { return r == old })
			return nil
		},
		somebodyLeads,
		func() error { return websites.Delete(ctx, name, metav1.DeleteOptions{}) },
		asSpecified(0),
		func() error {
			replicas[0].signal(syscall.SIGTERM)
			return nil
		},
	} {
		if err := step(); err != nil {
			for _, r := range replicas {
				_ = r.process.Kill()
			}
			return err
		}
	}
	return nil
}

// ready asks a replica whether its caches are filled.
func (r *replica) ready(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// sweepWebsites takes away what a controller without rights has left: no controller runs now.
func (w *world) sweepWebsites() {
	w.t.Helper()
	ctx, websites := w.t.Context(), w.websites.Websites(w.namespace)
	list, err := websites.List(ctx, metav1.ListOptions{})
	require.NoError(w.t, err)
	for _, website := range list.Items {
		_, err := websites.Patch(ctx, website.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if err == nil {
			err = websites.Delete(ctx, website.Name, metav1.DeleteOptions{})
		}
		if !apierrors.IsNotFound(err) {
			require.NoError(w.t, err)
		}
	}
	entries, err := w.kube.CoreV1().ConfigMaps(w.system).List(ctx, metav1.ListOptions{LabelSelector: controller.LabelOwner})
	require.NoError(w.t, err)
	for _, entry := range entries.Items {
		require.NoError(w.t, w.kube.CoreV1().ConfigMaps(w.system).Delete(ctx, entry.Name, metav1.DeleteOptions{}))
	}
}
