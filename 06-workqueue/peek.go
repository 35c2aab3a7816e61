package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/client-go/util/workqueue"
)

// insides are the three collections inside a queue.
type insides struct {
	queue      []string // in order: what Get hands out
	dirty      []string // sorted: what needs to be processed
	processing []string // sorted: what Get has handed out, and Done has not taken back
}

// peek reads a queue's unexported fields. A lesson may, to show what is there and not what somebody believes to be there; a
// program may not: it is neither safe while others use the queue, nor will the fields keep their names.
func peek(q *workqueue.Typed[string]) (insides, error) {
	var in insides
	value := reflect.ValueOf(q).Elem()
	for name, field := range map[string]*[]string{"dirty": &in.dirty, "processing": &in.processing} {
		set := value.FieldByName(name)
		if !set.IsValid() || set.Kind() != reflect.Map {
			return in, fmt.Errorf("look into the queue: this version of client-go has no set %q in it", name)
		}
		for _, key := range set.MapKeys() {
			*field = append(*field, key.String())
		}
		slices.Sort(*field)
	}
	order := value.FieldByName("queue")
	if !order.IsValid() || order.Kind() != reflect.Interface {
		return in, fmt.Errorf("look into the queue: this version of client-go has no %q in it", "queue")
	}
	if order = order.Elem().Elem(); order.Kind() == reflect.Slice { // the default: a pointer to a slice
		for i := range order.Len() {
			in.queue = append(in.queue, order.Index(i).String())
		}
	}
	return in, nil
}

// list shows a collection in one word.
func list(keys []string) string {
	if len(keys) == 0 {
		return "-"
	}
	return strings.Join(keys, ",")
}
