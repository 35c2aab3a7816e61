// Package counter is a sample of a typical mistake: it gets rid of the conflict by getting rid of the resourceVersion.
package counter

import (
	"context"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// want: the server has 6
// want: Without one it overwrites whatever is there

// tryOnce overwrites what others have written: their additions are lost.
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
	configMap.Data["count"] = strconv.Itoa(count)
	configMap.ResourceVersion = ""
	_, err = client.Update(ctx, configMap, metav1.UpdateOptions{})
	return count, err
}

// Add never sees a conflict.
func Add(ctx context.Context, client corev1client.ConfigMapInterface, name string) (int, error) {
	return tryOnce(ctx, client, name)
}
