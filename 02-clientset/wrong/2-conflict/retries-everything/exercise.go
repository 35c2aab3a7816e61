// Package counter is a sample of a typical mistake: it tries again whatever went wrong.
package counter

import (
	"context"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

// want: only a conflict is mended by reading again

// tryOnce is right.
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
		return 0, fmt.Errorf("write the counter: %w", err)
	}
	return count, nil
}

// Add takes every error for a conflict.
func Add(ctx context.Context, client corev1client.ConfigMapInterface, name string) (int, error) {
	var count int
	always := func(error) bool { return true }
	err := retry.OnError(retry.DefaultRetry, always, func() error {
		var err error
		count, err = tryOnce(ctx, client, name)
		return err
	})
	return count, err
}
