package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"
)

// pages lists eight ConfigMaps, three at a time.
func pages(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	if err := makePages(ctx, client, namespace); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- page by page")
	if err := pageByPage(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- a token that has expired")
	if err := expiredToken(ctx, client, namespace, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "-- with pager")
	return withPager(ctx, client, namespace, out)
}

// makePages creates the ConfigMaps page-1 to page-8.
func makePages(ctx context.Context, client rest.Interface, namespace string) error {
	for i := 1; i <= 8; i++ {
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("page-%d", i), Labels: labels()}}
		err := client.Post().Namespace(namespace).Resource("configmaps").Body(configMap).Do(ctx).Error()
		if err != nil {
			return fmt.Errorf("create the ConfigMap %s: %w", configMap.Name, err)
		}
	}
	return nil
}

// listPage gets one page: at most options.Limit objects, from where the token options.Continue says.
func listPage(ctx context.Context, client rest.Interface, namespace string, options metav1.ListOptions) (*corev1.ConfigMapList, error) {
	options.LabelSelector = mine().LabelSelector
	page := &corev1.ConfigMapList{}
	err := client.Get().Namespace(namespace).Resource("configmaps").
		VersionedParams(&options, scheme.ParameterCodec). // its fields become ?limit=3&continue=...
		Do(ctx).
		Into(page)
	return page, err
}

// pageByPage follows the tokens to the end. Every page shows the collection as it was at the first request.
func pageByPage(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	options := metav1.ListOptions{Limit: 3}
	for {
		page, err := listPage(ctx, client, namespace, options)
		if err != nil {
			return fmt.Errorf("list a page of ConfigMaps: %w", err)
		}
		printPage(page, out)
		options.Continue = page.Continue
		if options.Continue == "" { // only this ends it: a page may be short, even empty, and not the last
			return nil
		}
	}
}

func printPage(page *corev1.ConfigMapList, out io.Writer) {
	var names []string
	for _, configMap := range page.Items {
		names = append(names, configMap.Name)
	}
	fmt.Fprintf(out, "%s; more to come: %t\n", strings.Join(names, " "), page.Continue != "")
}

// expiredToken comes back with a token too late. The server keeps old revisions for minutes only, and answers 410.
func expiredToken(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	page, err := listPage(ctx, client, namespace, metav1.ListOptions{Limit: 3})
	if err != nil {
		return fmt.Errorf("list a page of ConfigMaps: %w", err)
	}
	printPage(page, out)
	old, err := yesterday(page.Continue)
	if err != nil {
		return err
	}

	_, err = listPage(ctx, client, namespace, metav1.ListOptions{Limit: 3, Continue: old})
	if err == nil {
		fmt.Fprintln(out, "this server is so young that it still has revision 1: no 410 today, try again in ten minutes")
		return nil
	}
	var status *apierrors.StatusError
	if !errors.As(err, &status) || !apierrors.IsResourceExpired(err) {
		return unexpected("send an expired token", "410 Expired", err)
	}
	fmt.Fprintf(out, "%d %s: %s\n", status.ErrStatus.Code, status.ErrStatus.Reason, status.ErrStatus.Message)

	// Two ways on: list again without a token, or take the fresh one that came with the error. It goes on at the same
	// place, but in the collection as it is now: what changed meanwhile may be missing, or there twice.
	page, err = listPage(ctx, client, namespace, metav1.ListOptions{Limit: 3, Continue: status.ErrStatus.Continue})
	if err != nil {
		return fmt.Errorf("go on with the fresh token: %w", err)
	}
	printPage(page, out)
	return nil
}

// yesterday makes an old token of a fresh one. A token is opaque: no program should look into it, and its format may
// change. We do, once, because nobody wants to wait for a day: inside is JSON with the revision that is listed.
func yesterday(token string) (string, error) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", fmt.Errorf("look into the token %q: %w", token, err)
	}
	inside := map[string]any{} // {"v":"meta.k8s.io/v1","rv":1234,"start":"/page-3\u0000"}
	if err := json.Unmarshal(data, &inside); err != nil {
		return "", fmt.Errorf("look into the token %q: %w", token, err)
	}
	inside["rv"] = 1 // the first revision there ever was
	data, err = json.Marshal(inside)
	return base64.RawURLEncoding.EncodeToString(data), err
}

// withPager lets client-go's pager follow the tokens.
func withPager(ctx context.Context, client rest.Interface, namespace string, out io.Writer) error {
	var names []string
	requests := 0
	list := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		requests++
		return listPage(ctx, client, namespace, options) // it sets Limit and Continue
	})
	list.PageSize = 3 // the default is 500
	err := list.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		names = append(names, object.(*corev1.ConfigMap).Name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the ConfigMaps with a pager: %w", err)
	}
	fmt.Fprintf(out, "%s; requests: %d\n", strings.Join(names, " "), requests)
	return nil
}
