package main

import (
	"fmt"
	"io"
	"net/http"

	"k8s.io/client-go/rest"
)

// showWire makes every client built from config report its requests on out.
func showWire(config *rest.Config, out io.Writer) {
	// Wrap puts our RoundTripper around the connection and keeps the wrappers that are there already. Setting
	// config.Transport instead would replace the connection, and with it the TLS credentials.
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &wire{next: next, out: out}
	})
}

// wire is an http.RoundTripper, the place where a request has become plain HTTP: method, URL, headers, body.
type wire struct {
	next http.RoundTripper
	out  io.Writer
}

// RoundTrip sends the request and reports it as "POST /the/path (content type of the body) -> 201 Created".
func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	line := request.Method + " " + request.URL.RequestURI()
	if contentType := request.Header.Get("Content-Type"); contentType != "" {
		line += " (" + contentType + ")"
	}
	response, err := w.next.RoundTrip(request)
	if err != nil {
		fmt.Fprintf(w.out, "%s -> no answer\n", line)
		return nil, err
	}
	fmt.Fprintf(w.out, "%s -> %s\n", line, response.Status)
	return response, nil
}
