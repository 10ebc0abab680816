// Package broker decides which Redis the queue runs on and opens it: a server
// somebody else runs (single, Sentinel or Cluster), a redis-server of our own
// in the data folder, or one inside this process.
//
// In go Options, often from ParseURL; out comes a *Broker, which gives asynq
// its connection (AsynqOpt) and everybody else one shared go-redis client.
//
// It promises: at Open a Redis too old for asynq, a wrong password or a wrong
// kind of server is an error, while a Redis that does not answer is only a
// warning, because the ledger takes messages without it and the sweep queues
// them later. A redis-server of ours ends when we do, and is started again when
// it dies alone. All methods may be called by many goroutines.
//
// It may not know what a task is, nor that there is a ledger. It imports
// nothing of ours but the program runner below it.
//
// The protocol is RESP (redis.io, "Redis serialization protocol
// specification"); the version floor is asynq's.
//
// To add one more way to get a Redis: a Mode, a case in Open, a function that
// returns a *local (spawn.go and embedded.go are the models).
package broker

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// The values of Options.Mode.
const (
	// Auto is what Addrs and MasterName say, when there are any: Sentinel when a
	// master is named, Cluster when there are several addresses, else Single.
	// Without an address it is Spawn when a good redis-server is installed, else
	// Embedded.
	Auto = "auto"

	// Embedded is a Redis in this process (miniredis). It keeps nothing on disk:
	// after a start the sweep queues what the ledger still holds. It runs all of
	// asynq at about a fifth of the speed of redis-server.
	Embedded = "embedded"

	// Spawn is a redis-server of our own, with its append-only file in Dir.
	Spawn = "spawn"

	Single   = "single"   // one server
	Sentinel = "sentinel" // the master that the sentinels at Addrs name
	Cluster  = "cluster"  // Redis Cluster; asynq keeps each queue on one of its nodes
)

// ErrInUse is returned by Open when another live process already runs the
// queue of the same data folder. Attach tells how to reach it.
var ErrInUse = errors.New("another process runs the queue of this data folder")

// Options say which Redis to use. The zero value is Auto without a folder,
// which is Embedded.
type Options struct {
	Mode       string   // one of the constants above; empty means Auto
	Addrs      []string // host:port, or the absolute path of a unix socket; sentinels' addresses for Sentinel
	MasterName string   // Sentinel only
	Username   string   // empty means Redis's default user
	Password   string
	DB         int // must be 0 for Cluster

	SentinelUsername string // when the sentinels themselves ask for one
	SentinelPassword string

	TLS      *tls.Config // nil means none
	Dir      string      // data folder for Spawn, and where broker.json goes
	PoolSize int         // connections per client; 0 means go-redis's ten per CPU

	// Server is the redis-server to spawn; empty means the one on PATH or in the
	// usual folders.
	Server string

	// vouched is set for a Redis that one of our own processes has opened and
	// checked. The embedded one has no version to ask for.
	vouched bool

	// home is set by Attach: the data folder whose queue it is. Whoever runs that now
	// is looked up at each connection.
	home string
}

// LogValue keeps passwords out of logs.
func (o Options) LogValue() slog.Value {
	return slog.GroupValue(slog.String("mode", o.Mode), slog.String("addrs", strings.Join(o.Addrs, ",")),
		slog.String("master", o.MasterName), slog.Int("db", o.DB), slog.Bool("tls", o.TLS != nil), slog.String("dir", o.Dir))
}

// Broker is an opened Redis.
type Broker struct {
	remote  Options // how a client reaches it: Single, Sentinel or Cluster
	about   string
	local   *local // nil when somebody else runs the server
	client  redis.UniversalClient
	made    *clients
	log     *slog.Logger
	close   sync.Once
	closed  error
	checked sync.Mutex // guards passed
	passed  bool       // Check succeeded once
}

// local is a Redis that we run ourselves.
type local struct {
	remote Options
	about  string
	stop   func() error // ends it and frees the folder; called once
}

// Open returns the Redis that the options ask for. It starts one if need be,
// and checks it: an error means the options can never work as they are (or, for
// Spawn, that the server did not start); a server elsewhere that does not
// answer within five seconds is logged and left to come back. A nil log throws
// messages away. The caller closes the broker after every client made from it.
func Open(ctx context.Context, options Options, log *slog.Logger) (*Broker, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	options, err := options.resolved()
	if err != nil {
		return nil, err
	}
	b := &Broker{remote: options, log: log, passed: options.vouched, made: &clients{}}
	switch options.Mode {
	case Auto:
		b.local, err = openLocal(ctx, options, log)
	case Spawn:
		b.local, err = spawn(ctx, options, log)
	case Embedded:
		b.local, err = embed(options, log)
	}
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	if b.local != nil {
		b.remote, b.about = b.local.remote, b.local.about
		b.passed = b.local.remote.Mode == Embedded // nothing to check: it came with us
		b.remote.Mode = Single
	} else {
		b.about = describe(b.remote)
	}
	b.client = b.made.keep(newClient(b.remote))
	if err := b.openCheck(ctx); err != nil {
		_ = b.Close()
		return nil, err
	}
	log.Info("queue opened", "broker", b.about)
	return b, nil
}

