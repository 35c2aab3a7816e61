package main

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	schedulinginformers "k8s.io/client-go/informers/scheduling/v1beta1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/cronjob"
	"k8s.io/kubernetes/pkg/controller/daemon"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/disruption"
	"k8s.io/kubernetes/pkg/controller/endpoint"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/nodelifecycle"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/replication"
	"k8s.io/kubernetes/pkg/controller/resourcequota"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/statefulset"
	"k8s.io/kubernetes/pkg/controller/tainteviction"
	"k8s.io/kubernetes/pkg/controller/ttlafterfinished"
	"k8s.io/kubernetes/pkg/features"
	quotainstall "k8s.io/kubernetes/pkg/quota/v1/install"
	satoken "k8s.io/kubernetes/pkg/serviceaccount"

	"client-go-lab/localcluster/cluster"
)

// runControllers is this cluster's kube-controller-manager: upstream's controllers, one by one, with upstream's
// settings (cmd/kube-controller-manager/app). Left out is what needs a machine, a cloud or a volume behind it, because
// no lesson can use it: everything about volumes, node IP ranges, certificate signing, autoscaling, pod garbage
// collection (it compiles half a kubelet), dynamic resources, bootstrap tokens and storage migration.
//
// Read it as client-go: one factory, shared informers, and a list of controllers that each take what they watch.
func runControllers(ctx context.Context, config *rest.Config, state cluster.State) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("controllers' client: %w", err)
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("controllers' metadata client: %w", err)
	}
	discovery := client.Discovery()
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery))
	go wait.UntilWithContext(ctx, func(context.Context) { mapper.Reset() }, 30*time.Second)
	scales, err := scale.NewForConfig(config, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(discovery))
	if err != nil {
		return fmt.Errorf("controllers' scale client: %w", err)
	}
	rootCA, err := os.ReadFile(state.Cert(cluster.CA))
	if err != nil {
		return fmt.Errorf("read the cluster's CA: %w", err)
	}
	key, err := keyutil.PrivateKeyFromFile(state.Key(cluster.ServiceAccounts))
	if err != nil {
		return fmt.Errorf("read the service-account key: %w", err)
	}
	tokens, err := satoken.JWTTokenGenerator(satoken.LegacyIssuer, key)
	if err != nil {
		return fmt.Errorf("service-account token generator: %w", err)
	}

	factory := informers.NewSharedInformerFactory(client, 12*time.Hour)
	metaFactory := metadatainformer.NewSharedInformerFactory(meta, 12*time.Hour)
	anyFactory := informerfactory.NewInformerFactory(factory, metaFactory)
	started := make(chan struct{})

	apps, batch, core := factory.Apps().V1(), factory.Batch().V1(), factory.Core().V1()
	pods, nodes := core.Pods(), core.Nodes()

	// A controller is a function that runs until its context ends. Constructors report through a closure, so that
	// the list below stays a list.
	var run []func(context.Context)
	var failed error
	add := func(name string, f func(context.Context), err error) {
		if err != nil && failed == nil {
			failed = fmt.Errorf("%s controller: %w", name, err)
		}
		run = append(run, f)
	}

	// Workloads.
	{
		c, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), pods, client)
		add("deployment", func(ctx context.Context) { c.Run(ctx, 5) }, err)
	}
	{
		c := replicaset.NewReplicaSetController(ctx, apps.ReplicaSets(), pods, client, replicaset.BurstReplicas)
		add("replicaset", func(ctx context.Context) { c.Run(ctx, 5) }, nil)
	}
	{
		c := replication.NewReplicationManager(ctx, pods, core.ReplicationControllers(), client, replication.BurstReplicas)
		add("replication", func(ctx context.Context) { c.Run(ctx, 5) }, nil)
	}
	{
		c := statefulset.NewStatefulSetController(ctx, pods, apps.StatefulSets(), core.PersistentVolumeClaims(), apps.ControllerRevisions(), client)
		add("statefulset", func(ctx context.Context) { c.Run(ctx, 5) }, nil)
	}
	{
		c, err := daemon.NewDaemonSetsController(ctx, apps.DaemonSets(), apps.ControllerRevisions(), pods, nodes, client,
			flowcontrol.NewBackOff(time.Second, 15*time.Minute))
		add("daemonset", func(ctx context.Context) { c.Run(ctx, 2) }, err)
	}
	{
		var workloads schedulinginformers.WorkloadInformer
		var groups schedulinginformers.PodGroupInformer
		if utilfeature.DefaultFeatureGate.Enabled(features.WorkloadWithJob) {
			workloads, groups = factory.Scheduling().V1beta1().Workloads(), factory.Scheduling().V1beta1().PodGroups()
		}
		c, err := job.NewController(ctx, client, pods, batch.Jobs(), workloads, groups)
		add("job", func(ctx context.Context) { c.Run(ctx, 5) }, err)
	}
	{
		c, err := cronjob.NewControllerV2(ctx, batch.Jobs(), batch.CronJobs(), client)
		add("cronjob", func(ctx context.Context) { c.Run(ctx, 5) }, err)
	}
	{
		c := ttlafterfinished.New(ctx, batch.Jobs(), client)
		add("ttl-after-finished", func(ctx context.Context) { c.Run(ctx, 5) }, nil)
	}
	{
		c := disruption.NewDisruptionController(ctx, pods, factory.Policy().V1().PodDisruptionBudgets(), core.ReplicationControllers(),
			apps.ReplicaSets(), apps.Deployments(), apps.StatefulSets(), client, mapper, scales, discovery)
		add("disruption", func(ctx context.Context) { c.Run(ctx, 5) }, nil)
	}

	// Services.
	{
		c := endpoint.NewEndpointController(ctx, pods, core.Services(), core.Endpoints(), client, 0)
		add("endpoints", func(ctx context.Context) { c.Run(ctx, 5) }, nil)
	}
	{
		c := endpointslice.NewController(ctx, pods, core.Services(), nodes, factory.Discovery().V1().EndpointSlices(), 100, client, 0)
		add("endpointslice", func(ctx context.Context) { c.Run(ctx, 5) }, nil)
	}

	// Nodes: without the first, a new node keeps its not-ready taint and every pod stays Pending.
	{
		c, err := nodelifecycle.NewNodeLifecycleController(ctx, factory.Coordination().V1().Leases(), pods, nodes, apps.DaemonSets(), client,
			5*time.Second, time.Minute, 50*time.Second, 0.1, 0.01, 50, 0.55)
		add("node-lifecycle", func(ctx context.Context) { c.Run(ctx) }, err)
	}
	{
		c, err := tainteviction.New(ctx, client, pods, nodes, "taint-eviction-controller")
		add("taint-eviction", func(ctx context.Context) { c.Run(ctx) }, err)
	}

	// Housekeeping: what goes when its owner or its namespace goes, and what every namespace is given.
	{
		graph := garbagecollector.NewDependencyGraphBuilder(ctx, meta, mapper, garbagecollector.DefaultIgnoredResources(), anyFactory, started)
		c, err := garbagecollector.NewComposedGarbageCollector(ctx, client, meta, mapper, graph)
		add("garbage-collector", func(ctx context.Context) { c.Run(ctx, 20, 30*time.Second) }, err)
		add("garbage-collector", func(ctx context.Context) { c.Sync(ctx, discovery, 30*time.Second) }, err)
	}
	{
		c := namespace.NewNamespaceController(ctx, client, meta, discovery.ServerPreferredNamespacedResources, core.Namespaces(),
			5*time.Minute, corev1.FinalizerKubernetes)
		add("namespace", func(ctx context.Context) { c.Run(ctx, 10) }, nil)
	}
	{
		c, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), core.ServiceAccounts(), core.Namespaces(), client,
			serviceaccount.DefaultServiceAccountsControllerOptions())
		add("serviceaccount", func(ctx context.Context) { c.Run(ctx, 1) }, err)
	}
	{
		c, err := serviceaccount.NewTokensController(klog.FromContext(ctx), core.ServiceAccounts(), core.Secrets(), client,
			serviceaccount.TokensControllerOptions{TokenGenerator: tokens, RootCA: rootCA})
		add("serviceaccount-token", func(ctx context.Context) { c.Run(ctx, 5) }, err)
	}
	{
		c, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), client, rootCA)
		add("root-ca-certificate-publisher", func(ctx context.Context) { c.Run(ctx, 1) }, err)
	}
	{
		c := clusterroleaggregation.NewClusterRoleAggregation(factory.Rbac().V1().ClusterRoles(), client.RbacV1())
		add("clusterrole-aggregation", func(ctx context.Context) { c.Run(ctx, 5) }, nil)
	}
	{
		quota, err := quotainstall.NewQuotaConfigurationForControllers(generic.ListerFuncForResourceFunc(factory.ForResource), factory)
		if err != nil {
			return fmt.Errorf("quota configuration: %w", err)
		}
		c, err := resourcequota.NewController(ctx, &resourcequota.ControllerOptions{
			QuotaClient:               client.CoreV1(),
			ResourceQuotaInformer:     core.ResourceQuotas(),
			ResyncPeriod:              controller.StaticResyncPeriodFunc(5 * time.Minute),
			InformerFactory:           anyFactory,
			ReplenishmentResyncPeriod: controller.StaticResyncPeriodFunc(12 * time.Hour),
			DiscoveryFunc:             discovery.ServerPreferredNamespacedResources,
			IgnoredResourcesFunc:      quota.IgnoredResources,
			InformersStarted:          started,
			Registry:                  generic.NewRegistry(quota.Evaluators()),
			UpdateFilter:              quotainstall.DefaultUpdateFilter(),
		})
		add("resourcequota", func(ctx context.Context) { c.Run(ctx, 5) }, err)
		add("resourcequota", func(ctx context.Context) { c.Sync(ctx, discovery.ServerPreferredNamespacedResources, 30*time.Second) }, err)
	}
	if failed != nil {
		return failed
	}

	anyFactory.Start(ctx.Done())
	close(started)
	var group wait.Group
	for _, f := range run {
		group.StartWithContext(ctx, f)
	}
	group.Wait()
	return nil
}
