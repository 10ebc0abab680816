//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// The network of the chaos run. Every process reaches every server through a
// proxy of its own, so that a fault can hit one pair, one server for everybody,
// or one process with all its servers.
//
// toxiproxy works on streams and cannot lose packets; what loss does to a
// connection is played by connections that are reset, end in the middle, are
// swallowed whole, or close slowly.

// The servers of the fleet, as the network names them.
const (
	toBooks    = "postgres"
	toRedis    = "redis" // each node has a proxy of its own
	toSentinel = "sentinel"
	toMailbox  = "imap"
	toPost     = "smtp"
	toSlack    = "slack"
	toTeams    = "teams"
	toChat     = "chat"
	toDoor     = "http" // the customers' way to a web process
)

// wire is a proxy of one pair. Its methods may be called by many goroutines.
type wire struct {
	role, server string
	listen       string
	upstream     string

	mu    sync.Mutex
	proxy *toxiproxy.Proxy
	down  bool // cut
}

var chaosToxics = func() *toxiproxy.ApiServer {
	zerolog.SetGlobalLevel(zerolog.Disabled) // one of the toxics writes to a logger nobody gave it
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
}()

// newWire lays a wire at a port that no other program is given by chance.
func newWire(role, server, upstream string) (*wire, error) {
	w := &wire{role: role, server: server, upstream: upstream}
	for range 50 {
		w.listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(chaosPort()))
		w.proxy = toxiproxy.NewProxy(chaosToxics, w.name(), w.listen, upstream)
		if err := w.proxy.Start(); err == nil {
			return w, nil
		}
	}
	return nil, fmt.Errorf("no port for the wire %s", w.name())
}

func (w *wire) name() string { return w.role + "-" + w.server }

func (w *wire) port() string { _, p, _ := net.SplitHostPort(w.listen); return p }

// add puts a fault on the wire. up is what the role sends, down what it hears.
func (w *wire) add(kind, stream string, attributes map[string]int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, err := json.Marshal(map[string]any{"type": kind, "stream": stream + "stream", "toxicity": 1.0, "attributes": attributes})
	if err != nil {
		return err
	}
	p := w.proxy
	return w.within(func() error {
		_, err := p.Toxics.AddToxicJson(bytes.NewReader(text))
		if errors.Is(err, toxiproxy.ErrToxicAlreadyExists) {
			return nil
		}
		return err
	})
}

// cut closes all connections and refuses new ones until heal.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	w.proxy.Stop()
}

// heal takes every fault away. Connections whose bytes were swallowed are
// closed.
func (w *wire) heal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.proxy
	if err := w.within(func() error { p.Toxics.ResetToxics(context.Background()); return nil }); err != nil {
		return err
	}
	if w.down {
		w.down = false
		return w.restart(w.proxy)
	}
	return nil
}

// within bounds what toxiproxy does: it waits for ever for a connection whose
// reader has stopped. Such a proxy is replaced by a new one. The lock is held.
func (w *wire) within(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(5 * time.Second):
	}
	if !w.down {
		w.proxy.Stop()
	}
	w.down = false
	return w.restart(toxiproxy.NewProxy(chaosToxics, w.name(), w.listen, w.upstream))
}

func (w *wire) restart(p *toxiproxy.Proxy) (err error) {
	for range 100 {
		if err = p.Start(); err == nil {
			w.proxy = p
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the wire %s does not come back: %w", w.name(), err)
}

// chaosPorts gives out ports below those that the kernel gives to programs that
// do not ask for one, so that a process that is killed finds its own port free.
var chaosPorts struct {
	sync.Mutex
	next int
}

func chaosPort() int {
	chaosPorts.Lock()
	defer chaosPorts.Unlock()
	if chaosPorts.next == 0 {
		chaosPorts.next = 12000 + int(time.Now().UnixNano()/1000%18000)
	}
	for range 20000 {
		if chaosPorts.next++; chaosPorts.next >= 32000 {
			chaosPorts.next = 12000
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(chaosPorts.next)))
		if err == nil {
			l.Close()
			return chaosPorts.next
		}
	}
	panic("no free port")
}

// oracle stands between one role and the sentinel and tells it of the Redis
// nodes by the addresses of that role's own wires. Ports have five digits on
// both sides, so a line of the protocol keeps its length.
type oracle struct {
	listener net.Listener
	upstream string
	ports    *strings.Replacer

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newOracle(upstream string, ports map[string]string) (*oracle, error) {
	var pairs []string
	for from, to := range ports {
		if len(from) != len(to) {
			return nil, fmt.Errorf("ports %s and %s differ in length", from, to)
		}
		pairs = append(pairs, from, to)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &oracle{listener: l, upstream: upstream, ports: strings.NewReplacer(pairs...), conns: map[net.Conn]bool{}}
	go o.serve()
	return o, nil
}

func (o *oracle) addr() string { return o.listener.Addr().String() }

func (o *oracle) serve() {
	for {
		c, err := o.listener.Accept()
		if err != nil {
			return
		}
		go o.link(c)
	}
}

func (o *oracle) link(c net.Conn) {
	defer c.Close()
	up, err := net.DialTimeout("tcp", o.upstream, 5*time.Second)
	if err != nil {
		return
	}
	defer up.Close()
	if !o.keep(c, up) {
		return
	}
	defer o.drop(c, up)
	go func() {
		_, _ = io.Copy(up, c)
		up.Close()
	}()
	lines := bufio.NewReader(up)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if _, err := io.WriteString(c, o.ports.Replace(line)); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (o *oracle) keep(conns ...net.Conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range conns {
		if o.conns == nil {
			return false
		}
		o.conns[c] = true
	}
	return true
}

func (o *oracle) drop(conns ...net.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range conns {
		delete(o.conns, c)
	}
}

func (o *oracle) close() {
	o.listener.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		c.Close()
	}
	o.conns = nil
}
