// Package counter is a sample of a typical mistake: it reads before RetryOnConflict, and not inside of it.
package counter

import (
	"context"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

// want: Read inside of RetryOnConflict

var _ = tryOnce // Add has its own way

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

// Add writes what it has read once, again and again.
func Add(ctx context.Context, client corev1client.ConfigMapInterface, name string) (int, error) {
	configMap, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return 0, err
	}
	count, err := strconv.Atoi(configMap.Data["count"])
	if err != nil {
		return 0, err
	}
	configMap.Data["count"] = strconv.Itoa(count + 1)
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		_, err := client.Update(ctx, configMap, metav1.UpdateOptions{})
		return err
	})
	return count + 1, err
}
