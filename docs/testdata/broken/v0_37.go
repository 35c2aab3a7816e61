package broken

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery"
	informersv1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// oldWrapper counts discovery, in a test.
type oldWrapper struct{ kubernetes.Interface }

func (w oldWrapper) Discovery() discovery.DiscoveryInterface { return w.Interface.Discovery() }

type wrapper struct{ kubernetes.Interface }

func (w wrapper) Discovery() discovery.DiscoveryInterfaces { return w.Interface.Discovery() }

func wrap(client kubernetes.Interface) {
	var _ kubernetes.Interface = oldWrapper{client} // want "(wrong type for method Discovery)"
	var _ kubernetes.Interface = wrapper{client}
}

func discover() {
	_ = discovery.AcceptV2Beta1 // want "undefined: discovery.AcceptV2Beta1"
	_ = discovery.AcceptV2
}

// oldCore gives an informer of its own, in a test.
type oldCore struct{ informersv1.Interface }

func (oldCore) Pods() informersv1.PodInformer { return nil }

type core struct{ informersv1.Interface }

func (core) Pods() informersv1.TypedPodInformer { return nil }

func mocks(real informersv1.Interface) {
	var _ informersv1.Interface = oldCore{real} // want "(wrong type for method Pods)"
	var _ informersv1.Interface = core{real}
}

// untyped is what most programs have, and it still compiles.
func untyped(pods informersv1.PodInformer) {
	_, _ = pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(obj any) { _ = obj.(*corev1.Pod) }})
}
