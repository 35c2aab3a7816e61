package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"client-go-lab/07-controller/api/v1alpha1"
)

// Reasons of the conditions, which are reasons of events, too.
const (
	ReasonAvailable   = "Available"   // every replica shows the page
	ReasonProgressing = "Progressing" // pods are being made or replaced
	ReasonSuspended   = "Suspended"   // the spec says so
	ReasonClaimed     = "Claimed"     // the host name is this Website's
	ReasonHostTaken   = "HostTaken"   // another Website has the host name
	ReasonNameTaken   = "NameTaken"   // an object of the Website's name is there that is not its
	ReasonInvalid     = "Invalid"     // the server does not take what the spec asks for: a rule of the API, or of an admission policy
	ReasonForbidden   = "Forbidden"   // the controller may not do something now; it tries again
)

// problem is why a Website cannot be what its spec says until somebody changes something. It is for the user to read, in
// a condition and an event.
type problem struct {
	reason, message string
	cause           error // what the server said; nil if the controller found out by itself
}

func (p *problem) Error() string { return p.reason + ": " + p.message }
func (p *problem) Unwrap() error { return p.cause }

// inOtherWords says whether a message is about the same request, which the server refused. What it says then may be new each
// time: some webhooks put a number into it. If that were news, it would be written into the status, which is an event, which
// brings the key back at once, for ever.
func (p *problem) inOtherWords(message string) bool {
	var refusal apierrors.APIStatus
	if p == nil || !errors.As(p.cause, &refusal) {
		return false
	}
	return strings.HasPrefix(message, strings.TrimSuffix(p.message, refusal.Status().Message))
}

// problemOf returns the problem in an error, or nil: then the error is none of the user's business, and trying again may help.
func problemOf(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		return &problem{reason: ReasonInvalid, message: err.Error(), cause: err}
	case apierrors.IsForbidden(err):
		return &problem{reason: ReasonForbidden, message: err.Error(), cause: err}
	}
	return nil
}

// statusOf is the status that a Website should have, given what was seen and what is in the way (nil if nothing is). It
// begins with the status that is there: a condition's time changes only when its status does.
func statusOf(website *v1alpha1.Website, seen seen, problem *problem) v1alpha1.WebsiteStatus {
	status := *website.Status.DeepCopy()
	status.ObservedGeneration = website.Generation
	set := func(condition string, is bool, reason, message string) {
		value := metav1.ConditionFalse
		if is {
			value = metav1.ConditionTrue
		}
		if old := meta.FindStatusCondition(status.Conditions, condition); old != nil && old.Reason == reason &&
			old.ObservedGeneration == website.Generation && problem.inOtherWords(old.Message) {
			message = old.Message
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: condition, Status: value, Reason: reason, Message: cut(message, messageLimit), ObservedGeneration: website.Generation,
		})
	}

	switch {
	case seen.claimed:
		status.URL = "http://" + website.Spec.Host + "/"
		set(v1alpha1.ConditionHostClaimed, true, ReasonClaimed, "the host name is this Website's")
	case problem != nil:
		status.URL = ""
		set(v1alpha1.ConditionHostClaimed, false, problem.reason, problem.message)
	}

	want := replicas(website)
	status.AvailableReplicas = 0
	if seen.deployment != nil {
		status.AvailableReplicas = seen.deployment.Status.AvailableReplicas
	}
	available := fmt.Sprintf("%d of %d replicas are available", status.AvailableReplicas, want)
	switch {
	case problem != nil:
		set(v1alpha1.ConditionReady, false, problem.reason, problem.message)
	case !rolledOut(seen.deployment, want):
		set(v1alpha1.ConditionReady, false, ReasonProgressing, available)
	case website.Spec.Suspend:
		set(v1alpha1.ConditionReady, false, ReasonSuspended, "suspended: no pods run")
	default:
		set(v1alpha1.ConditionReady, true, ReasonAvailable, available)
	}
	return status
}

// rolledOut says whether a Deployment is what it should be: its controller has seen the latest spec, and as many pods as
// wanted are available, all of the latest template.
func rolledOut(deployment *appsv1.Deployment, want int32) bool {
	if deployment == nil {
		return false
	}
	status := deployment.Status
	return status.ObservedGeneration >= deployment.Generation &&
		status.UpdatedReplicas == want && status.Replicas == want && status.AvailableReplicas == want
}

// updateStatus writes a Website's status if it is not what it should be, and tells of it in an event if it got ready, or
// got a problem.
func (c *Controller) updateStatus(ctx context.Context, website *v1alpha1.Website, seen seen, problem *problem) error {
	status := statusOf(website, seen, problem)
	if equality.Semantic.DeepEqual(status, website.Status) {
		return nil
	}
	before := meta.FindStatusCondition(website.Status.Conditions, v1alpha1.ConditionReady)
	website = website.DeepCopy() // it is the cache's
	website.Status = status
	// With the resourceVersion that we know: if somebody else wrote since, 409, and we look again.
	updated, err := c.writer.Websites(website.Namespace).UpdateStatus(ctx, website, metav1.UpdateOptions{FieldManager: FieldManager})
	if err != nil {
		return fmt.Errorf("update the status: %w", err)
	}
	ready := meta.FindStatusCondition(updated.Status.Conditions, v1alpha1.ConditionReady)
	if before != nil && before.Reason == ready.Reason || ready.Reason == ReasonProgressing {
		return nil
	}
	kind := corev1.EventTypeNormal
	if problem != nil {
		kind = corev1.EventTypeWarning
	}
	c.recorder.Eventf(updated, nil, kind, ready.Reason, "Reconcile", "%s", cut(ready.Message, noteLimit))
	return nil
}

// The server refuses a condition or an event whose text is longer, in bytes. What it said itself, to a request of ours, may be.
const messageLimit, noteLimit = 32768, 1024

// cut shortens a text to a number of bytes, between two characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const more = "..."
	end := limit - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}
