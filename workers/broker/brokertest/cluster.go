package brokertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"switchboard/workers/broker"
)

// slots is the number of hash slots of a Redis Cluster (Redis cluster
// specification, "Key distribution model").
const slots = 16384

// StartCluster starts a cluster of three masters without replicas.
func StartCluster(t testing.TB) *Handle {
	t.Helper()
	const masters = 3
	password := rand.Text()
	h := &Handle{Options: broker.Options{Mode: broker.Cluster, Password: password}, t: t}
	for range masters {
		n := newNode(t, password, 22767, func(int) []string { // the cluster bus takes port + 10000, which no kernel gives out either
			return []string{"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000"}
		})
		h.nodes = append(h.nodes, n)
		h.Options.Addrs = append(h.Options.Addrs, n.addr())
	}
	ctx := context.Background()
	for i, n := range h.nodes {
		err := errors.Join(
			n.client.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err(),
			n.client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(),
		)
		if i > 0 {
			err = errors.Join(err, h.nodes[0].client.ClusterMeet(ctx, "127.0.0.1", fmt.Sprint(n.port)).Err())
		}
		if err != nil {
			t.Fatalf("brokertest: make the cluster: %v", err)
		}
	}
	h.ready = func() {
		t.Helper()
		for _, n := range h.nodes {
			eventually(t, "cluster whole", func(ctx context.Context) error {
				text, err := n.client.ClusterInfo(ctx).Result()
				if err == nil && (!strings.Contains(text, "cluster_state:ok") || !strings.Contains(text, fmt.Sprintf("cluster_known_nodes:%d", masters))) {
					err = fmt.Errorf("node %s says %q", n.addr(), text)
				}
				return err
			})
		}
	}
	h.ready()
	return h
}
