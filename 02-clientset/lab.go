package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// labNamespace is where the steps write. They leave it there, empty, for the next step.
const labNamespace = "client-go-lab"

// labLabel is on everything that this chapter makes, so that it can be found again.
const labLabel = "client-go-lab/chapter"

// labels returns the labels of this chapter's objects. Pod templates have them, too: a Deployment's pods are ours.
func labels() map[string]string { return map[string]string{labLabel: "02"} }

// mine selects this chapter's objects.
func mine() metav1.ListOptions { return metav1.ListOptions{LabelSelector: labLabel + "=02"} }

// inLab runs a step that writes. It makes the namespace if there is none, removes what an interrupted run may have left
// behind, and cleans up after the step, however that ends.
func inLab(ctx context.Context, client kubernetes.Interface, step func() error) (err error) {
	if err := makeNamespace(ctx, client); err != nil {
		return fmt.Errorf("make the namespace %s: %w", labNamespace, err)
	}
	if err := sweep(ctx, client); err != nil {
		return fmt.Errorf("remove what an earlier run left: %w", err)
	}
	defer func() {
		// After Ctrl-C ctx is cancelled and no request with it would leave this machine. Cleaning up gets a context that
		// keeps ctx's values but not its end; sweep has a time limit of its own.
		if cleanErr := sweep(context.WithoutCancel(ctx), client); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("clean up the namespace %s: %w", labNamespace, cleanErr))
		}
	}()
	return step()
}

// makeNamespace makes the lab's namespace if it is not there, and waits for its default service account: before that,
// the server refuses every pod.
func makeNamespace(ctx context.Context, client kubernetes.Interface) error {
	namespace, err := client.CoreV1().Namespaces().Get(ctx, labNamespace, metav1.GetOptions{})
	switch {
	case err == nil && namespace.Status.Phase == corev1.NamespaceTerminating:
		return errors.New("it is being deleted: wait until it is gone, then try again")
	case apierrors.IsNotFound(err):
		namespace = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: labNamespace}}
		_, err = client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) { // another program may have been faster
			return err
		}
	case err != nil:
		return err
	}
	return poll(ctx, "its default service account", func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts(labNamespace).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// sweep deletes this chapter's objects, one by one, and waits until they are gone, at most twenty seconds. It looks again
// after deleting: a ReplicaSet that goes may still have made a pod.
func sweep(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	now, background := int64(0), metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{GracePeriodSeconds: &now, PropagationPolicy: &background}
	var left []string
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		left = nil
		for _, kind := range swept(client) {
			names, err := kind.names(ctx)
			if err != nil {
				return false, fmt.Errorf("list the %s: %w", kind.name, err)
			}
			for _, name := range names {
				left = append(left, kind.name+" "+name)
				if err := kind.remove(ctx, name, options); err != nil && !apierrors.IsNotFound(err) {
					return false, fmt.Errorf("delete %s: %w", left[len(left)-1], err)
				}
			}
		}
		return len(left) == 0, nil
	})
	if wait.Interrupted(err) {
		return fmt.Errorf("still there, though deleted: %s: %w", strings.Join(left, ", "), err)
	}
	return err
}

// kind is one kind of object that the steps make.
type kind struct {
	name   string
	names  func(context.Context) ([]string, error) // of this chapter's objects
	remove func(context.Context, string, metav1.DeleteOptions) error
}

// swept returns the kinds that the steps make: owners before what they own.
func swept(client kubernetes.Interface) []kind {
	core, apps, rbac := client.CoreV1(), client.AppsV1(), client.RbacV1()
	return []kind{
		kindOf("Deployment", apps.Deployments(labNamespace)),
		kindOf("Job", client.BatchV1().Jobs(labNamespace)),
		kindOf("ReplicaSet", apps.ReplicaSets(labNamespace)),
		kindOf("Pod", core.Pods(labNamespace)),
		kindOf("PodDisruptionBudget", client.PolicyV1().PodDisruptionBudgets(labNamespace)),
		kindOf("Service", core.Services(labNamespace)),
		kindOf("ConfigMap", core.ConfigMaps(labNamespace)),
		kindOf("Secret", core.Secrets(labNamespace)),
		kindOf("RoleBinding", rbac.RoleBindings(labNamespace)),
		kindOf("Role", rbac.Roles(labNamespace)),
		kindOf("ServiceAccount", core.ServiceAccounts(labNamespace)),
	}
}

// kindOf makes a kind of a typed client. Every typed client has these two methods, and L is what its List returns:
// *corev1.PodList, for example.
func kindOf[L runtime.Object](name string, client interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}) kind {
	names := func(ctx context.Context) ([]string, error) {
		list, err := client.List(ctx, mine())
		if err != nil {
			return nil, err
		}
		var names []string
		err = meta.EachListItem(list, func(object runtime.Object) error {
			names = append(names, object.(metav1.Object).GetName())
			return nil
		})
		return names, err
	}
	return kind{name: name, names: names, remove: client.Delete}
}

// pollInterval is how often a step asks for what it waits for.
const pollInterval = 50 * time.Millisecond

// poll asks until done says so, at most twenty seconds. what says what is waited for.
func poll(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	err := wait.PollUntilContextTimeout(ctx, pollInterval, 20*time.Second, true, done)
	if err != nil {
		return fmt.Errorf("wait for %s: %w", what, err)
	}
	return nil
}
