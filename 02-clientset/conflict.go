package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

// conflicts lets two clerks, Ann and Ben, keep one ledger: Ann sells apples, Ben sells pears.
func conflicts(ctx context.Context, client kubernetes.Interface, namespace string, out io.Writer) error {
	configMaps := client.CoreV1().ConfigMaps(namespace)
	ledger := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "ledger", Labels: labels()},
		Data:       map[string]string{"apples": "10", "pears": "10"},
	}
	if _, err := configMaps.Create(ctx, ledger, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the ConfigMap ledger: %w", err)
	}
	for _, part := range []struct {
		what string
		show func(context.Context, typedcorev1.ConfigMapInterface, io.Writer) error
	}{
		{"two writers, no retry", twoWriters},
		{"RetryOnConflict, reading inside", readInside},
		{"RetryOnConflict, reading outside", readOutside},
		{"RetryOnConflict, the error wrapped on its way", wrapped},
		{"no resourceVersion", lostUpdate},
	} {
		fmt.Fprintf(out, "-- %s\n", part.what)
		if err := part.show(ctx, configMaps, out); err != nil {
			return err
		}
		ledger, err := configMaps.Get(ctx, "ledger", metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("get the ConfigMap ledger: %w", err)
		}
		fmt.Fprintf(out, "ledger: %v\n", ledger.Data)
	}
	return nil
}

// sell takes one piece of a fruit off a ledger in memory.
func sell(ledger *corev1.ConfigMap, fruit string) {
	n, _ := strconv.Atoi(ledger.Data[fruit]) // what we wrote ourselves
	ledger.Data[fruit] = strconv.Itoa(n - 1)
}

// annSells reads, sells an apple and writes, all at once: nobody comes between.
func annSells(ctx context.Context, configMaps typedcorev1.ConfigMapInterface) error {
	ledger, err := configMaps.Get(ctx, "ledger", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the ledger as Ann: %w", err)
	}
	sell(ledger, "apples")
	if _, err := configMaps.Update(ctx, ledger, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("write the ledger as Ann: %w", err)
	}
	return nil
}

// twoWriters shows the 409. Ben's copy carries the resourceVersion of when he read it, and that is no longer current.
func twoWriters(ctx context.Context, configMaps typedcorev1.ConfigMapInterface, out io.Writer) error {
	ledger, err := configMaps.Get(ctx, "ledger", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the ledger as Ben: %w", err)
	}
	if err := annSells(ctx, configMaps); err != nil {
		return err
	}
	sell(ledger, "pears")
	_, err = configMaps.Update(ctx, ledger, metav1.UpdateOptions{})
	if !apierrors.IsConflict(err) {
		return unexpected("write a stale ledger", "409 Conflict", err)
	}
	fmt.Fprintf(out, "Ben is refused: %v\n", err)
	return nil
}

// readInside is how to do it: everything that depends on what was read happens again, too. Ann is faster twice.
func readInside(ctx context.Context, configMaps typedcorev1.ConfigMapInterface, out io.Writer) error {
	attempt := 0
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		attempt++
		ledger, err := configMaps.Get(ctx, "ledger", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if attempt <= 2 {
			if err := annSells(ctx, configMaps); err != nil {
				return err
			}
		}
		sell(ledger, "pears")
		_, err = configMaps.Update(ctx, ledger, metav1.UpdateOptions{})
		fmt.Fprintf(out, "attempt %d: conflict %t\n", attempt, apierrors.IsConflict(err))
		return err
	})
	if err != nil {
		return fmt.Errorf("write the ledger as Ben: %w", err)
	}
	return nil
}

// readOutside sends the same stale object again and again. It cannot ever work: the server's answer will not change.
func readOutside(ctx context.Context, configMaps typedcorev1.ConfigMapInterface, out io.Writer) error {
	ledger, err := configMaps.Get(ctx, "ledger", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the ledger as Ben: %w", err)
	}
	if err := annSells(ctx, configMaps); err != nil {
		return err
	}
	sell(ledger, "pears")
	attempts := 0
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		attempts++
		_, err := configMaps.Update(ctx, ledger, metav1.UpdateOptions{})
		return err
	})
	if !apierrors.IsConflict(err) {
		return unexpected("write a stale ledger again and again", "409 Conflict", err)
	}
	fmt.Fprintf(out, "after %d attempts still: %s\n", attempts, apierrors.ReasonForError(err))
	return nil
}

// wrapped adds words to the error in the closure. With %w a conflict stays a conflict; with %v it is only text, and
// RetryOnConflict gives up at once.
func wrapped(ctx context.Context, configMaps typedcorev1.ConfigMapInterface, out io.Writer) error {
	for _, verb := range []string{"%w", "%v"} {
		attempts := 0
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
			attempts++
			ledger, err := configMaps.Get(ctx, "ledger", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if attempts == 1 {
				if err := annSells(ctx, configMaps); err != nil {
					return err
				}
			}
			sell(ledger, "pears")
			if _, err = configMaps.Update(ctx, ledger, metav1.UpdateOptions{}); err != nil {
				return fmt.Errorf("write the ledger: "+verb, err)
			}
			return nil
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(out, "%s: written %t, attempts %d\n", verb, err == nil, attempts)
	}
	return nil
}

// lostUpdate makes the conflict go away, and Ann's sale with it: without a resourceVersion the server asks no questions.
func lostUpdate(ctx context.Context, configMaps typedcorev1.ConfigMapInterface, out io.Writer) error {
	ledger, err := configMaps.Get(ctx, "ledger", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the ledger as Ben: %w", err)
	}
	if err := annSells(ctx, configMaps); err != nil {
		return err
	}
	sell(ledger, "pears")
	ledger.ResourceVersion = "" // never do this
	if _, err := configMaps.Update(ctx, ledger, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("overwrite the ledger: %w", err)
	}
	fmt.Fprintln(out, "no conflict, no error, and the apple that Ann has sold is back")
	return nil
}
