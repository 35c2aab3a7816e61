// Package counter is a sample of a typical mistake: it writes its own key, and forgets that there are others.
package counter

import (
	"context"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// want: written with labels: map[keep:me], data: map[count:6]
// want: send back what you read, with your change in it

// tryOnce loses every other key of the ConfigMap.
func tryOnce(ctx context.Context, client corev1client.ConfigMapInterface, name string) (int, error) {
	configMap, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return 0, err
	}
	count, err := strconv.Atoi(configMap.Data["count"])
	if err != nil {
		return 0, err
	}
	count++
	configMap.Data = map[string]string{"count": strconv.Itoa(count)}
	_, err = client.Update(ctx, configMap, metav1.UpdateOptions{})
	return count, err
}

// Add is not written yet.
func Add(ctx context.Context, client corev1client.ConfigMapInterface, name string) (int, error) {
	return tryOnce(ctx, client, name)
}
