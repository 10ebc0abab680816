package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrUnusable is wrapped by Open and Check when the server answers but can
// never serve the queue.
var ErrUnusable = errors.New("this Redis cannot serve the queue")

// oldest is the Redis that asynq needs: 5.0 breaks its archive (asynq issue
// 1060), and 6.2 is the oldest it is tested with.
var oldest = version{6, 2}

// version is major, minor.
type version [2]int

func (v version) String() string { return fmt.Sprintf("%d.%d", v[0], v[1]) }

func (v version) before(w version) bool { return v[0] < w[0] || v[0] == w[0] && v[1] < w[1] }

// parseVersion reads "7.0.15" and the like.
func parseVersion(text string) (version, error) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) >= 2 {
		major, err1 := strconv.Atoi(parts[0])
		minor, err2 := strconv.Atoi(parts[1])
		if err1 == nil && err2 == nil && major >= 0 && minor >= 0 {
			return version{major, minor}, nil
		}
	}
	return version{}, fmt.Errorf("%w: it calls its version %q", ErrUnusable, text)
}

// Check asks the server (of a cluster, every master) for its version and
// eviction policy. A version asynq cannot use is an error. A policy that lets
// Redis throw keys away is logged as a warning: tasks would vanish, which the
// sweep repairs, but late. A user who may not ask (NOPERM) is logged too.
func (b *Broker) Check(ctx context.Context) error {
	var err error
	if cluster, ok := b.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return b.checkNode(ctx, node)
		})
	} else {
		err = b.checkNode(ctx, b.client)
	}
	if err != nil {
		return fmt.Errorf("broker: %s: %w", b.about, err)
	}
	b.checked.Lock()
	b.passed = true
	b.checked.Unlock()
	return nil
}

// node is the part of a client that checkNode needs.
type node interface {
	Info(ctx context.Context, sections ...string) *redis.StringCmd
}

func (b *Broker) checkNode(ctx context.Context, node node) error {
	info := make(map[string]string)
	for _, section := range []string{"server", "memory", "cluster"} {
		text, err := node.Info(ctx, section).Result()
		if err != nil && strings.HasPrefix(err.Error(), "NOPERM") {
			b.log.Warn("this Redis user may not read INFO, so version and eviction policy are unchecked", "broker", b.about)
			return nil
		}
		if err != nil {
			return err
		}
		readInfo(info, text)
	}
	found, err := parseVersion(info["redis_version"])
	if err != nil {
		return err
	}
	if found.before(oldest) {
		return fmt.Errorf("%w: version %s is too old, %s or newer is needed", ErrUnusable, info["redis_version"], oldest)
	}
	if info["cluster_enabled"] == "1" && b.remote.Mode == Single {
		return fmt.Errorf("%w: it is a node of a Redis Cluster, which needs mode cluster (redis-cluster://)", ErrUnusable)
	}
	if policy := info["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		b.log.Warn("Redis may throw tasks away when memory is short: set maxmemory-policy to noeviction",
			"broker", b.about, "maxmemory_policy", policy)
	}
	return nil
}

// readInfo adds the "key:value" lines of an INFO reply to fields.
func readInfo(fields map[string]string, text string) {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && !strings.HasPrefix(key, "#") {
			fields[key] = value
		}
	}
}

// passing are the error replies of a server that will be well by itself.
var passing = []string{"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "READONLY", "BUSY", "ERR max number of clients"}

// unreachable tells a server that is not there yet from one that will never do:
// an error reply, a certificate we do not trust, or something that is no Redis.
func unreachable(err error) bool {
	var reply redis.Error
	if errors.As(err, &reply) && !errors.Is(err, redis.Nil) {
		for _, prefix := range passing {
			if strings.HasPrefix(reply.Error(), prefix) {
				return true
			}
		}
		return false
	}
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if errors.As(err, &certificate) || errors.As(err, &record) {
		return false
	}
	return !errors.Is(err, ErrUnusable)
}
