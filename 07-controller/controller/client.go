package controller

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/listers"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"client-go-lab/07-controller/api/v1alpha1"
)

// This file is what code-generator would write for Websites, as far as this controller needs it: a typed client and a
// lister. The work is done by client-go's generic parts.

// WebsiteClient is a client for the Websites of one namespace. *[gentype.ClientWithList] has these methods.
type WebsiteClient interface {
	Create(ctx context.Context, website *v1alpha1.Website, opts metav1.CreateOptions) (*v1alpha1.Website, error)
	Update(ctx context.Context, website *v1alpha1.Website, opts metav1.UpdateOptions) (*v1alpha1.Website, error)
	UpdateStatus(ctx context.Context, website *v1alpha1.Website, opts metav1.UpdateOptions) (*v1alpha1.Website, error)
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*v1alpha1.Website, error)
	List(ctx context.Context, opts metav1.ListOptions) (*v1alpha1.WebsiteList, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (*v1alpha1.Website, error)
}

// WebsitesGetter hands out clients: of one namespace, or of all of them for "".
type WebsitesGetter interface {
	Websites(namespace string) WebsiteClient
}

// Client is the group's client, as kubernetes.Clientset is for what is built in.
type Client struct{ rest rest.Interface }

// Scheme knows the types of this group, and nothing else. Pass it to an event recorder, too: by it the recorder finds the
// kind of a Website.
var Scheme = func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		panic(err) // two types of one name: cannot be but while writing this file
	}
	return scheme
}()

var parameterCodec = runtime.NewParameterCodec(Scheme)

// NewClient makes a client. Custom resources come as JSON: protobuf is for what is built in.
func NewClient(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(Scheme).WithoutConversion()
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, err
	}
	return &Client{client}, nil
}

// Websites returns the client for a namespace, or for all of them: "".
func (c *Client) Websites(namespace string) WebsiteClient {
	return gentype.NewClientWithList("websites", c.rest, parameterCodec, namespace,
		func() *v1alpha1.Website { return &v1alpha1.Website{} },
		func() *v1alpha1.WebsiteList { return &v1alpha1.WebsiteList{} })
}

// WebsiteLister reads Websites from an informer's store. What it returns is shared: copy it before you change it.
type WebsiteLister struct {
	listers.ResourceIndexer[*v1alpha1.Website]
}

// NewWebsiteLister makes a lister over an informer's store.
func NewWebsiteLister(indexer cache.Indexer) WebsiteLister {
	return WebsiteLister{listers.New[*v1alpha1.Website](indexer, v1alpha1.Resource)}
}

// Websites returns the lister for a namespace.
func (l WebsiteLister) Websites(namespace string) listers.ResourceIndexer[*v1alpha1.Website] {
	return listers.NewNamespaced(l.ResourceIndexer, namespace)
}
