package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// BenchmarkWritePath takes signed webhooks from the socket to the committed
// ticket, with ten rules, four routes and two SLAs, all roles in this process and
// the generator beside them: the guard of the write path. An iteration is a
// thousand messages. It reports what the same Redis does with empty tasks in the
// same run.
//
//	go test ./cmd/switchboard -run '^$' -bench WritePath -benchtime 12x -cpuprofile cpu.out
func BenchmarkWritePath(b *testing.B) {
	b.Run("postgres", func(b *testing.B) {
		dsn := pgtest.New(b)
		benchWritePath(b, brokertest.Redis(b), dsn, postmaster(b, dsn))
	})
	b.Run("embedded", func(b *testing.B) { benchWritePath(b, broker.Options{Mode: broker.Embedded}, "", 0) })
}

// writePath is one run of the write path.
type writePath struct {
	*house
	addr string
}

func benchWritePath(b *testing.B, redis broker.Options, dsn string, postmaster int) {
	dir := b.TempDir()
	p := place{Config: filepath.Join(dir, "switchboard.yaml"), Data: dir}
	secrets := map[string]string{"HOOK": benchSecret, "DB": dsn, "REDIS": redis.Password}
	env := func(name string) (string, bool) { s, ok := secrets[name]; return s, ok }
	config := "redis: { mode: embedded }\n"
	if dsn != "" {
		config = fmt.Sprintf("database: { url: \"${DB}\" }\nredis: { mode: single, addrs: [%q], password: \"${REDIS}\" }\n", redis.Addrs[0])
	}
	if err := os.WriteFile(p.Config, []byte(config+os.Getenv("SWITCHBOARD_BENCH_CONFIG")+benchPolicy()), 0o600); err != nil {
		b.Fatal(err)
	}
	h, err := open(b.Context(), p, streams{strings.NewReader(""), io.Discard, os.Stderr, env})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(h.close)
	ctx, stop := context.WithCancel(b.Context())
	up, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- h.serve(ctx, "127.0.0.1:0", func(addr string) { up <- addr }) }()
	l := &writePath{house: h}
	select {
	case l.addr = <-up:
	case err := <-done:
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Errorf("serve ended with %v", err)
		}
	})

	const each = 1000
	requests := benchRequests(b.N*each, 0)
	warm := benchRequests(2*each, 1)
	l.drive(b, warm, 2*each)
	noop := benchNoop(b, h.broker.AsynqOpt(), 4000)
	runtime.GC()
	before, books := cpuTime(0), cpuTime(postmaster)
	b.ResetTimer()
	acks, stored := l.drive(b, requests, (b.N+2)*each)
	b.StopTimer()
	own, books := cpuTime(0)-before, cpuTime(postmaster)-books
	noop = (noop + benchNoop(b, h.broker.AsynqOpt(), 4000)) / 2
	n := float64(b.N * each)
	rate := n / stored.Seconds()
	b.ReportMetric(n/acks.Seconds(), "acks/s")
	b.ReportMetric(rate, "stored/s")
	b.ReportMetric(noop, "noop/s")
	b.ReportMetric(rate/noop, "stored/noop")
	b.ReportMetric(own.Seconds()/n*1e6, "go-us/msg")
	if postmaster != 0 {
		b.ReportMetric(books.Seconds()/n*1e6, "pg-us/msg")
	}
	groups, _ := l.registry.Gather()
	for _, f := range groups {
		if f.GetName() == "switchboard_group_size" {
			for _, m := range f.GetMetric() {
				h := m.GetHistogram()
				b.ReportMetric(h.GetSampleSum()/float64(h.GetSampleCount()), m.GetLabel()[0].GetValue()+"-size")
			}
		}
	}
	var m runtime.MemStats
	clear(requests)
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "heap-MB")
}

