package broker

import (
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// connOpt is asynq's way to make a client. asynq's own options cannot switch
// off maintenance notifications or honour a context's deadline, ours do.
type connOpt struct{ options Options }

// MakeRedisClient returns a new redis.UniversalClient.
func (c connOpt) MakeRedisClient() any { return newClient(c.options) }

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
			ContextTimeoutEnabled: true, DisableIdentity: true,
		})
	case Cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: o.Addrs, Username: o.Username, Password: o.Password, TLSConfig: o.TLS, PoolSize: o.PoolSize,
			ContextTimeoutEnabled: true, DisableIdentity: true, MaintNotificationsConfig: quiet,
		})
	default:
		return redis.NewClient(&redis.Options{ // an Addr with a leading slash is a unix socket
			Addr: o.Addrs[0], Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLS, PoolSize: o.PoolSize,
			ContextTimeoutEnabled: true, DisableIdentity: true, MaintNotificationsConfig: quiet,
		})
	}
}

// describe names a server somebody else runs.
func describe(o Options) string {
	text := "Redis at " + strings.Join(o.Addrs, ", ")
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
