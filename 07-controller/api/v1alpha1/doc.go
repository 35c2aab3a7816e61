// Package v1alpha1 is version v1alpha1 of the group lab.example.com: the types, and what client-go has to know of them.
// The CustomResourceDefinition (config/lab.example.com_websites.yaml) and the DeepCopy methods are made from types.go, comments included:
//
//	go generate ./07-controller/api/v1alpha1
//
// code-generator looks for the package's markers in a file of this name only. controller-gen finds them anywhere.
//
// +kubebuilder:object:generate=true
// +k8s:openapi-gen=true
// +groupName=lab.example.com
package v1alpha1

//go:generate go tool -modfile=../../../tools/go.mod controller-gen object crd paths=. output:crd:dir=../../config
