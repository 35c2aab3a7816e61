package main

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"client-go-lab/07-controller/controller"
)

// websiteCRD is the manifest, as controller-gen made it.
//
//go:embed config/lab.example.com_websites.yaml
var websiteCRD []byte

var crdResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// installCRD does what kubectl apply --server-side would do with the manifest, adds labels, and waits until Websites are served.
func installCRD(ctx context.Context, client dynamic.Interface, websites controller.WebsitesGetter, labels map[string]string) error {
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(websiteCRD, &crd.Object); err != nil {
		return fmt.Errorf("read the manifest of the CRD: %w", err)
	}
	crd.SetLabels(labels)
	if _, err := client.Resource(crdResource).Apply(ctx, crd.GetName(), crd, metav1.ApplyOptions{FieldManager: "client-go-lab", Force: true}); err != nil {
		return fmt.Errorf("install the CRD %s: %w", crd.GetName(), err)
	}
	// A list that is answered is better proof than the condition Established: it is what the informers will ask for.
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		_, last = websites.Websites(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: 1})
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait until Websites are served: %w (last answer: %v)", err, last)
	}
	return nil
}
