package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// labNamespace is where the step that writes does so. It leaves it there, empty, for the next step.
const labNamespace = "client-go-lab"

// labLabel is on everything that this chapter makes, so that it can be found again.
const labLabel = "client-go-lab/chapter"

// labels returns the labels of this chapter's objects.
func labels() map[string]string { return map[string]string{labLabel: "07"} }

// mine selects this chapter's objects.
func mine() metav1.ListOptions { return metav1.ListOptions{LabelSelector: labLabel + "=07"} }

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
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if cleanErr := sweep(ctx, client); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("clean up the namespace %s: %w", labNamespace, cleanErr))
		}
	}()
	return step()
}

// makeNamespace makes the lab's namespace if it is not there.
func makeNamespace(ctx context.Context, client kubernetes.Interface) error {
	namespace, err := client.CoreV1().Namespaces().Get(ctx, labNamespace, metav1.GetOptions{})
	switch {
	case err == nil && namespace.Status.Phase == corev1.NamespaceTerminating:
		return errors.New("it is being deleted: wait until it is gone, then try again")
	case !apierrors.IsNotFound(err):
		return err // nil if it is there
	}
	namespace = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: labNamespace}}
	_, err = client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // another program was faster
	}
	return err
}

// sweep deletes this chapter's objects. They are few; for many there is DeleteCollection, which client-go's fake does not do.
func sweep(ctx context.Context, client kubernetes.Interface) error {
	list, err := client.CoreV1().ConfigMaps(labNamespace).List(ctx, mine())
	if err != nil {
		return err
	}
	var errs []error
	for _, configMap := range list.Items {
		err := client.CoreV1().ConfigMaps(labNamespace).Delete(ctx, configMap.Name, metav1.DeleteOptions{})
		if !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
