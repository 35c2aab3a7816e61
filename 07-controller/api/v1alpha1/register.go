package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is where Websites are served: /apis/lab.example.com/v1alpha1.
var GroupVersion = schema.GroupVersion{Group: "lab.example.com", Version: "v1alpha1"}

// Resource is the name of Websites in a path, with their group.
var Resource = schema.GroupResource{Group: GroupVersion.Group, Resource: "websites"}

// AddToScheme tells a scheme which Go types stand for the kinds of this group.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &Website{}, &WebsiteList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
