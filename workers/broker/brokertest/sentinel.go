package brokertest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"switchboard/workers/broker"
)

// masterName is what the sentinel calls the pair.
const masterName = "queue"

// StartSentinel starts a master, a replica and one sentinel whose own vote is
// enough. It calls the master dead after a second of silence.
func StartSentinel(t testing.TB) *Handle {
	t.Helper()
	password := rand.Text()
	master := newNode(t, password, 0, nil)
	replica := newNode(t, password, 0, func(int) []string { return []string{"--replicaof", "127.0.0.1", strconv.Itoa(master.port)} })
	eventually(t, "replica in step", func(ctx context.Context) error { return inStep(ctx, replica) })

	watcher := newSentinel(t, master, password)
	asked := redis.NewSentinelClient(&redis.Options{Addr: watcher.addr(), Password: password, DisableIdentity: true, DialerRetries: 1})
	t.Cleanup(func() { _ = asked.Close() })
	eventually(t, "sentinel knows the replica", func(ctx context.Context) error {
		replicas, err := asked.Replicas(ctx, masterName).Result()
		if err == nil && len(replicas) != 1 {
			err = fmt.Errorf("it knows %d replicas", len(replicas))
		}
		return err
	})
	h := &Handle{
		Options: broker.Options{
			Mode: broker.Sentinel, Addrs: []string{watcher.addr()}, MasterName: masterName,
			Password: password, SentinelPassword: password,
		},
		t: t, nodes: []*node{master, replica},
	}
	h.master = func() *node {
		t.Helper()
		var addr []string
		eventually(t, "ask the sentinel", func(ctx context.Context) (err error) {
			addr, err = asked.GetMasterAddrByName(ctx, masterName).Result()
			return err
		})
		for _, n := range h.nodes {
			if net.JoinHostPort(addr[0], addr[1]) == n.addr() {
				return n
			}
		}
		t.Fatalf("brokertest: the sentinel names %v, which is none of ours", addr)
		return nil
	}
	h.role = func(n *node) { // what a redis-server knows of its role is lost with its process
		n.extra = nil
		if now := h.master(); now != n {
			n.extra = []string{"--replicaof", "127.0.0.1", strconv.Itoa(now.port)}
		}
	}
	h.ready = func() {
		// The sentinel may change its mind in between, so all is asked anew each time.
		eventually(t, "a master that takes writes and replicas in step", func(ctx context.Context) error {
			master := h.master()
			if err := master.client.Set(ctx, "brokertest:probe", 1, 0).Err(); err != nil {
				return err
			}
			for _, n := range h.nodes {
				if n != master && !n.dead() {
					if err := inStep(ctx, n); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return h
}

// inStep returns nil when the replica has a copy of its master's data.
func inStep(ctx context.Context, replica *node) error {
	text, err := replica.client.Info(ctx, "replication").Result()
	if err == nil && !strings.Contains(text, "master_link_status:up") {
		err = fmt.Errorf("%s says %q", replica.addr(), text)
	}
	return err
}

// newSentinel starts the sentinel. It keeps its state in its config file, which
// is why it gets one.
func newSentinel(t testing.TB, master *node, password string) *node {
	t.Helper()
	n := &node{path: master.path, dir: t.TempDir(), password: password, sentinel: true}
	config := filepath.Join(n.dir, "sentinel.conf")
	retryPort(t, func() error {
		n.port = freePort(0)
		text := fmt.Sprintf(`bind 127.0.0.1
port %d
dir %q
requirepass %s
sentinel monitor %s 127.0.0.1 %d 1
sentinel auth-pass %s %s
sentinel down-after-milliseconds %s 1000
sentinel failover-timeout %s 5000
`, n.port, n.dir, password, masterName, master.port, masterName, password, masterName, masterName)
		n.extra = []string{config, "--sentinel"}
		if err := writeFile(config, text); err != nil {
			return err
		}
		return n.start()
	})
	t.Cleanup(func() {
		_ = n.process.Signal(syscall.SIGKILL) // before the servers it watches
		<-n.process.Done()
		_ = n.client.Close()
	})
	return n
}
