// Package stop starts workers, and stops them so that nothing is lost.
package stop

import (
	"context"
	"sync"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// A Program has a producer that puts keys into a queue, and workers.
type Program struct {
	Queue   workqueue.TypedRateLimitingInterface[cache.ObjectName]
	Workers int
	Produce func(ctx context.Context)                             // puts keys in until ctx ends; it may take a moment to end
	Work    func(ctx context.Context, key cache.ObjectName) error // sends requests with ctx
}

// Run works until ctx ends, then finishes what is there, and returns when nobody works any more.
func (p *Program) Run(ctx context.Context) {
	workContext, cancel := workContext(ctx)
	defer cancel() // after the last worker
	var producer, workers sync.WaitGroup
	producer.Go(func() { p.Produce(ctx) })
	p.start(workContext, &workers)
	<-ctx.Done()
	p.stop(&producer, &workers)
}

// processNext is a worker's one turn. It is complete.
func (p *Program) processNext(ctx context.Context) bool {
	key, shutdown := p.Queue.Get()
	if shutdown {
		return false
	}
	defer p.Queue.Done(key)
	if err := p.Work(ctx, key); err != nil {
		p.Queue.AddRateLimited(key)
		return true
	}
	p.Queue.Forget(key)
	return true
}

// start starts p.Workers goroutines that process keys until there will be no more.
func (p *Program) start(ctx context.Context, workers *sync.WaitGroup) {
	// lab:begin 1 start them with workers.Go, so that they can be waited for
	for range p.Workers {
		workers.Go(func() {
			for p.processNext(ctx) {
			}
		})
	}
	// lab:stub _ = p.processNext
	// lab:end
}

// stop ends everything in the right order.
func (p *Program) stop(producer, workers *sync.WaitGroup) {
	// lab:begin 2 three things: wait for the producer, shut the queue down, wait for the workers. In which order?
	producer.Wait()
	p.Queue.ShutDown()
	workers.Wait()
	// lab:stub p.Queue.ShutDown()
	// lab:end
}

// workContext returns the context for the workers' requests. It has ctx's values, but goes on when ctx ends.
func workContext(ctx context.Context) (context.Context, context.CancelFunc) {
	// lab:begin 3 cut it off from ctx's end: else whoever is at work when you press Ctrl-C, fails
	return context.WithCancel(context.WithoutCancel(ctx))
	// lab:stub return context.WithCancel(ctx)
	// lab:end
}
