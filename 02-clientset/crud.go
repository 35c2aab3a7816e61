package main

import (
	"context"
	"errors"
	"io"

	"k8s.io/client-go/kubernetes"
)

func crud(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	return errors.New("not written yet")
}
