package main

import (
	"context"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

// runScheduler runs upstream's scheduler with its default profile. Its command is left out: what that adds (leader
// election, a second HTTPS server) serves nobody here and costs a learner's machine time to compile and to run.
func runScheduler(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("scheduler client: %w", err)
	}
	dynamicClient, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("scheduler dynamic client: %w", err)
	}
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return fmt.Errorf("record events: %w", err)
	}
	defer broadcaster.Shutdown()

	informers := scheduler.NewInformerFactory(client, 0, nil)
	dynamicInformers := dynamicinformer.NewFilteredDynamicSharedInformerFactory(dynamicClient, 0, "", nil)
	s, err := scheduler.New(ctx, client, informers, dynamicInformers,
		profile.NewRecorderFactory(broadcaster), scheduler.WithKubeConfig(config))
	if err != nil {
		return fmt.Errorf("build the scheduler: %w", err)
	}
	informers.StartWithContext(ctx)
	dynamicInformers.Start(ctx.Done())
	if err := informers.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return fmt.Errorf("sync the scheduler's caches: %w", err)
	}
	dynamicInformers.WaitForCacheSync(ctx.Done())
	if err := s.WaitForHandlersSync(ctx); err != nil {
		return fmt.Errorf("sync the scheduler's handlers: %w", err)
	}
	s.Run(ctx)
	return nil
}
