package broken

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
)

// protoMessage is what the protobuf libraries ask of a message.
type protoMessage interface {
	Reset()
	String() string
	ProtoMessage()
}

func protobuf(pod *corev1.Pod) {
	var _ protoMessage = pod // want "(missing method ProtoMessage)"
	_, _ = pod.Marshal()
}

func tolerates(logger klog.Logger, toleration *corev1.Toleration, taint *corev1.Taint) {
	toleration.ToleratesTaint(taint) // want "not enough arguments in call to toleration.ToleratesTaint"
	toleration.ToleratesTaint(logger, taint, false)
}
