// Package counter keeps a number in a ConfigMap that several writers change.
package counter

import (
	"context"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

// tryOnce adds one to data.count, and returns the new number. It reads, and it writes once: if somebody else has written
// in between, the server refuses the write, and tryOnce returns that error.
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
	// lab:begin 1 write count into what was read, and send it back with Update: all of it, as it came
	configMap.Data["count"] = strconv.Itoa(count)
	if _, err := client.Update(ctx, configMap, metav1.UpdateOptions{}); err != nil {
		return 0, fmt.Errorf("write the counter: %w", err)
	}
	// lab:end
	return count, nil
}

// Add adds one to the number in data.count of a ConfigMap, and returns the new number. Others do the same at the same
// time, and nobody's one is lost. If a few tries do not help, it returns the conflict.
func Add(ctx context.Context, client corev1client.ConfigMapInterface, name string) (int, error) {
	// lab:begin 2 on a conflict, try again a few times: package k8s.io/client-go/util/retry; what belongs into the function?
	var count int
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var err error
		count, err = tryOnce(ctx, client, name)
		return err
	})
	return count, err
	// lab:stub return tryOnce(ctx, client, name)
	// lab:end
}
