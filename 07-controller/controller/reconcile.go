package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/tools/cache"

	"client-go-lab/07-controller/api/v1alpha1"
)

// Finalizer keeps a deleted Website until its entry is out of the directory.
const Finalizer = "lab.example.com/directory"

// reconcile makes the world what one Website says, once. It looks at everything, each time, and remembers nothing: what
// happened does not matter, only what is. An error means: not done, try again later (see processNextWorkItem).
func (c *Controller) reconcile(ctx context.Context, key cache.ObjectName) error {
	website, err := c.websites.Websites(key.Namespace).Get(key.Name)
	switch {
	case apierrors.IsNotFound(err):
		return nil // gone. Its children go with it, and its entry went before it. No requeue.
	case err != nil:
		return err
	case !website.DeletionTimestamp.IsZero():
		return c.finalize(ctx, website)
	}

	// Before the entry: were it the other way round, a Website deleted in between would leave its entry behind.
	finalizers := website.Finalizers
	if !slices.Contains(finalizers, Finalizer) {
		finalizers = append(slices.Clone(finalizers), Finalizer)
	}
	// Also if the finalizer is there, and the entry is not: the cache may be late, and the Website gone, finalized by the last
	// leader. Nobody would remove an entry that is made now. The patch changes nothing then, but has the resourceVersion: 409
	// or 404 if we are late.
	_, noEntry := c.configMapLister.ConfigMaps(c.directory).Get(website.Spec.Host)
	if len(finalizers) > len(website.Finalizers) || apierrors.IsNotFound(noEntry) {
		website, err = c.patchFinalizers(ctx, website, finalizers)
		if err != nil {
			return fmt.Errorf("write the finalizer: %w", err) // requeue
		}
	}

	seen, err := c.keepAll(ctx, website)
	if seen.claimed && apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil // the namespace is being deleted, and the Website with it. No requeue: that is an event.
	}
	problem := problemOf(err)
	if err != nil && problem == nil {
		return err // requeue: no answer, or a conflict, or the server is busy
	}
	if err := c.updateStatus(ctx, website, seen, problem); err != nil {
		return err // requeue
	}
	if problem != nil && problem.reason == ReasonForbidden {
		return err // requeue: rights come without an event
	}
	if problem != nil && problem.reason == ReasonInvalid {
		// Requeue, but late and without an error. What a rule of the API refuses, a new spec mends, which is an event. What an
		// admission policy or a webhook refuses may be right one day, and nobody tells.
		c.queue.AddAfter(key, invalidAgain)
	}
	// Else no requeue. It is done, or it waits for something that ends in an event: for pods, which change the Deployment; for
	// a host or a name, whose object is deleted.
	return nil
}

// seen is what keepAll came to.
type seen struct {
	claimed    bool               // the host name is the Website's
	deployment *appsv1.Deployment // nil if there is none that is the Website's
}

// keepAll makes the directory's entry and the children what they should be.
func (c *Controller) keepAll(ctx context.Context, website *v1alpha1.Website) (seen seen, err error) {
	// For the status, also if it does not come to the Deployment below: its pods run on.
	deployment, err := c.deploymentLister.Deployments(website.Namespace).Get(website.Name)
	if err == nil && owns(website, deployment) {
		seen.deployment = deployment
	}
	if website.Namespace == c.directory && website.Name == website.Spec.Host {
		return seen, &problem{reason: ReasonInvalid, message: "in the directory's namespace a Website cannot be called what its host is: the entry and the page would be one ConfigMap"}
	}
	entry := entryFor(website, c.directory)
	if _, err := c.configMaps(c.directory).keep(ctx, website, website.Spec.Host, entry); err != nil {
		if p := problemOf(err); p != nil && p.reason == ReasonNameTaken {
			err = &problem{reason: ReasonHostTaken, message: fmt.Sprintf("the host name %s is taken", website.Spec.Host)}
		}
		return seen, err
	}
	seen.claimed = true
	if _, err := c.configMaps(website.Namespace).keep(ctx, website, website.Name, configMapFor(website)); err != nil {
		return seen, err
	}
	deployment, err = c.deployments(website.Namespace).keep(ctx, website, website.Name, deploymentFor(website, c.image))
	if err != nil {
		return seen, err
	}
	seen.deployment = deployment
	_, err = c.services(website.Namespace).keep(ctx, website, website.Name, serviceFor(website))
	return seen, err
}

func (c *Controller) configMaps(namespace string) keeper[*corev1.ConfigMap, *accore.ConfigMapApplyConfiguration] {
	return keeper[*corev1.ConfigMap, *accore.ConfigMapApplyConfiguration]{
		kind: "ConfigMap", get: c.configMapLister.ConfigMaps(namespace).Get,
		extract: accore.ExtractConfigMap, apply: c.kube.CoreV1().ConfigMaps(namespace).Apply,
	}
}

func (c *Controller) deployments(namespace string) keeper[*appsv1.Deployment, *acapps.DeploymentApplyConfiguration] {
	return keeper[*appsv1.Deployment, *acapps.DeploymentApplyConfiguration]{
		kind: "Deployment", get: c.deploymentLister.Deployments(namespace).Get,
		extract: acapps.ExtractDeployment, apply: c.kube.AppsV1().Deployments(namespace).Apply,
	}
}

func (c *Controller) services(namespace string) keeper[*corev1.Service, *accore.ServiceApplyConfiguration] {
	return keeper[*corev1.Service, *accore.ServiceApplyConfiguration]{
		kind: "Service", get: c.serviceLister.Services(namespace).Get,
		extract: accore.ExtractService, apply: c.kube.CoreV1().Services(namespace).Apply,
	}
}

// finalize takes a deleted Website out of the directory, then lets it go. The order matters: first what others see.
func (c *Controller) finalize(ctx context.Context, website *v1alpha1.Website) error {
	i := slices.Index(website.Finalizers, Finalizer)
	if i < 0 {
		return nil // others' finalizers keep it. No requeue.
	}
	// Not from the cache, which may not have the entry yet that we made a moment ago: it would stay for ever.
	entries := c.kube.CoreV1().ConfigMaps(c.directory)
	entry, err := entries.Get(ctx, website.Spec.Host, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("look for the entry: %w", err) // requeue
	case owns(website, entry):
		// This very one, and not one of the same name that somebody makes in between.
		err := entries.Delete(ctx, entry.Name, *metav1.NewPreconditionDeleteOptions(string(entry.UID)))
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete the entry: %w", err) // requeue
		}
	}
	if _, err := c.patchFinalizers(ctx, website, slices.Delete(slices.Clone(website.Finalizers), i, i+1)); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove the finalizer: %w", err) // requeue
	}
	return nil // No requeue.
}

// patchFinalizers writes a Website's finalizers. A merge patch leaves fields alone that this program does not know yet, where
// Update would delete them; the resourceVersion in it makes it a conflict if somebody else changed the list.
func (c *Controller) patchFinalizers(ctx context.Context, website *v1alpha1.Website, finalizers []string) (*v1alpha1.Website, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"finalizers": finalizers, "resourceVersion": website.ResourceVersion,
	}})
	if err != nil {
		return nil, err
	}
	return c.writer.Websites(website.Namespace).Patch(ctx, website.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
}
