package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"client-go-lab/07-controller/api/v1alpha1"
	"client-go-lab/07-controller/controller"
)

// status shows how the controller says what it has seen, and of which spec.
func status(ctx context.Context, l *lesson) error {
	late := &overtaken{lesson: l}
	return l.while(ctx, late.through(l.config), nil, func(ctx context.Context) error {
		l.say("-- created with 2 replicas")
		if _, err := l.create(ctx, "shop", "shop.example.com", func(spec *v1alpha1.WebsiteSpec) {
			spec.Replicas = new(int32(2))
		}); err != nil {
			return err
		}
		if err := l.showStatus(ctx, "shop", controller.ReasonAvailable); err != nil {
			return err
		}

		l.say("-- kubectl scale --replicas=3")
		if err := l.scale(ctx, "shop", 3); err != nil {
			return err
		}
		if err := l.showStatus(ctx, "shop", controller.ReasonAvailable); err != nil {
			return err
		}

		l.say("-- suspended")
		if err := l.change(ctx, "shop", `{"spec":{"suspend":true}}`); err != nil {
			return err
		}
		if err := l.showStatus(ctx, "shop", controller.ReasonSuspended); err != nil {
			return err
		}
		if err := conflict(ctx, l, late); err != nil {
			return err
		}
		return invalid(ctx, l)
	})
}

// conflict lets the spec change while the controller writes the status of the one before.
func conflict(ctx context.Context, l *lesson, late *overtaken) error {
	l.say("-- no longer suspended, and changed again while the status is on its way")
	conflicts, err := reconciled("conflict")
	if err != nil {
		return err
	}
	late.patch.Store(new(`{"spec":{"text":"Closed","html":null}}`))
	if err := l.change(ctx, "shop", `{"spec":{"suspend":false}}`); err != nil {
		return err
	}
	if err := l.until(ctx, "a status update meets a conflict", func(context.Context) (bool, error) {
		now, err := reconciled("conflict")
		return late.answer.Load() != 0 && now > conflicts, err
	}); err != nil {
		return err
	}
	l.say("the server's answer to the status update: %d; reconciles that ended in a conflict: one more", late.answer.Load())
	return l.showStatus(ctx, "shop", controller.ReasonAvailable)
}

// invalid shows a Website that the schema takes, and the Service's does not.
func invalid(ctx context.Context, l *lesson) error {
	l.say("-- a name that a Website may have, and a Service may not")
	if _, err := l.create(ctx, "my.shop", "my-shop.example.com", nil); err != nil {
		return err
	}
	errors, err := reconciled("error")
	if err != nil {
		return err
	}
	website, err := l.untilReady(ctx, "my.shop", controller.ReasonInvalid)
	if err != nil {
		return err
	}
	for i := range website.Status.Conditions { // the server's words, up to where they get long
		website.Status.Conditions[i].Message, _, _ = strings.Cut(website.Status.Conditions[i].Message, " is invalid")
	}
	l.printConditions(website)
	after, err := reconciled("error")
	if err != nil {
		return err
	}
	l.say("tried again: %t", after != errors)
	return nil
}

// showStatus waits until a Website's condition Ready has a reason, and prints its status.
func (l *lesson) showStatus(ctx context.Context, name, reason string) error {
	website, err := l.untilReady(ctx, name, reason)
	if err != nil {
		return err
	}
	l.say("generation %d, observedGeneration %d, availableReplicas %d, url %s",
		website.Generation, website.Status.ObservedGeneration, website.Status.AvailableReplicas, website.Status.URL)
	l.printConditions(website)
	return nil
}

// scale does what kubectl scale does: it writes to the subresource scale, which every scalable kind has in the same shape,
// and knows nothing of Websites.
func (l *lesson) scale(ctx context.Context, name string, replicas int) error {
	websites := l.dynamic.Resource(v1alpha1.GroupVersion.WithResource("websites")).Namespace(labNamespace)
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := websites.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}, "scale")
	if err != nil {
		return fmt.Errorf("scale the Website %s: %w", name, err)
	}
	return nil
}

// overtaken lets a user be faster than the controller, once: the next status update has to wait until a patch is in.
type overtaken struct {
	lesson *lesson
	patch  atomic.Pointer[string]
	answer atomic.Int32 // the server's, to that update
}

func (o *overtaken) through(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			name := strings.TrimSuffix(request.URL.Path, "/status")
			if request.Method == http.MethodPut && name != request.URL.Path {
				if patch := o.patch.Swap(nil); patch != nil {
					name = name[strings.LastIndex(name, "/")+1:]
					if err := o.lesson.change(request.Context(), name, *patch); err != nil {
						return nil, fmt.Errorf("overtake the update: %w", err)
					}
					response, err := next.RoundTrip(request)
					if err == nil {
						o.answer.Store(int32(response.StatusCode))
					}
					return response, err
				}
			}
			return next.RoundTrip(request)
		})
	})
	return config
}
