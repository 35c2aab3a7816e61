// Package ingress is a second small controller: a Service that is annotated with a host gets an Ingress of its own name.
package ingress

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	acnetworking "k8s.io/client-go/applyconfigurations/networking/v1"
	networkingclient "k8s.io/client-go/kubernetes/typed/networking/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
)

const (
	// Manager is the name under which this controller applies.
	Manager = "host-controller"
	// Host is the annotation of a Service that holds the host name it wants.
	Host = "lab.example.com/host"
	// ReasonNameTaken and ReasonInvalid are reasons of warnings about a Service.
	ReasonNameTaken = "NameTaken"
	ReasonInvalid   = "Invalid"
)

// Reconciler keeps Ingresses. The listers read caches, which may be late.
type Reconciler struct {
	Services  corelisters.ServiceLister
	Ingresses networkinglisters.IngressLister
	API       networkingclient.IngressesGetter
	Recorder  events.EventRecorder
}

// ingressFor is what the Ingress of a Service should be: it leads requests for the host to the Service.
func ingressFor(service *corev1.Service, host string) *acnetworking.IngressApplyConfiguration {
	port := acnetworking.ServiceBackendPort()
	if len(service.Spec.Ports) > 0 { // headless and ExternalName Services may have none: then the server says that a port is missing
		port.WithNumber(service.Spec.Ports[0].Port)
	}
	path := acnetworking.HTTPIngressPath().WithPath("/").WithPathType(networkingv1.PathTypePrefix).
		WithBackend(acnetworking.IngressBackend().WithService(acnetworking.IngressServiceBackend().WithName(service.Name).WithPort(port)))
	http := acnetworking.HTTPIngressRuleValue().WithPaths(path)
	ingress := acnetworking.Ingress(service.Name, service.Namespace)
	// TODO 1: one rule, for the host, with http; and the Service as the owner that controls it
	_ = http
	return ingress
}

// ours says whether an Ingress is a Service's.
func ours(service *corev1.Service, ingress *networkingv1.Ingress) bool {
	owner := metav1.GetControllerOf(ingress)
	return owner != nil && owner.UID == service.UID
}

// remove deletes the Ingress of a Service that wants none any more. An error means: try again.
func (r *Reconciler) remove(ctx context.Context, service *corev1.Service, current *networkingv1.Ingress) error {
	// TODO 2: only if it is ours, and only this very one: metav1.NewUIDPreconditions. That it is gone already is fine
	_ = ours
	return fmt.Errorf("step 2 is not written yet")
}

// keep makes the Ingress of a Service what it should be. current is what the cache has, or nil.
func (r *Reconciler) keep(ctx context.Context, service *corev1.Service, host string, current *networkingv1.Ingress) error {
	desired := ingressFor(service, host)
	// TODO 3: current is nil: only if there is none. Not ours: warn, and leave it. As it should be: no request. Else: only this very one. Then r.apply; invalid: warn
	_ = r.warn
	return r.apply(ctx, desired)
}

// Reconcile makes the Ingress of one Service what the Service says, once. An error means: try again later.
func (r *Reconciler) Reconcile(ctx context.Context, key cache.ObjectName) error {
	// TODO 4: read both from the caches; gone, or about to go: whose work is it? Is there a host: keep; is there none, or an empty one: remove
	_ = r.keep
	_ = r.remove
	return fmt.Errorf("step 4 is not written yet")
}

// apply sends an Ingress.
func (r *Reconciler) apply(ctx context.Context, desired *acnetworking.IngressApplyConfiguration) error {
	_, err := r.API.Ingresses(*desired.Namespace).Apply(ctx, desired, metav1.ApplyOptions{FieldManager: Manager, Force: true})
	if cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid); ok && cause.Field == "metadata.uid" {
		err = apierrors.NewConflict(networkingv1.Resource("ingresses"), *desired.Name, err) // another object of this name
	}
	if err != nil {
		return fmt.Errorf("apply the Ingress: %w", err)
	}
	return nil
}

// warn tells whoever looks at a Service.
func (r *Reconciler) warn(service *corev1.Service, reason, message string) {
	r.Recorder.Eventf(service, nil, corev1.EventTypeWarning, reason, "Reconcile", "%s", message)
}
