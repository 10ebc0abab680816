package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/channels/chat/fakechat"
	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker/brokertest"
)

// TestTopologies runs the product on each kind of Redis: one web and two work
// processes' worth of houses on one PostgreSQL, a chat that calls and is
// answered, and a Redis that is emptied, restarted and killed meanwhile. Every
// message must be filed once and every answer told once, and afterwards the
// queue must work again.
func TestTopologies(t *testing.T) {
	for _, c := range []struct {
		name   string
		start  func(testing.TB) *brokertest.Handle
		config func(h *brokertest.Handle) string
	}{
		{"single", brokertest.StartRedis, func(h *brokertest.Handle) string {
			return fmt.Sprintf(`{ mode: single, addrs: [%q], password: "${REDIS_PASSWORD}" }`, h.Options.Addrs[0])
		}},
		{"sentinel", brokertest.StartSentinel, func(h *brokertest.Handle) string {
			return fmt.Sprintf(`{ mode: sentinel, addrs: [%q], masterName: %q, password: "${REDIS_PASSWORD}", sentinelPassword: "${SENTINEL_PASSWORD}" }`,
				h.Options.Addrs[0], h.Options.MasterName)
		}},
		{"cluster", brokertest.StartCluster, func(h *brokertest.Handle) string {
			return fmt.Sprintf(`{ mode: cluster, addrs: ["%s"], password: "${REDIS_PASSWORD}" }`, strings.Join(h.Options.Addrs, `", "`))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := c.start(t)
			f := openTopology(t, h, c.config(h))
			f.say(40)
			f.settle()
			if n := f.tasks(); n == 0 {
				t.Error("no task went through the queue")
			}
			f.answerSome(5)

			stop := f.keepSaying()
			for range 2 {
				h.FlushAll()
				h.Restart()
			}
			h.Kill()
			if c.name == "sentinel" {
				h.Ready() // the replica takes over
			}
			f.answerSome(5) // without a queue, or on the new master
			h.Restart()
			stop()
			f.settle()
			f.answerSome(5)
			f.settle()

			h.FlushAll() // and its counts
			f.say(40)
			f.settle()
			if n := f.tasks(); n == 0 {
				t.Error("after all that, no task goes through the queue")
			}
			f.count()
		})
	}
}

// topology is a small fleet in this process.
type topology struct {
	*lived
	t    *testing.T
	chat *fakechat.Fake
	key  string

	mu       sync.Mutex
	sent     int
	answered int
}

const topologyConfig = `redis: %s
database: { url: "${DATABASE}" }
blobs: { dir: %q }
delivery: { firstRetry: 1s, mostRetry: 2s, sendTimeout: 10s }
log: { level: error }
sources:
  - name: shop
    channel: chat
    chat:
      signature: { scheme: standard-webhooks, secret: "${HOOK_SECRET}" }
      mapping: { id: body.id, thread: body.talk, from: body.talk, text: body.text }
      send: { via: callback, url: "${CALLBACK}", secret: "${CALLBACK_SECRET}" }
`

func openTopology(t *testing.T, h *brokertest.Handle, redis string) *topology {
	t.Helper()
	chat, err := fakechat.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chat.Close)
	env := map[string]string{"DATABASE": pgtest.New(t), "REDIS_PASSWORD": h.Options.Password, "SENTINEL_PASSWORD": h.Options.SentinelPassword,
		"HOOK_SECRET": fakechat.HookSecret, "CALLBACK_SECRET": fakechat.CallbackSecret, "CALLBACK": chat.CallbackURL()}
	dir := t.TempDir()
	file := filepath.Join(dir, "switchboard.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, topologyConfig, redis, filepath.Join(dir, "blobs")), 0o600); err != nil {
		t.Fatal(err)
	}
	openHouse := func(name string) *house {
		s := streams{strings.NewReader(""), io.Discard, t.Output(), func(n string) (string, bool) { v, ok := env[n]; return v, ok }}
		opened, err := open(t.Context(), place{Config: file, Data: filepath.Join(dir, name)}, s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(opened.close)
		return opened
	}
	f := &topology{t: t, chat: chat, lived: &lived{t: t, house: openHouse("web")}}
	f.lived.answer()
	f.key = f.newKey(desk.RoleAgent)
	for _, name := range []string{"work-1", "work-2"} {
		work := openHouse(name)
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		done := make(chan error, 1)
		go func() { done <- work.runWorkers(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	return f
}

// say says n more things, each until it is heard, every fifth twice; three are
// one talk.
func (f *topology) say(n int) {
	f.t.Helper()
	for range n {
		f.mu.Lock()
		id := f.sent
		f.sent++
		f.mu.Unlock()
		for range 1 + (id%5)/4 {
			f.sayOnce(id)
		}
	}
}

func (f *topology) sayOnce(id int) {
	body := map[string]any{"id": fmt.Sprint("m", id), "talk": fmt.Sprint("talk", id/3), "text": topologyText(id)}
	f.insist(func(ctx context.Context) error {
		status, text, err := f.chat.Post(ctx, f.url+"/hooks/chat/shop", fmt.Sprint("m", id), body)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, text)
		}
		return err
	})
}

func topologyText(id int) string { return fmt.Sprintf("this is message %d of the talk", id) }

// insist tries until it works; the bound is for hangs.
func (f *topology) insist(try func(context.Context) error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), scriptPatience)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			f.t.Error(errors.Join(err, ctx.Err()))
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// keepSaying says things until it is told to stop.
func (f *topology) keepSaying() (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-end:
				return
			default:
				f.say(1)
			}
		}
	}()
	return func() { close(end); <-done }
}

