package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"

	"client-go-lab/07-controller/controller"
)

// options are the controller's flags.
type options struct {
	workers int
	qps     float64
	burst   int
	resync  time.Duration
	lease   time.Duration
	system  string
	image   string
	listen  string
}

func (o *options) register(set *flag.FlagSet) {
	set.IntVar(&o.workers, "workers", 4, "`N` Websites are worked on at once; default 4, which is enough:\na worker mostly waits for answers, and -qps limits all of them together")
	set.Float64Var(&o.qps, "qps", 50, "`N` requests a second at most, in the long run; default 50. Watches do not\ncount. client-go's own default, 5, is for people; the server protects\nitself. Too few: keys wait, and nothing says why but the metrics")
	set.IntVar(&o.burst, "burst", 100, "`N` requests may be sent at once after a quiet time; then -qps holds;\ndefault 100")
	set.DurationVar(&o.resync, "resync", 10*time.Hour, "every `TIME` look at each Website again, from the caches, without a\nrequest: a net for bugs, not for lost events; default 10h, 0 is never")
	set.DurationVar(&o.lease, "lease", 15*time.Second, "another replica takes over when the leader was silent for `TIME`;\ndefault 15s")
	set.StringVar(&o.system, "system-namespace", labNamespace, "where the lease is, and the directory of sites: the namespace `NAME`;\ndefault client-go-lab")
	set.StringVar(&o.image, "image", defaultImage, "the image `NAME` of the web server; default "+defaultImage)
	set.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`ADDRESS` for /healthz, /readyz and /metrics; default 127.0.0.1:8080")
}

// defaultImage has the web server, and the controller. kind.sh builds it.
const defaultImage = "client-go-lab/website:1"

// run runs the controller until ctx ends or its lease is lost. The order is what matters here. Up: port, caches, lease,
// workers. Down, from the inside out: workers, lease, caches, port.
func run(ctx context.Context, config *rest.Config, o options) error {
	if o.workers < 1 || o.qps <= 0 || o.burst < 1 {
		return errors.New("-workers, -qps and -burst have to be more than 0")
	}
	logger := klog.FromContext(ctx)
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen: %w (another address: -listen)", err)
	}
	defer listener.Close()

	// Three clients. Renewals of the lease must not wait behind other requests: they have a rate limit of their own. (The
	// connection is the same: client-go shares one among configs of the same TLS.)
	leases := rest.CopyConfig(config)
	leases.Timeout = o.lease / 3
	leaseClient, err := kubernetes.NewForConfig(leases)
	if err != nil {
		return err
	}
	e, err := newElection(leaseClient.CoordinationV1(), o.system, o.lease)
	if err != nil {
		return fmt.Errorf("prepare the leader election: %w", err)
	}
	// Informers read, on every replica: a standby with full caches begins at once.
	reads := rest.CopyConfig(config)
	reads.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(float32(o.qps), o.burst)
	// Workers write, and only while this replica leads.
	writes := rest.CopyConfig(reads)
	writes.Timeout = e.lease - e.deadline
	writes.Wrap(e.fenced)
	reader, err1 := kubernetes.NewForConfig(reads)
	writer, err2 := kubernetes.NewForConfig(writes)
	websiteReader, err3 := controller.NewClient(reads)
	websiteWriter, err4 := controller.NewClient(writes)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return fmt.Errorf("make the clients: %w", err)
	}
	if _, err := websiteReader.Websites(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: 1}); apierrors.IsNotFound(err) {
		return fmt.Errorf("this cluster knows no Websites: kubectl apply -f 07-controller/config/lab.example.com_websites.yaml (or run it with -install)")
	} else if err != nil {
		return fmt.Errorf("list Websites: %w", err)
	}

	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: writer.EventsV1()})
	informers, err := controller.NewInformers(reader, websiteReader, o.resync)
	if err != nil {
		return err
	}
	c, err := controller.New(controller.Options{
		Kube: writer, Websites: websiteWriter, Informers: informers,
		Recorder:  broadcaster.NewRecorder(controller.Scheme, controller.ReportingController),
		Directory: o.system, Image: o.image,
		Observe: func(result string) { reconciles.WithLabelValues(result).Inc() },
	})
	if err != nil {
		return err
	}

	// What is outside of the workers lives a little longer than ctx.
	around, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ctx, unserved := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		defer unserved() // what nobody can watch over must not go on
		served <- serve(around, listener, e, c.HasSynced)
	}()
	if err := broadcaster.StartRecordingToSinkWithContext(around); err != nil {
		return err
	}
	informers.Start(around)
	logger.Info("The controller is up", "address", listener.Addr().String(), "workers", o.workers, "qps", o.qps, "burst", o.burst)

	// The caches first: a replica that cannot fill them, because it lacks a right, would lead and do nothing.
	if err = c.WaitForSync(ctx); err == nil {
		err = e.run(ctx, func(ctx context.Context) error { return c.Run(ctx, o.workers) })
	}
	broadcaster.Shutdown()
	stop()
	informers.Wait()
	return errors.Join(err, <-served)
}
