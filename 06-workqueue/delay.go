package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// delay puts keys into the queue for later.
func delay(ctx context.Context, out io.Writer) error {
	const ms = time.Millisecond
	fmt.Fprint(out, legend)
	for _, example := range []struct {
		what string
		scene
	}{
		{"AddAfter 50 ms", scene{at: map[int]func(keyQueue){
			0: func(queue keyQueue) { queue.AddAfter("tea", 50*ms) }}}},
		{"50 ms, then 20 ms: the sooner one counts", scene{at: map[int]func(keyQueue){
			0: func(queue keyQueue) { queue.AddAfter("tea", 50*ms); queue.AddAfter("tea", 20*ms) }}}},
		{"20 ms, then 50 ms: the later one is lost", scene{at: map[int]func(keyQueue){
			0: func(queue keyQueue) { queue.AddAfter("tea", 20*ms); queue.AddAfter("tea", 50*ms) }}}},
		{"50 ms, and Add at once: both", scene{at: map[int]func(keyQueue){
			0: func(queue keyQueue) { queue.AddAfter("tea", 50*ms); queue.Add("tea") }}}},
		{"50 ms, but then it is at a worker: once more", scene{at: map[int]func(keyQueue){
			0: func(queue keyQueue) { queue.AddAfter("tea", 50*ms) },
			8: addTea}, work: func(string, int) (int, error) { return 4, nil }}},
		{"50 ms, but then it waits in the queue: merged", scene{at: map[int]func(keyQueue){
			0: func(queue keyQueue) { queue.AddAfter("tea", 50*ms) },
			7: func(queue keyQueue) { queue.Add("toast"); queue.Add("tea") }},
			work: func(string, int) (int, error) { return 4, nil }}},
		{"0 and less: at once", scene{at: map[int]func(keyQueue){
			0: func(queue keyQueue) { queue.AddAfter("tea", -time.Hour) }}}},
		{"again and again: how to look at something from time to time", scene{at: map[int]func(keyQueue){0: addTea},
			finish: func(queue keyQueue, key string, _ error) {
				queue.Forget(key)
				queue.AddAfter(key, 30*ms)
				queue.Done(key)
			}}},
	} {
		fmt.Fprintln(out, "--", example.what)
		example.columns = 24
		if err := play(ctx, out, example.scene); err != nil {
			return err
		}
	}
	return nil
}
