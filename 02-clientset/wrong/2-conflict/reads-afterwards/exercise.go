// Package counter is a sample of a typical mistake: it returns what it reads after the write, which may be somebody else's.
package counter

import (
	"context"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

// want: a Get after it may show what others have written since

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

// Add asks for the number once more.
func Add(ctx context.Context, client corev1client.ConfigMapInterface, name string) (int, error) {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		_, err := tryOnce(ctx, client, name)
		return err
	})
	if err != nil {
		return 0, err
	}
	configMap, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return 0, fmt.Errorf("read the counter: %w", err)
	}
	return strconv.Atoi(configMap.Data["count"])
}