// settle waits until nothing is open.
func (f *topology) settle() {
	f.t.Helper()
	f.insist(func(ctx context.Context) error {
		counts, err := f.store.Counts(ctx)
		if err == nil && counts[desk.Accepted] > 0 {
			err = fmt.Errorf("%d messages are open", counts[desk.Accepted])
		}
		return err
	})
	f.insist(func(ctx context.Context) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if n := len(f.chat.Sent()); n < f.answered {
			return fmt.Errorf("%d of %d answers were told", n, f.answered)
		}
		return nil
	})
}

// tasks is how many tasks the queue saw done since Redis was last empty, as its
// inspector tells: that finds the queue again after a flush.
func (f *topology) tasks() (n int) {
	f.t.Helper()
	inspector := asynq.NewInspector(f.broker.AsynqOpt())
	defer inspector.Close()
	f.insist(func(context.Context) error {
		info, err := inspector.GetQueueInfo("intake")
		if err == nil {
			n = info.ProcessedTotal
		}
		return err
	})
	return n
}

// answerSome lets an agent answer tickets.
func (f *topology) answerSome(n int) {
	f.t.Helper()
	tickets, _, err := f.store.Tickets(f.t.Context(), desk.TicketFilter{Limit: n})
	if err != nil || len(tickets) < n {
		f.t.Fatalf("%d tickets, %v", len(tickets), err)
	}
	for _, k := range tickets {
		f.mu.Lock()
		text := fmt.Sprint("answer ", f.answered)
		f.answered++
		f.mu.Unlock()
		body, err := json.Marshal(map[string]any{"content": text, "isPublic": true})
		if err != nil {
			f.t.Fatal(err)
		}
		f.ask(f.key, "POST", "/v1/tickets/"+string(k.ID)+"/comments", string(body)).want(f.t, 201)
	}
}

// count: every message once, three on a ticket, every answer once.
func (f *topology) count() {
	f.t.Helper()
	said, tickets := map[string]int{}, 0
	for cursor := ""; ; {
		page, next, err := f.store.Tickets(f.t.Context(), desk.TicketFilter{Limit: desk.MaxPage, Cursor: cursor})
		if err != nil {
			f.t.Fatal(err)
		}
		for _, k := range page {
			tickets++
			messages, _, err := f.store.Messages(f.t.Context(), k.ID, desk.MaxPage, "", false)
			if err != nil || len(messages) == 0 {
				f.t.Fatalf("ticket %d has %d messages: %v", k.Number, len(messages), err)
			}
			for _, m := range messages {
				if m.Direction == desk.Inbound {
					said[m.Text]++
				}
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	for id := range f.sent {
		if n := said[topologyText(id)]; n != 1 {
			f.t.Errorf("message %d is %d entries", id, n)
		}
	}
	told := map[string]int{}
	for _, s := range f.chat.Sent() {
		told[s.Text]++
	}
	for id := range f.answered {
		if n := told[fmt.Sprint("answer ", id)]; n != 1 {
			f.t.Errorf("answer %d was told %d times", id, n)
		}
	}
	if want := (f.sent + 2) / 3; tickets != want || len(said) != f.sent {
		f.t.Errorf("%d tickets, want %d; %d messages of %d", tickets, want, len(said), f.sent)
	}
	f.t.Logf("%s: %d messages, %d tickets, %d answers: each once", f.broker.Describe(), f.sent, tickets, f.answered)
}
