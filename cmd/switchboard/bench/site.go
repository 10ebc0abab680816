package bench

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// site is where a run takes place: a temporary folder and the servers in it.
type site struct {
	dir      string
	postgres *postgres
	redis    *redisServer
}

// openSite starts what the run needs and was not given. open says that servers
// of another account will have folders in it.
func openSite(ctx context.Context, c Common, open bool) (_ *site, err error) {
	s := &site{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	base := os.TempDir()
	if open && (len(base) > 40 || os.Getuid() == 0) { // the path of a socket is short, and servers must reach their folder as another user
		base = "/tmp"
	}
	if s.dir, err = os.MkdirTemp(base, "switchboard-bench-"); err != nil {
		return nil, err
	}
	if open {
		if err = os.Chmod(s.dir, 0o711); err != nil {
			return nil, err
		}
	}
	if c.Embedded {
		s.redis = &redisServer{}
		return s, s.redis.open(ctx)
	}
	sub := func(name string) string {
		dir := filepath.Join(s.dir, name)
		if err == nil {
			err = os.Mkdir(dir, 0o700)
		}
		return dir
	}
	redisDir, postgresDir := sub("redis"), sub("postgres")
	if err != nil {
		return nil, err
	}
	if c.Redis != "" {
		s.redis = &redisServer{url: c.Redis}
		err = s.redis.open(ctx)
	} else {
		s.redis, err = startRedis(ctx, redisDir)
	}
	if err != nil {
		return nil, err
	}
	if c.Database != "" {
		s.postgres = &postgres{url: c.Database}
		err = s.postgres.ask(ctx, "SHOW server_version", &s.postgres.version)
	} else {
		s.postgres, err = startPostgres(ctx, postgresDir)
	}
	return s, err
}

// parts are the servers for a meter; those that are not ours are left out.
func (s *site) parts() (out []part) {
	if s.redis != nil && s.redis.process != nil {
		out = append(out, part{name: "redis", pid: s.redis.process.Pid()})
	}
	if s.postgres != nil && s.postgres.process != nil {
		out = append(out, part{name: "postgres", pid: s.postgres.process.Pid(), family: true})
	}
	return out
}

// close stops the servers and removes the folder.
func (s *site) close() {
	s.redis.stop()
	s.postgres.stop()
	if s.dir == "" {
		return
	}
	for range 100 { // a server's own children may outlive it by a moment
		if os.RemoveAll(s.dir) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// machine describes where the figures were taken.
func (s *site) machine() Machine {
	m := Machine{System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	m.Processor, m.Memory = hardware()
	if s.redis != nil {
		m.Redis = s.redis.version
	}
	if s.postgres != nil {
		m.PostgreSQL = s.postgres.version
	}
	return m
}
