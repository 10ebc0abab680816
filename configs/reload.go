package configs

import (
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"switchboard/pipeline/desk"
)

// Reloader holds the config of a running process. Reading is lock-free; any
// number of goroutines may read while one reloads.
type Reloader struct {
	path    string
	env     Lookup
	one     sync.Mutex // one reload at a time
	first   *Config    // nil while it is read
	current atomic.Pointer[Config]
}

// NewReloader loads the config for the first time, as [Load] does.
func NewReloader(path string, env Lookup) (*Reloader, error) {
	r := &Reloader{path: path, env: env}
	if err := r.Reload(nil); err != nil {
		return nil, err
	}
	r.first = r.Config()
	return r, nil
}

// First returns the config that the process began with, by which goes what a reload
// does not reach; do not change it.
func (r *Reloader) First() *Config { return r.first }

// Config returns the config in force; do not change it.
func (r *Reloader) Config() *Config { return r.current.Load() }

// Policy returns the policy in force. Take it once for each piece of work, so
// that one message is judged by one policy.
func (r *Reloader) Policy() *desk.Policy { return r.Config().Policy() }

// Reload reads the file again, once, and takes it over when check, unless nil, finds
// nothing wrong with what was read. On error the config in force stays. With an
// empty path it does nothing after the first time. The sources of the policy stay
// those whose adapters run, see [standing].
func (r *Reloader) Reload(check func(*Config) error) error {
	r.one.Lock()
	defer r.one.Unlock()
	if r.path == "" && r.current.Load() != nil {
		return nil
	}
	c, err := Load(r.path, r.env)
	if err != nil {
		return err
	}
	if check != nil {
		if err := check(c); err != nil {
			return err
		}
	}
	if r.first != nil {
		c.policy.Sources = standing(r.first.policy, c.policy)
	}
	r.current.Store(c)
	return nil
}

// standing are the sources by which messages are judged after a reload. What an
// adapter was opened with (channel, scope, addresses) stays until the next start, and
// so does a source that is gone from the file: its messages come in until then. Team
// and queue change at once. One that is new may be read already by a process that was
// started since.
func standing(was, is *desk.Policy) map[string]desk.Source {
	out := maps.Clone(is.Sources)
	for name, old := range was.Sources {
		if now, there := is.Sources[name]; there {
			old.Team, old.Queue = now.Team, now.Queue
		} else if _, known := is.Team(old.Team); !known {
			old.Team = ""
		}
		out[name] = old
	}
	return out
}

// NeedsRestart names the parts of the config that differ and that a running
// process does not take over by a new policy: "database", "sources", ...
func NeedsRestart(before, after *Config) []string {
	var parts []string
	note := func(name string, same bool) {
		if !same {
			parts = append(parts, name)
		}
	}
	note("server", before.Server == after.Server)
	note("database", before.Database == after.Database)
	note("redis", reflect.DeepEqual(before.Redis, after.Redis))
	note("blobs", before.Blobs == after.Blobs)
	note("log", before.Log == after.Log)
	note("limits", before.Limits == after.Limits)
	note("intake", before.Intake == after.Intake)
	note("traces", reflect.DeepEqual(before.Traces, after.Traces))
	note("operators", reflect.DeepEqual(before.Operators, after.Operators))
	note("canary", before.Canary == after.Canary)
	note("health", before.Health == after.Health)
	note("delivery", before.Delivery == after.Delivery)
	note("retention", before.Retention == after.Retention)
	note("sources", slices.EqualFunc(before.Sources, after.Sources, func(a, b Source) bool {
		return a.Name == b.Name && a.Channel == b.Channel && a.Separate == b.Separate &&
			slices.Equal(a.Addresses, b.Addresses) && sameNode(a.Block.node, b.Block.node) && a.Block.secrets == b.Block.secrets
	}))
	return parts
}