// drive sends the requests over 64 connections as fast as they are answered, and
// returns when all were answered and when total messages were filed.
func (l *writePath) drive(b *testing.B, requests [][]byte, total int) (acks, stored time.Duration) {
	var next, bad atomic.Int64
	var wait sync.WaitGroup
	start := time.Now()
	for range 64 {
		wait.Go(func() {
			c, err := net.Dial("tcp", l.addr)
			if err != nil {
				bad.Add(1)
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				if _, err := c.Write(requests[i]); err != nil || !answered(r) {
					bad.Add(1)
					return
				}
			}
		})
	}
	wait.Wait()
	acks = time.Since(start)
	if n := bad.Load(); n > 0 {
		b.Fatalf("%d connections broke or heard no", n)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		counts, err := l.store.Counts(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if counts[desk.Filed] == int64(total) {
			return acks, time.Since(start)
		}
		if time.Now().After(deadline) {
			b.Fatalf("want %d filed, the ledger has %v", total, counts)
		}
	}
}

// answered reads one answer and reports whether it was 200.
func answered(r *bufio.Reader) bool {
	first, err := r.ReadString('\n')
	length := 0
	for line := first; err == nil && line != "\r\n"; {
		if line, err = r.ReadString('\n'); strings.HasPrefix(line, "Content-Length: ") {
			length, _ = strconv.Atoi(strings.TrimSpace(line[16:]))
		}
	}
	if err == nil {
		_, err = r.Discard(length)
	}
	return err == nil && strings.HasPrefix(first, "HTTP/1.1 200")
}

const benchSecret = "a secret of the benchmark"

// benchRequests are n signed webhooks of 2 KB: a quarter says more in a
// conversation begun 2000 messages earlier, 5000 people write.
func benchRequests(n, run int) [][]byte {
	words := strings.Fields("the parcel did not arrive and nobody answers please help my order number is wrong since yesterday invoice refund late broken screen")
	out := make([][]byte, n)
	for i := range out {
		thread := i
		if i > 2000 && i%4 == 0 {
			thread = i - 2000
		}
		var text strings.Builder
		for k := i; text.Len() < 1500; k += 7 + k%5 {
			text.WriteString(words[k%len(words)])
			text.WriteByte(' ')
		}
		body, _ := json.Marshal(map[string]any{
			"id": fmt.Sprintf("m-%d-%08d", run, i), "conversation": fmt.Sprintf("c-%d-%08d", run, thread), "at": 1767225600 + i,
			"author": map[string]any{"id": fmt.Sprintf("u%d", thread*7%5000), "name": fmt.Sprintf("Person %d", thread*7%5000), "email": fmt.Sprintf("p%d@example%d.com", thread*7%5000, thread%100)},
			"topic":  words[thread%len(words)] + " " + words[thread/3%len(words)], "text": text.String(), "kind": "message",
		})
		mac := hmac.New(sha256.New, []byte(benchSecret))
		mac.Write(body)
		out[i] = fmt.Appendf(nil, "POST /hooks/chat/shop HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nX-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
			hex.EncodeToString(mac.Sum(nil)), len(body), body)
	}
	return out
}

// benchPolicy is a config of ten rules, four routes, two SLAs and eight teams.
func benchPolicy() string {
	var s strings.Builder
	s.WriteString(`
limits: { pending: 50000 }
log: { level: warn }
calendars:
  - name: office
    timezone: Europe/Berlin
    hours: { weekdays: ["09:00-17:00"], weekend: [] }
    holidays: { region: de }
sources:
  - name: shop
    channel: chat
    chat:
      signature: { scheme: hmac, secret: "${HOOK}", header: X-Signature }
      mapping:
        id: body.id
        thread: body.conversation
        from: body.author.id
        fromName: body.author.name
        email: body.author.email
        subject: body.topic
        text: body.text
        sentAt: body.at
slas:
  - { name: urgent, when: 'priority == "URGENT"', targets: { firstResponse: 1h, resolution: 8h } }
  - { name: standard, targets: { firstResponse: 4h, resolution: 16h } }
agents:
`)
	for n := range 8 {
		fmt.Fprintf(&s, "  - { id: agent%d, name: Agent %d, email: agent%d@desk.example }\n", n, n, n)
	}
	s.WriteString("teams:\n")
	for n := range 8 {
		fmt.Fprintf(&s, "  - { id: team%d, members: [agent%d, agent%d], strategy: round_robin, calendar: office }\n", n, n, (n+1)%8)
	}
	s.WriteString(`rules:
  - { name: newsletters, when: 'channel == "email" and auto and "list-unsubscribe" in headers', then: { drop: a newsletter }, stop: true }
  - { name: files, on: any, when: attachments > 200, then: { hold: too many files } }
  - { name: outage, when: 'subject matches "(?i)\\b(down|outage|ausfall)\\b"', then: { priority: URGENT, tags: [outage] } }
  - { name: refund, when: 'icontains(text, "refund") and icontains(subject, "refund")', then: { tags: [refund], priority: HIGH } }
  - { name: late, when: 'subject contains "late"', then: { tags: [late] } }
  - { name: vip, on: any, when: customer.vip, then: { priority: HIGH, tags: [vip] } }
  - { name: company, when: 'fromDomain in ["acme.com", "acme.de"]', then: { tags: [acme] } }
  - { name: out of hours, when: not inHours, then: { tags: [night] } }
  - { name: mailbox, when: 'channel == "email" and has(to, "billing@example.com")', then: { team: team7 } }
  - { name: invoice, when: 'subject contains "invoice" or text contains "invoice number"', then: { tags: [invoice] } }
routes:
  - { name: parcels, when: 'subject contains "parcel"', team: team1 }
  - { name: orders, when: 'subject matches "(?i)order|number"', team: team2 }
  - { name: hardware, when: 'has(tags, "broken") or subject contains "screen"', team: team3 }
  - { name: slack, when: 'channel == "slack"', team: team4 }
`)
	return s.String()
}

// benchNoop is how many empty tasks of 2 KB a second the queue moves one by one,
// enqueued by 16 goroutines and handled by 10.
func benchNoop(b *testing.B, opt asynq.RedisConnOpt, n int) float64 {
	client := asynq.NewClient(opt)
	defer client.Close()
	var left sync.WaitGroup
	left.Add(n)
	srv := asynq.NewServer(opt, asynq.Config{Concurrency: 10, Queues: map[string]int{"noop": 1}, TaskCheckInterval: 10 * time.Millisecond, LogLevel: asynq.FatalLevel})
	if err := srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { left.Done(); return nil })); err != nil {
		b.Fatal(err)
	}
	defer srv.Shutdown()
	payload := []byte(strings.Repeat("0123456789abcdef", 128))
	start := time.Now()
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for range n / 16 {
				if _, err := client.Enqueue(asynq.NewTask("noop", payload), asynq.Queue("noop")); err != nil {
					b.Error(err)
				}
			}
		})
	}
	senders.Wait()
	left.Wait()
	return float64(n) / time.Since(start).Seconds()
}

// postmaster is the process ID of the server behind dsn.
func postmaster(b *testing.B, dsn string) int {
	c, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(b.Context())
	var pid int
	err = c.QueryRow(b.Context(), "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int").Scan(&pid)
	if err != nil {
		b.Logf("the database's share of the CPU is not measured: %v", err)
	}
	return pid
}

// cpuTime is the processor time this process (0), or a process and its children,
// have used.
func cpuTime(pid int) time.Duration {
	if pid == 0 {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	var ticks int64
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if len(f) < 15 {
			continue
		}
		if self := filepath.Base(filepath.Dir(file)); f[1] != strconv.Itoa(pid) && self != strconv.Itoa(pid) {
			continue
		}
		most := 13
		if f[1] != strconv.Itoa(pid) { // the parent counts children that ended
			most = 15
		}
		for _, n := range f[11:most] {
			t, _ := strconv.ParseInt(n, 10, 64)
			ticks += t
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
