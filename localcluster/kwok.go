package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"k8s.io/component-base/version"
	"k8s.io/utils/clock"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/client/clientset/versioned"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/controllers"
	kwokclient "sigs.k8s.io/kwok/pkg/utils/client"

	"client-go-lab/localcluster/cluster"
)

// runKwok plays the kubelet of every node: it registers the nodes, keeps their leases, makes bound pods Running, ends
// the pods of Jobs and lets deleted pods go. No process runs in such a pod. serveKubelet answers logs and exec.
func runKwok(ctx context.Context, config *rest.Config, state cluster.State, ports cluster.Ports, nodes int) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("kwok client: %w", err)
	}
	// The API server and the grant of kwok's role (cluster.bootstrap) may both come later than this process.
	err = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 1})
		return err == nil, nil
	})
	if err != nil {
		return nil // stopped before it could begin
	}
	// Before any node is Ready, so that a Ready node answers.
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.Kubelet)))
	if err != nil {
		return fmt.Errorf("listen for the kubelet API: %w", err)
	}
	for i := 1; i <= nodes; i++ {
		if err := register(ctx, client, "node"+strconv.Itoa(i), ports.Kubelet); err != nil {
			return err
		}
	}
	stages, err := stages()
	if err != nil {
		return err
	}
	kwok, err := versioned.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("kwok client: %w", err)
	}
	clients, err := kwokclient.NewClientset("", state.Kubeconfig(cluster.Kwok))
	if err != nil {
		return fmt.Errorf("kwok clients: %w", err)
	}
	dynamicClient, err := clients.ToDynamicClient()
	if err != nil {
		return fmt.Errorf("kwok dynamic client: %w", err)
	}
	mapper, err := clients.ToRESTMapper()
	if err != nil {
		return fmt.Errorf("kwok REST mapper: %w", err)
	}
	c, err := controllers.NewController(controllers.Config{
		Clock:                      clock.RealClock{},
		DynamicClient:              dynamicClient,
		RESTClient:                 client.CoreV1().RESTClient(),
		RESTMapper:                 mapper,
		ImpersonatingDynamicClient: clients.ToImpersonatingDynamicClient(),
		ImpersonatingTypedClient:   clients.ToImpersonatingTypedClient(),
		TypedClient:                client,
		TypedKwokClient:            kwok,
		ManageAllNodes:             true,
		CIDR:                       "10.244.0.0/16",
		NodeIP:                     "127.0.0.1",
		NodePort:                   ports.Kubelet,
		LocalStages:                stages,
		PodPlayStageParallelism:    4,
		NodePlayStageParallelism:   4,
		NodeLeaseDurationSeconds:   40,
		NodeLeaseParallelism:       4,
		PodsOnNodeSyncParallelism:  4,
		ID:                         "kwok",
	})
	if err != nil {
		return fmt.Errorf("build kwok: %w", err)
	}
	if err := c.Start(ctx); err != nil {
		return fmt.Errorf("start kwok: %w", err)
	}
	return serveKubelet(ctx, listener, client, state)
}

// stages are kwok's rules for what becomes of nodes and pods, as its module ships them.
func stages() (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	all := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	for _, yaml := range []string{
		nodefast.DefaultNodeInit, nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady, podfast.DefaultPodComplete, podfast.DefaultPodDelete,
	} {
		stage, err := kwokconfig.UnmarshalWithType[*internalversion.Stage](yaml)
		if err != nil {
			return nil, fmt.Errorf("read a kwok stage: %w", err)
		}
		all[stage.Spec.ResourceRef] = append(all[stage.Spec.ResourceRef], stage)
	}
	return all, nil
}

// register creates a node as a kubelet does, or brings the address of an existing one up to date.
func register(ctx context.Context, client kubernetes.Interface, name string, port int) error {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("4"),
		corev1.ResourceMemory: resource.MustParse("8Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
			Labels: map[string]string{
				corev1.LabelHostname:   name,
				corev1.LabelOSStable:   "linux",
				corev1.LabelArchStable: runtime.GOARCH,
				"type":                 "kwok",
			},
		},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: capacity,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: "127.0.0.1"},
				{Type: corev1.NodeHostName, Address: name},
			},
			NodeInfo:        corev1.NodeSystemInfo{KubeletVersion: version.Get().GitVersion, Architecture: runtime.GOARCH},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(port)}},
		},
	}
	_, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return fmt.Errorf("register node %s: %w", name, err)
		}
		return nil
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		old, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		old.Status.DaemonEndpoints = node.Status.DaemonEndpoints
		_, err = client.CoreV1().Nodes().UpdateStatus(ctx, old, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("update node %s: %w", name, err)
	}
	return nil
}
