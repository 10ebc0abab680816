package broker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// connOpt is asynq's way to make a client. asynq's own options cannot switch
// off maintenance notifications or honour a context's deadline, ours do.
type connOpt struct {
	options Options
	made    *clients
}

// MakeRedisClient returns a new redis.UniversalClient.
func (c connOpt) MakeRedisClient() any { return c.made.keep(newClient(c.options)) }

// clients are all that were made of one broker, for their pools to be counted.
type clients struct {
	mu  sync.Mutex
	all []redis.UniversalClient
}

func (c *clients) keep(client redis.UniversalClient) redis.UniversalClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, client)
	return client
}

// Pool adds up the connection pools of the shared client and of every client
// that asynq was given. A few clients live as long as the process; what was
// closed counts no connections any more.
func (b *Broker) Pool() redis.PoolStats {
	b.made.mu.Lock()
	defer b.made.mu.Unlock()
	var sum redis.PoolStats
	for _, c := range b.made.all {
		p := c.PoolStats()
		sum.Hits += p.Hits
		sum.Misses += p.Misses
		sum.Timeouts += p.Timeouts
		sum.TotalConns += p.TotalConns
		sum.IdleConns += p.IdleConns
		sum.StaleConns += p.StaleConns
	}
	return sum
}

// newClient makes a client; it connects at first use. Maintenance
// notifications are a handshake only Redis Enterprise answers, and proxies
// choke on it (go-redis issue 3536). A context's deadline bounds a command, so
// that a Redis that hangs holds nobody up longer than the caller allows.
func newClient(o Options) redis.UniversalClient {
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch o.Mode {
	case Sentinel: // go-redis has the notifications off for failover clients
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: o.MasterName, SentinelAddrs: o.Addrs,
			SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
			Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLS, PoolSize: o.PoolSize,
			ContextTimeoutEnabled: true, DisableIdentity: true, DialerRetries: 1,
		})
	case Cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: o.Addrs, Username: o.Username, Password: o.Password, TLSConfig: o.TLS, PoolSize: o.PoolSize,
			ContextTimeoutEnabled: true, DisableIdentity: true, DialerRetries: 1, MaintNotificationsConfig: quiet,
		})
	default:
		one := &redis.Options{ // an Addr with a leading slash is a unix socket
			Addr: o.Addrs[0], Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLS, PoolSize: o.PoolSize,
			ContextTimeoutEnabled: true, DisableIdentity: true, DialerRetries: 1, MaintNotificationsConfig: quiet,
		}
		if o.home != "" {
			one.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialHome(ctx, o.home) }
			one.CredentialsProviderContext = func(context.Context) (string, string, error) {
				password, err := passwordHome(o.home)
				return "", password, err
			}
		}
		return redis.NewClient(one)
	}
}

// newProbe makes a client for a server on this machine that may not be up yet:
// one try, no waiting.
func newProbe(o Options) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: o.Addrs[0], Password: o.Password, MaxRetries: -1, DialerRetries: 1,
		PoolSize:              10_000, // after this many failed dials a pool fails without dialling for a second
		ContextTimeoutEnabled: true, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// redisLog takes what go-redis says of its connections. The errors it tells of
// come back to the caller as well, so they are for debugging only.
type redisLog struct{}

// Printf implements go-redis's logging interface.
func (redisLog) Printf(ctx context.Context, format string, args ...any) {
	slog.Default().DebugContext(ctx, "go-redis: "+fmt.Sprintf(format, args...))
}

// go-redis has one logger for the whole process and reads it without a lock, so
// it can be set safely only before any client exists.
func init() { redis.SetLogger(redisLog{}) }

// describe names a server somebody else runs.
func describe(o Options) string {
	text := "Redis at " + strings.Join(o.Addrs, ", ")
	if o.home != "" {
		text = "the queue that another process runs for the data folder " + o.home
	}
	switch o.Mode {
	case Sentinel:
		text = fmt.Sprintf("Redis master %q named by the sentinels at %s", o.MasterName, strings.Join(o.Addrs, ", "))
	case Cluster:
		text = "Redis Cluster at " + strings.Join(o.Addrs, ", ")
	}
	if o.DB != 0 {
		text += fmt.Sprintf(", database %d", o.DB)
	}
	if o.TLS != nil {
		text += ", over TLS"
	}
	return text
}
