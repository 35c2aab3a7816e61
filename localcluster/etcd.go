package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"

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
	// The page cache outlives killed processes, which is all that this database has to survive. What a power cut
	// damages, `up --fresh` replaces.
	cfg.UnsafeNoFsync = true

	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	defer e.Close()
	select {
	case <-e.Server.ReadyNotify():
		if err := forget(ctx, e.Server); err != nil {
			return err
		}
	case <-ctx.Done():
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-e.Err():
		return fmt.Errorf("etcd: %w", err)
	}
}

// forget compacts every revision before the present one. An API server does that every five minutes to what is older
// than that; doing it before the API server starts gives lessons, from the first second, revisions that are gone for
// good: revision 1 is always "410 Gone". The key is the one by which API servers tell each other of a compaction
// (k8s.io/apiserver/pkg/storage/etcd3/compact.go).
func forget(ctx context.Context, server *etcdserver.EtcdServer) error {
	const key = "compact_rev_key"
	var now int64
	for range 2 { // a watch from revision 1 begins at 2: in a new etcd that must be gone, too
		last := strconv.FormatInt(server.KV().Rev(), 10)
		put, err := server.Put(ctx, &etcdserverpb.PutRequest{Key: []byte(key), Value: []byte(last)})
		if err != nil {
			return fmt.Errorf("announce the compaction: %w", err)
		}
		now = put.Header.Revision
	}
	if _, err := server.Compact(ctx, &etcdserverpb.CompactionRequest{Revision: now}); err != nil {
		return fmt.Errorf("compact etcd at revision %d: %w", now, err)
	}
	return nil
}
