package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"client-go-lab/07-controller/controller"
)

// labNamespace is where the steps write. They leave it there, empty, for the next step.
const labNamespace = "client-go-lab"

// labLabel is on everything that the lessons make, so that it can be found again. What their controllers make for a Website
// is found by the Website.
const labLabel = "client-go-lab/chapter"

// labels returns the labels of this chapter's objects.
func labels() map[string]string { return map[string]string{labLabel: "07"} }

// mine selects this chapter's objects.
func mine() metav1.ListOptions { return metav1.ListOptions{LabelSelector: labLabel + "=07"} }

// How long cleaning up may take: pods and the CRD take their time. A pod that is deleted while it starts may not hear the
// signal to end, and is killed after 30 s; where a kubelet is busy, that is not all.
const (
	cleanLimit = 4 * time.Minute
	podsLimit  = 3 * time.Minute
)

// inLab runs a lesson. It makes the namespace and the CRD if they are not there, removes what an interrupted run may have left
// behind, and cleans up after the lesson, however that ends. Websites without the chapter's label, and a CRD without it, are
// the reader's own: they stay.
func (l *lesson) inLab(ctx context.Context, step func() error) (err error) {
	if err := makeNamespace(ctx, l.kube, labNamespace); err != nil {
		return fmt.Errorf("make the namespace %s: %w", labNamespace, err)
	}
	if err := l.noController(ctx); err != nil {
		return err
	}
	defer func() {
		// After Ctrl-C ctx is cancelled and no request with it would leave this machine. Cleaning up gets a context that
		// keeps ctx's values but not its end, and a time limit of its own.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
		defer cancel()
		if cleanErr := l.sweep(ctx); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("clean up the namespace %s: %w", labNamespace, cleanErr))
		} else if cleanErr := l.removeCRD(ctx); cleanErr != nil {
			err = errors.Join(err, cleanErr)
		}
	}()
	if err := l.needCRD(ctx); err != nil {
		return err
	}
	if err := l.sweep(ctx); err != nil {
		return fmt.Errorf("remove what an earlier run left: %w", err)
	}
	return step()
}

// makeNamespace makes a namespace if it is not there.
func makeNamespace(ctx context.Context, client kubernetes.Interface, name string) error {
	namespace, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	switch {
	case err == nil && namespace.Status.Phase == corev1.NamespaceTerminating:
		return errors.New("it is being deleted: wait until it is gone, then try again")
	case !apierrors.IsNotFound(err):
		return err // nil if it is there
	}
	namespace = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err = client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // another program was faster
	}
	return err
}

// noController makes sure that no controller works on Websites already: two would get into each other's way. It is known by
// the Lease of the leader: here, or in the namespace of the manifests.
func (l *lesson) noController(ctx context.Context) error {
	for _, namespace := range []string{labNamespace, "website-system"} {
		lease, err := l.kube.CoordinationV1().Leases(namespace).Get(ctx, leaseName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look whether a controller runs: %w", err)
		}
		spec := lease.Spec
		if spec.HolderIdentity == nil || *spec.HolderIdentity == "" || spec.RenewTime == nil || spec.LeaseDurationSeconds == nil {
			continue
		}
		if ends := spec.RenewTime.Add(time.Duration(*spec.LeaseDurationSeconds) * time.Second); time.Now().Before(ends) {
			return fmt.Errorf("a controller for Websites runs already, or was killed a moment ago: %s has the Lease %s/%s "+
				"(stop it first: the lesson runs its own)", *spec.HolderIdentity, namespace, leaseName)
		}
	}
	return nil
}

const crdName = "websites.lab.example.com"

// needCRD installs the CRD with the chapter's label, unless it is there without it: then it is the reader's.
func (l *lesson) needCRD(ctx context.Context) error {
	crd, err := l.dynamic.Resource(crdResource).Get(ctx, crdName, metav1.GetOptions{})
	if err == nil && crd.GetLabels()[labLabel] == "" {
		return nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("look for the CRD %s: %w", crdName, err)
	}
	if err == nil && crd.GetDeletionTimestamp() != nil {
		if err := l.removeCRD(ctx); err != nil { // of an interrupted run
			return err
		}
	}
	return installCRD(ctx, l.dynamic, l.client, labels())
}