// openCheck checks a fresh broker and forgives only silence.
func (b *Broker) openCheck(ctx context.Context) error {
	if b.passed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := b.Check(ctx)
	if err != nil && b.local == nil && unreachable(err) {
		b.log.Warn("Redis does not answer; messages are accepted and queued when it does", "broker", b.about, "error", err)
		return nil
	}
	return err
}

// AsynqOpt returns the connection to give to asynq's clients, servers,
// inspectors and schedulers. Each of them gets a client of its own, which it
// closes itself.
func (b *Broker) AsynqOpt() asynq.RedisConnOpt { return connOpt{b.remote, b.made} }

// Client returns the shared client, for
// asynq.NewClientFromRedisClient, rate limits and health checks. Nobody but
// Broker.Close closes it.
func (b *Broker) Client() redis.UniversalClient { return b.client }

// Ping asks Redis whether it is there. The first answer of a server that was
// silent at Open is also checked as Open would have.
func (b *Broker) Ping(ctx context.Context) error {
	b.checked.Lock()
	passed := b.passed
	b.checked.Unlock()
	if !passed {
		return b.Check(ctx)
	}
	if err := b.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("broker: ping: %w", err)
	}
	return nil
}

// Describe says in a few words, without secrets, what the queue runs on.
func (b *Broker) Describe() string { return b.about }

// Close closes the shared client and stops a Redis that Open started. Calling it
// again returns what the first call returned.
func (b *Broker) Close() error {
	b.close.Do(func() {
		err := b.client.Close()
		if b.local != nil {
			err = errors.Join(err, b.local.stop())
		}
		if err != nil {
			b.closed = fmt.Errorf("broker: close: %w", err)
		}
	})
	return b.closed
}

// openLocal is Auto without an address.
func openLocal(ctx context.Context, options Options, log *slog.Logger) (*local, error) {
	options.Mode = Embedded
	if options.Dir == "" {
		return embed(options, log)
	}
	path, version, err := server(ctx, options.Server)
	if err != nil {
		log.Info("no usable redis-server here, so the queue runs inside this process", "reason", err)
		return embed(options, log)
	}
	options.Mode, options.Server = Spawn, path
	l, err := spawn(ctx, options, log)
	if err == nil || errors.Is(err, ErrInUse) || ctx.Err() != nil {
		return l, err
	}
	log.Warn("redis-server did not start, so the queue runs inside this process", "version", version, "error", err)
	options.Mode = Embedded
	return embed(options, log)
}

// resolved fills in the defaults and refuses what contradicts itself.
func (o Options) resolved() (Options, error) {
	o.Mode = cmp.Or(strings.ToLower(o.Mode), Auto)
	if o.Mode == Auto && len(o.Addrs) > 0 {
		switch {
		case o.MasterName != "":
			o.Mode = Sentinel
		case len(o.Addrs) > 1:
			o.Mode = Cluster
		default:
			o.Mode = Single
		}
	}
	refuse := func(format string, args ...any) (Options, error) {
		return Options{}, fmt.Errorf("broker: mode %s: %s", o.Mode, fmt.Sprintf(format, args...))
	}
	switch o.Mode {
	case Auto, Embedded, Spawn:
		if len(o.Addrs) > 0 || o.MasterName != "" {
			return refuse("takes no address and no master name: it runs its own Redis")
		}
		if o.TLS != nil || o.Username != "" || o.Password != "" {
			return refuse("takes no TLS, user or password: it makes its own")
		}
		if o.Mode == Spawn && o.Dir == "" {
			return refuse("needs a data folder for its append-only file")
		}
		if o.Dir != "" {
			dir, err := filepath.Abs(o.Dir)
			if err != nil {
				return refuse("data folder %q: %v", o.Dir, err)
			}
			o.Dir = dir
		}
	case Single:
		if len(o.Addrs) != 1 {
			return refuse("takes one address, got %d", len(o.Addrs))
		}
	case Sentinel:
		if len(o.Addrs) == 0 || o.MasterName == "" {
			return refuse("needs the sentinels' addresses and the master's name")
		}
	case Cluster:
		if len(o.Addrs) == 0 {
			return refuse("needs the address of at least one node")
		}
		if o.DB != 0 {
			return refuse("has no database but 0, got %d", o.DB)
		}
	default:
		return refuse("unknown; want auto, embedded, spawn, single, sentinel or cluster")
	}
	if o.DB < 0 {
		return refuse("database %d is negative", o.DB)
	}
	return o, nil
}
