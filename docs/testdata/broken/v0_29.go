package broken

import (
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/events"
)

func claim(size corev1.ResourceList) {
	_ = corev1.PersistentVolumeClaimSpec{Resources: corev1.ResourceRequirements{Requests: size}} // want "VolumeResourceRequirements value in struct literal"
	_ = corev1.PersistentVolumeClaimSpec{Resources: corev1.VolumeResourceRequirements{Requests: size}}
}

func shortcuts(mapper meta.RESTMapper, client discovery.DiscoveryInterface, warn func(string)) {
	restmapper.NewShortcutExpander(mapper, client) // want "not enough arguments in call to restmapper.NewShortcutExpander"
	restmapper.NewShortcutExpander(mapper, client, warn)
}

// oldSink writes events as tools/events wanted it until v0.28.
type oldSink struct{}

func (oldSink) Create(e *eventsv1.Event) (*eventsv1.Event, error)          { return e, nil }
func (oldSink) Update(e *eventsv1.Event) (*eventsv1.Event, error)          { return e, nil }
func (oldSink) Patch(e *eventsv1.Event, _ []byte) (*eventsv1.Event, error) { return e, nil }

func sink(client kubernetes.Interface) {
	events.NewBroadcaster(oldSink{}) // want "(wrong type for method Create)"
	events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
}
