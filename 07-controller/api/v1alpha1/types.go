package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Website is one page on the web: a host name and what is shown there.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=web
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.availableReplicas
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.spec.replicas`
// +kubebuilder:printcolumn:name="Available",type=integer,JSONPath=`.status.availableReplicas`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.url`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Website struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What the user wants.
	Spec WebsiteSpec `json:"spec"`
	// What the controller has seen. Only it writes here.
	// +optional
	Status WebsiteStatus `json:"status,omitempty"`
}

// WebsiteSpec is what the user wants.
//
// +kubebuilder:validation:XValidation:rule="has(self.html) != has(self.text)",message="give either html or text"
type WebsiteSpec struct {
	// The host name at which the page is shown. No two Websites of a cluster can have the same, and it cannot change.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the host cannot change: make a new Website"
	Host string `json:"host"`

	// The page, as HTML.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100000
	HTML string `json:"html,omitempty"`

	// The page, as plain text.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100000
	Text string `json:"text,omitempty"`

	// How many pods show the page. A pointer: 0 has to differ from "not given", which means 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Replicas *int32 `json:"replicas,omitempty"`

	// Show nothing for now: no pods, all else stays.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// The types of conditions of a Website.
const (
	// ConditionReady says whether the page can be seen as the spec has it. Its reason says why not.
	ConditionReady = "Ready"
	// ConditionHostClaimed says whether the host name is this Website's.
	ConditionHostClaimed = "HostClaimed"
)

// WebsiteStatus is what the controller has seen.
type WebsiteStatus struct {
	// The metadata.generation that all else here is about. While it is smaller than the object's, the controller has not
	// seen the latest spec.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// How many pods show the page.
	// +optional
	AvailableReplicas int32 `json:"availableReplicas"`

	// Where the page is, once the host name is this Website's.
	// +optional
	URL string `json:"url,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WebsiteList is a list of Websites.
//
// +kubebuilder:object:root=true
type WebsiteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Website `json:"items"`
}
