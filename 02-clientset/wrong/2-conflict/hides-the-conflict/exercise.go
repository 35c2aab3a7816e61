// Package counter is a sample of a typical mistake: it wraps the conflict with %v.
package counter

import (
	"context"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

// want: with %v only words are left

// tryOnce keeps the text of an error, and loses the error.
func tryOnce(ctx context.Context, client corev1client.ConfigMapInterface, name string) (int, error) {
	configMap, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return 0, fmt.Errorf("read the counter: %w", err)
	}
	count, err := strconv.Atoi(configMap.Data["count"])
	if err != nil {
		return 0, fmt.Errorf("data.count of the ConfigMap %s: %w", name, err)
	}
	count++
	configMap.Data["count"] = strconv.Itoa(count)
	if _, err := client.Update(ctx, configMap, metav1.UpdateOptions{}); err != nil {
		return 0, fmt.Errorf("write the counter: %v", err)
	}
	return count, nil
}

// Add is right, but never sees a conflict.
func Add(ctx context.Context, client corev1client.ConfigMapInterface, name string) (int, error) {
	var count int
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var err error
		count, err = tryOnce(ctx, client, name)
		return err
	})
	return count, err
}
