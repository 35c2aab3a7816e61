package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"client-go-lab/localcluster/cluster"
)

// runEtcd serves the cluster's database on a unix socket until ctx ends. The socket lies in the state directory, which
// is 0700: the file system is the access control, and no TCP port is opened for clients or for peers.
func runEtcd(ctx context.Context, state cluster.State) error {
	client, err := url.Parse(state.EtcdEndpoint())
	if err != nil {
		return fmt.Errorf("etcd socket: %w", err)
	}
	peer, err := url.Parse(state.EtcdPeerEndpoint())
	if err != nil {
		return fmt.Errorf("etcd peer socket: %w", err)
	}
	cfg := embed.NewConfig()
	cfg.Name = "lab"
	cfg.Dir = "etcd"
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.LogLevel = "warn"
	// A lone member needs no patience for its own election.
	cfg.TickMs, cfg.ElectionMs = 10, 100
	// The page cache outlives killed processes, which is all that this database has to survive. What a power cut
	// damages, `up --fresh` replaces.
	cfg.UnsafeNoFsync = true

	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	defer e.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-e.Err():
		return fmt.Errorf("etcd: %w", err)
	}
}

// compact makes etcd forget every revision before the present one, as the API server does on its own every five
// minutes, so that "410 Gone" can be seen without waiting. It writes the key by which the API server's watch cache
// learns of compactions (k8s.io/apiserver/pkg/storage/etcd3/compact.go).
func compact(ctx context.Context, state cluster.State) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{state.EtcdEndpoint()}, Context: ctx, Logger: zap.NewNop(),
	})
	if err != nil {
		return 0, fmt.Errorf("connect to etcd: %w", err)
	}
	defer func() { _ = client.Close() }()
	const key = "compact_rev_key"
	now, err := client.Get(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("read etcd's revision: %w", err)
	}
	revision := now.Header.Revision
	if _, err := client.Put(ctx, key, strconv.FormatInt(revision, 10)); err != nil {
		return 0, fmt.Errorf("announce the compaction: %w", err)
	}
	if _, err := client.Compact(ctx, revision); err != nil {
		return 0, fmt.Errorf("compact etcd at revision %d: %w", revision, err)
	}
	return revision, nil
}
