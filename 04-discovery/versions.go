package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
)

// versions prints what kubectl api-versions prints: every group-version, sorted as text.
func versions(ctx context.Context, client discovery.DiscoveryInterfaceWithContext, _ []string, out io.Writer) error {
	groups, err := client.ServerGroupsWithContext(ctx)
	if err != nil {
		return fmt.Errorf("ask the server for its groups: %w", err)
	}
	all := metav1.ExtractGroupVersions(groups)
	slices.Sort(all)
	for _, version := range all {
		fmt.Fprintln(out, version)
	}
	return nil
}
