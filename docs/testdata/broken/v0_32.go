package broken

import (
	"net/http"

	"k8s.io/client-go/transport"
)

func frontProxy(next http.RoundTripper) {
	transport.NewAuthProxyRoundTripper("jane", []string{"dev"}, nil, next) // want "not enough arguments in call to transport.NewAuthProxyRoundTripper"
	transport.NewAuthProxyRoundTripper("jane", "uid", []string{"dev"}, nil, next)
}
