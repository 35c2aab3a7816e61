package main

import (
	"context"
	"fmt"
	"slices"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"client-go-lab/07-controller/controller"
)

// userEvents shows what a user is told of a Website, as kubectl events and kubectl describe have it.
func userEvents(ctx context.Context, l *lesson) error {
	return l.while(ctx, l.config, nil, func(ctx context.Context) error {
		l.say("-- created: pods are made, then it is there")
		if _, err := l.create(ctx, "shop", "shop.example.com", nil); err != nil {
			return err
		}
		first, err := l.untilEvents(ctx, "shop", 1)
		if err != nil {
			return err
		}
		l.printEvents(first)
		event := first[0]
		l.say("regarding the %s %s, action %s, reported by %s, series %v",
			event.Regarding.Kind, event.Regarding.Name, event.Action, event.ReportingController, event.Series)

		l.say("-- the host is another Website's")
		if _, err := l.create(ctx, "shop2", "shop.example.com", nil); err != nil {
			return err
		}
		taken, err := l.untilEvents(ctx, "shop2", 1)
		if err != nil {
			return err
		}
		l.printEvents(taken)

		l.say("-- looked at again ten times, because somebody meddles with the page")
		if err := l.meddleOften(ctx, 10); err != nil {
			return err
		}
		again, err := l.eventsOf(ctx, "shop")
		if err != nil {
			return err
		}
		l.say("events about shop: %d", len(again))

		l.say("-- suspended, and back")
		if err := l.change(ctx, "shop", `{"spec":{"suspend":true}}`); err != nil {
			return err
		}
		if _, err := l.untilEvents(ctx, "shop", 2); err != nil {
			return err
		}
		if err := l.change(ctx, "shop", `{"spec":{"suspend":false}}`); err != nil {
			return err
		}
		all, err := l.untilEvents(ctx, "shop", 3)
		if err != nil {
			return err
		}
		l.printEvents(all)
		versions := map[string]bool{}
		for _, event := range all {
			versions[event.Regarding.ResourceVersion] = true
		}
		l.say("the same reason twice, and no series: they are about %d versions of the object", len(versions))
		return nil
	})
}

// meddleOften changes the page of shop some times, and waits each time until it is mended.
func (l *lesson) meddleOften(ctx context.Context, times int) error {
	for range times {
		if err := l.meddle(ctx, "shop", `{"data":{"index.html":"<h1>Hacked</h1>"}}`); err != nil {
			return err
		}
		if _, err := l.untilPage(ctx, "shop", "<h1>Open</h1>"); err != nil {
			return err
		}
	}
	return nil
}

// eventsOf lists the events about a Website, the oldest first.
func (l *lesson) eventsOf(ctx context.Context, name string) ([]eventsv1.Event, error) {
	list, err := l.kube.EventsV1().Events(labNamespace).List(ctx, metav1.ListOptions{FieldSelector: fields.Set{
		"regarding.name":      name,
		"reportingController": controller.ReportingController,
	}.String()})
	if err != nil {
		return nil, fmt.Errorf("list the events about %s: %w", name, err)
	}
	slices.SortFunc(list.Items, func(a, b eventsv1.Event) int { return a.EventTime.Compare(b.EventTime.Time) })
	return list.Items, nil
}

// untilEvents waits until there are so many events about a Website.
func (l *lesson) untilEvents(ctx context.Context, name string, count int) (events []eventsv1.Event, err error) {
	err = l.until(ctx, fmt.Sprintf("there are %d events about %s", count, name), func(ctx context.Context) (bool, error) {
		events, err = l.eventsOf(ctx, name)
		return len(events) >= count, err
	})
	return events, err
}

func (l *lesson) printEvents(events []eventsv1.Event) {
	for _, event := range events {
		l.say("%-8s %-12s %-6s %s", event.Type, event.Reason, event.Regarding.Name, event.Note)
	}
}
