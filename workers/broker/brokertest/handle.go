package brokertest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"switchboard/workers/broker"
	"switchboard/workers/broker/program"
)

// patience bounds every wait for a server: far above what any needs (a cluster
// 2 s, a failover 4 s), so that only a hang reaches it.
const patience = 60 * time.Second

// Handle is a running Redis of whatever topology. Its methods end the test when
// the server does not do as it is told; they are called from one goroutine.
type Handle struct {
	Options broker.Options

	t      testing.TB
	nodes  []*node      // the ones that hold data
	master func() *node // whom clients write to now; nil means all nodes
	role   func(*node)  // sets the arguments of a node about to start again; may be nil
	ready  func()       // waits until clients can write again
}

// FlushAll empties the Redis at once, as an operator or a lost volume would; of
// Sentinel the replica too.
func (h *Handle) FlushAll() {
	h.t.Helper()
	// A sentinel that gives a server another role cuts its connections.
	eventually(h.t, "flush", func(ctx context.Context) error {
		for _, n := range h.hit() {
			if err := n.client.FlushAll(ctx).Err(); err != nil {
				return err
			}
			if h.Options.Mode == broker.Sentinel && h.dead() == 0 {
				followed, err := n.client.Wait(ctx, 1, 10*time.Second).Result()
				if err != nil {
					return fmt.Errorf("the replica: %w", err)
				}
				// A server that lost its role meanwhile flushes what nobody reads.
				if followed == 0 || h.master() != n {
					return errors.New("the replica did not follow, or is the master by now")
				}
			}
		}
		return nil
	})
}

// Kill ends, as kill -9 does, the server that clients write to: of Sentinel the
// present master, of Cluster every node. It returns when the process is gone.
func (h *Handle) Kill() {
	h.t.Helper()
	for _, n := range h.hit() {
		n.process.Kill()
	}
}

// Restart starts every server that Kill ended, at its old address and with its
// append-only file. When all still run, the ones that clients write to are
// stopped in good order first. It returns when clients can write again.
func (h *Handle) Restart() {
	h.t.Helper()
	if h.dead() == 0 {
		for _, n := range h.hit() {
			if err := n.process.Stop(); err != nil {
				h.t.Fatalf("brokertest: %v", err)
			}
		}
	}
	for _, n := range h.nodes {
		if n.dead() {
			if h.role != nil {
				h.role(n)
			}
			if err := n.start(); err != nil {
				h.t.Fatalf("brokertest: restart: %v", err)
			}
		}
	}
	h.ready()
}

// Ready waits until clients can write: after Kill on Sentinel, until the replica
// has taken over.
func (h *Handle) Ready() {
	h.t.Helper()
	h.ready()
}

// Pause freezes the server that clients write to: connections stay open and
// nothing answers, as when a machine swaps or a network swallows packets.
// Resume, and the end of the test, thaw it.
func (h *Handle) Pause() {
	h.t.Helper()
	for _, n := range h.hit() {
		if err := n.process.Signal(freeze); err != nil {
			h.t.Fatalf("brokertest: pause: %v", err)
		}
		n.paused = true
	}
}

// Resume thaws what Pause froze.
func (h *Handle) Resume() {
	h.t.Helper()
	for _, n := range h.nodes {
		n.resume()
	}
}

// Nodes are the addresses of the servers that hold data.
func (h *Handle) Nodes() (addrs []string) {
	for _, n := range h.nodes {
		addrs = append(addrs, n.addr())
	}
	return addrs
}

// Logs are the files the servers that hold data write their logs to.
func (h *Handle) Logs() (files []string) {
	for _, n := range h.nodes {
		files = append(files, filepath.Join(n.dir, "log"))
	}
	return files
}

func (h *Handle) dead() (count int) {
	for _, n := range h.nodes {
		if n.dead() {
			count++
		}
	}
	return count
}

func (h *Handle) hit() []*node {
	if h.master == nil {
		return h.nodes
	}
	return []*node{h.master()}
}

// eventually calls ask until it returns nil and ends the test when it never
// does. The pause only spares the machine; nothing depends on its length.
func eventually(t testing.TB, what string, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("brokertest: %s: %v", what, err)
		}
	}
}

// retryPort calls start with fresh ports until the child does not die of a port
// that another program has taken since it was chosen.
func retryPort(t testing.TB, start func() error) {
	t.Helper()
	for try := 0; ; try++ {
		err := start()
		if err == nil {
			return
		}
		if try == 4 || !errors.Is(err, program.ErrExited) {
			t.Fatalf("brokertest: %v", err)
		}
	}
}

// direct returns a client for one server. The size of its pool is no number of
// connections but of failed dials, after which go-redis stops dialling for a second.
func direct(addr, password string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, Password: password, DisableIdentity: true, DialerRetries: 1, MaxRetries: -1, PoolSize: 10_000})
}
