package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
)

// labNamespace is where the steps write. They leave it there, empty, for the next step.
const labNamespace = "client-go-lab"

// labLabel is on everything that this chapter makes, so that it can be found again.
const labLabel = "client-go-lab/chapter"

// labels returns the labels of this chapter's objects.
func labels() map[string]string { return map[string]string{labLabel: "05"} }

// mine selects this chapter's objects.
func mine() metav1.ListOptions { return metav1.ListOptions{LabelSelector: labLabel + "=05"} }

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
		// keeps ctx's values but not its end, and a time limit of its own.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		if cleanErr := sweep(ctx, client); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("clean up the namespace %s: %w", labNamespace, cleanErr))
		}
	}()
	return step()
}

// makeNamespace makes the lab's namespace if it is not there, and waits for its default service account, which a
// controller makes: without it a namespace takes no pods.
func makeNamespace(ctx context.Context, client kubernetes.Interface) error {
	namespace, err := client.CoreV1().Namespaces().Get(ctx, labNamespace, metav1.GetOptions{})
	switch {
	case err == nil && namespace.Status.Phase == corev1.NamespaceTerminating:
		return errors.New("it is being deleted: wait until it is gone, then try again")
	case apierrors.IsNotFound(err):
		namespace = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: labNamespace}}
		_, err = client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			err = nil // another program was faster
		}
	}
	if err != nil {
		return err
	}
	return poll(ctx, "the namespace's default service account", func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts(labNamespace).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// sweep deletes this chapter's pods and the kind that the step "dynamic" installs, and waits until they are gone.
func sweep(ctx context.Context, client kubernetes.Interface) error {
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))} // no kubelet has ever seen them
	if err := client.CoreV1().Pods(labNamespace).DeleteCollection(ctx, now, mine()); err != nil {
		return err
	}
	selector := mine()
	err := client.CoreV1().RESTClient().Delete().AbsPath(definitionsPath).
		VersionedParams(&selector, scheme.ParameterCodec).Do(ctx).Error()
	if err != nil {
		return err
	}
	return poll(ctx, "everything with the label "+selector.LabelSelector+" to be gone", func(ctx context.Context) (bool, error) {
		pods, err := client.CoreV1().Pods(labNamespace).List(ctx, selector)
		if err != nil || len(pods.Items) > 0 {
			return false, err
		}
		definitions := &metav1.PartialObjectMetadataList{}
		err = client.CoreV1().RESTClient().Get().AbsPath(definitionsPath).
			SetHeader("Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").
			VersionedParams(&selector, scheme.ParameterCodec).Do(ctx).Into(definitions)
		return err == nil && len(definitions.Items) == 0, err
	})
}

// poll asks again and again until the answer is yes, for ten seconds at most.
func poll(ctx context.Context, what string, yet wait.ConditionWithContextFunc) error {
	err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 10*time.Second, true, yet)
	if wait.Interrupted(err) {
		return fmt.Errorf("wait for %s: %w", what, errors.Join(err, context.Cause(ctx)))
	}
	return err
}
