package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"switchboard/channels/inbox/gate"
	"switchboard/channels/limit"
)

// queuesPath is where the pages about the queue are.
const queuesPath = "/queues"

// monitor is the pages about the queue, asynqmon, behind the operators' login.
// It only shows: pausing a queue or dropping a task here would say nothing to
// the ledger. What it shows of a task are receipt and message IDs. A nil
// monitor, for a house without operators, mounts nothing.
type monitor struct {
	gate  *gate.Gate
	pages *asynqmon.HTTPHandler
}

// openMonitor makes the pages when the config names operators.
func (h *house) openMonitor(public string) (*monitor, error) {
	o := h.config.First().Operators
	if len(o.Accounts) == 0 {
		return nil, nil
	}
	operators := make([]gate.Operator, 0, len(o.Accounts))
	for _, a := range o.Accounts {
		operators = append(operators, gate.Operator{Name: a.Name, Hash: a.Password.Reveal()})
	}
	g, err := gate.New(gate.Options{
		Operators: operators, Sessions: sessions{h.broker.Client()}, For: o.Session,
		PerAddress: limit.Rate{PerSecond: o.PerAddress.Rate, Burst: o.PerAddress.Burst},
		PerName:    limit.Rate{PerSecond: o.PerName.Rate, Burst: o.PerName.Burst},
		Proxies:    o.Proxies(), PublicURL: public, Home: queuesPath, Log: h.log, Now: h.now,
	})
	if err != nil {
		return nil, fmt.Errorf("operators: %w", err)
	}
	return &monitor{g, asynqmon.New(asynqmon.Options{RootPath: queuesPath, RedisConnOpt: h.broker.AsynqOpt(), ReadOnly: true})}, nil
}

func (m *monitor) mount(mux *http.ServeMux) {
	if m == nil {
		return
	}
	m.gate.Mount(mux)
	pages := m.gate.Guard(monitorHeaders(m.pages))
	mux.Handle(queuesPath, pages)
	mux.Handle(queuesPath+"/", pages)
}

func (m *monitor) close() {
	if m != nil {
		_ = m.pages.Close()
	}
}

// monitorHeaders let the pages run their own scripts, which stand in the page,
// and fetch nothing from anywhere else: their fonts come from another company.
func monitorHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "+
			"img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// sessions keeps operators' logins in Redis, where every web process finds
// them. Without Redis there is no queue to look at either.
type sessions struct{ redis redis.UniversalClient }

// sessionPrefix begins the keys; the rest is a digest, so that Redis holds
// nothing one could log in with.
const sessionPrefix = "switchboard:session:"

// Save keeps a session until it is over.
func (s sessions) Save(ctx context.Context, id string, session gate.Session, ttl time.Duration) error {
	text, err := json.Marshal(session)
	if err != nil {
		return err
	}
	return s.redis.Set(ctx, sessionPrefix+id, text, ttl).Err()
}

// Load finds a session.
func (s sessions) Load(ctx context.Context, id string) (out gate.Session, err error) {
	text, err := s.redis.Get(ctx, sessionPrefix+id).Bytes()
	if errors.Is(err, redis.Nil) {
		return out, gate.ErrNoSession
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(text, &out)
}

// Drop forgets a session.
func (s sessions) Drop(ctx context.Context, id string) error {
	return s.redis.Del(ctx, sessionPrefix+id).Err()
}
