// Package ingress is a sample of a typical mistake: it takes an empty host for a host.
package ingress

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	acnetworking "k8s.io/client-go/applyconfigurations/networking/v1"
	networkingclient "k8s.io/client-go/kubernetes/typed/networking/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
)

// want: a rule without a host catches the requests for all hosts

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
	ingress.WithSpec(acnetworking.IngressSpec().WithRules(acnetworking.IngressRule().WithHost(host).WithHTTP(http)))
	ingress.WithOwnerReferences(acmeta.OwnerReference().
		WithAPIVersion("v1").WithKind("Service").WithName(service.Name).WithUID(service.UID).WithController(true))
	return ingress
}

// ours says whether an Ingress is a Service's.
func ours(service *corev1.Service, ingress *networkingv1.Ingress) bool {
	owner := metav1.GetControllerOf(ingress)
	return owner != nil && owner.UID == service.UID
}

// remove deletes the Ingress of a Service that wants none any more. An error means: try again.
func (r *Reconciler) remove(ctx context.Context, service *corev1.Service, current *networkingv1.Ingress) error {
	if !ours(service, current) {
		return nil
	}
	err := r.API.Ingresses(service.Namespace).Delete(ctx, current.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(current.UID))})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the Ingress: %w", err)
	}
	return nil
}

// keep makes the Ingress of a Service what it should be. current is what the cache has, or nil.
func (r *Reconciler) keep(ctx context.Context, service *corev1.Service, host string, current *networkingv1.Ingress) error {
	desired := ingressFor(service, host)
	switch {
	case current == nil:
		desired.WithResourceVersion("1") // no object has it: a conflict if there is one after all
	case !ours(service, current):
		r.warn(service, ReasonNameTaken, "an Ingress of this name is there that is not this Service's")
		return nil // its deletion is an event, and brings us back
	default:
		applied, err := acnetworking.ExtractIngress(current, Manager)
		if err != nil {
			return fmt.Errorf("what we applied to the Ingress: %w", err)
		}
		if equality.Semantic.DeepEqual(applied, desired) {
			return nil
		}
		desired.WithUID(current.UID)
	}
	err := r.apply(ctx, desired)
	if apierrors.IsInvalid(err) {
		r.warn(service, ReasonInvalid, err.Error())
		return nil // the server will say so again until the Service changes, and that is an event
	}
	return err
}

// Reconcile makes the Ingress of one Service what the Service says, once. An error means: try again later.
func (r *Reconciler) Reconcile(ctx context.Context, key cache.ObjectName) error {
	service, err := r.Services.Services(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) || err == nil && service.DeletionTimestamp != nil {
		return nil // the garbage collector removes the Ingress: the Service is its owner
	}
	if err != nil {
		return err
	}
	current, err := r.Ingresses.Ingresses(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		current, err = nil, nil
	}
	if err != nil {
		return err
	}
	host, wanted := service.Annotations[Host]
	switch {
	case wanted:
		return r.keep(ctx, service, host, current)
	case current != nil:
		return r.remove(ctx, service, current)
	}
	return nil
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