// removeCRD removes the CRD if it has the chapter's label, and returns when it is gone.
func (l *lesson) removeCRD(ctx context.Context) error {
	crds := l.dynamic.Resource(crdResource)
	crd, err := crds.Get(ctx, crdName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && crd.GetLabels()[labLabel] == "" {
		return nil
	}
	if err == nil {
		err = crds.Delete(ctx, crdName, *metav1.NewPreconditionDeleteOptions(string(crd.GetUID())))
	}
	// The server deletes the Websites first, and if their storage is just being made, it may put that off for minutes. A change
	// makes it look again.
	touch := time.Now().Add(2 * time.Second)
	for n := 1; err == nil; {
		if err = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			_, err := crds.Get(ctx, crdName, metav1.GetOptions{})
			return time.Now().After(touch), err
		}); err == nil {
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"client-go-lab/touched":"%d"}}}`, n)
			_, err = crds.Patch(ctx, crdName, types.MergePatchType, patch, metav1.PatchOptions{})
			touch, n = time.Now().Add(2*time.Second), n+1
		}
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove the CRD %s: %w (do Websites have finalizers of others?)", crdName, err)
	}
	return nil
}

// sweep removes the lessons' Websites and all that was kept for them, and returns when it is gone. No controller runs now:
// what its finalizer is for is done here.
func (l *lesson) sweep(ctx context.Context) error {
	websites := l.client.Websites(labNamespace)
	list, err := websites.List(ctx, mine())
	if err != nil {
		return err
	}
	var errs []error
	failed := func(err error) {
		if !apierrors.IsNotFound(err) { // nil is not "not found", and Join leaves it out
			errs = append(errs, err)
		}
	}
	for _, website := range list.Items { // those of an interrupted run, too
		l.note(&website)
	}
	owners, names := sets.KeySet(l.made), sets.New(slices.Collect(maps.Values(l.made))...)
	for _, website := range list.Items {
		failed(websites.Delete(ctx, website.Name, metav1.DeleteOptions{}))
	}
	configMaps := l.kube.CoreV1().ConfigMaps(labNamespace)
	if len(owners) > 0 {
		entries, err := configMaps.List(ctx, metav1.ListOptions{LabelSelector: anyOf(controller.LabelOwner, owners)})
		failed(err)
		if err == nil {
			for _, entry := range entries.Items {
				failed(configMaps.Delete(ctx, entry.Name, *metav1.NewPreconditionDeleteOptions(string(entry.UID))))
			}
		}
	}
	for _, website := range list.Items {
		patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"finalizers":null}}`, website.UID)
		_, err := websites.Patch(ctx, website.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) { // another one of this name by now
			failed(err)
		}
	}
	foreign, err := configMaps.List(ctx, mine())
	failed(err)
	if err == nil {
		for _, configMap := range foreign.Items {
			failed(configMaps.Delete(ctx, configMap.Name, metav1.DeleteOptions{}))
		}
	}
	failed(l.sweepLease(ctx))
	if len(names) > 0 {
		failed(l.untilGone(ctx, names))
		failed(l.sweepEvents(ctx))
	}
	return errors.Join(errs...)
}

// anyOf selects objects whose label has one of some values.
func anyOf(label string, values sets.Set[string]) string {
	return fmt.Sprintf("%s in (%s)", label, strings.Join(sets.List(values), ","))
}

// untilGone waits for the garbage collector, which removes the children after their owners.
func (l *lesson) untilGone(ctx context.Context, names sets.Set[string]) error {
	opts := metav1.ListOptions{LabelSelector: anyOf(controller.LabelWebsite, names)}
	left := ""
	// Five requests each time: more often, and the client's rate limiter would be what the error is about.
	err := wait.PollUntilContextTimeout(ctx, 125*time.Millisecond, podsLimit, true, func(ctx context.Context) (bool, error) {
		configMaps, err1 := l.kube.CoreV1().ConfigMaps(labNamespace).List(ctx, opts)
		services, err2 := l.kube.CoreV1().Services(labNamespace).List(ctx, opts)
		deployments, err3 := l.kube.AppsV1().Deployments(labNamespace).List(ctx, opts)
		replicaSets, err4 := l.kube.AppsV1().ReplicaSets(labNamespace).List(ctx, opts)
		pods, err5 := l.kube.CoreV1().Pods(labNamespace).List(ctx, opts)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			return false, err
		}
		left = fmt.Sprintf("%d ConfigMaps, %d Services, %d Deployments, %d ReplicaSets, %d pods",
			len(configMaps.Items), len(services.Items), len(deployments.Items), len(replicaSets.Items), len(pods.Items))
		return len(configMaps.Items)+len(services.Items)+len(deployments.Items)+len(replicaSets.Items)+len(pods.Items) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait until the garbage collector has removed what belonged to the Websites (left: %s): %w", left, err)
	}
	return nil
}

// sweepLease removes the Lease of the lessons' controllers, unless somebody has it by now.
func (l *lesson) sweepLease(ctx context.Context) error {
	leases := l.kube.CoordinationV1().Leases(labNamespace)
	lease, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" && l.noController(ctx) != nil {
		return err
	}
	err = leases.Delete(ctx, leaseName, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &lease.ResourceVersion}})
	if apierrors.IsConflict(err) {
		return nil // somebody has taken it
	}
	return err
}

// sweepEvents removes the events about the lessons' Websites.
func (l *lesson) sweepEvents(ctx context.Context) error {
	events := l.kube.EventsV1().Events(labNamespace)
	list, err := events.List(ctx, metav1.ListOptions{FieldSelector: "reportingController=" + controller.ReportingController})
	if err != nil {
		return err
	}
	var errs []error
	for _, event := range list.Items {
		if _, ours := l.made[string(event.Regarding.UID)]; ours {
			if err := events.Delete(ctx, event.Name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
