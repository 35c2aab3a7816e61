// Package stop is a sample of a typical mistake: an empty queue is taken for the end of the work.
package stop

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// want: Run has returned, and a worker still works

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
	for range p.Workers {
		workers.Go(func() {
			for p.processNext(ctx) {
			}
		})
	}
}

// stop ends everything in the right order.
func (p *Program) stop(producer, workers *sync.WaitGroup) {
	producer.Wait()
	p.Queue.ShutDown()
	for p.Queue.Len() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// workContext returns the context for the workers' requests. It has ctx's values, but goes on when ctx ends.
func workContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(ctx))
}
