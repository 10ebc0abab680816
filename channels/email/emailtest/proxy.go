package emailtest

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"switchboard/workers/broker/program"
)

// Proxy passes TCP connections on to a server and does to them what networks
// do. A fault holds for open and for later connections until Heal, or until
// another one of the same kind and direction takes its place. Down is what the
// server sends us, up is what we send.
//
// Methods are called from one goroutine.
type Proxy struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
}

// ProxyLeaks lets a goleak check pass over goroutines that toxiproxy 2.5.0 never
// ends: when it has cut a connection, the ones that held further bytes wait for
// ever to hand them on.
func ProxyLeaks() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
	}
}

// CutProxy starts a proxy in front of upstream (host:port), with no fault yet.
func CutProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{t: t}
	for try := 0; ; try++ { // a port that stays free when it is severed
		p.proxy = toxiproxy.NewProxy(server, "cut", net.JoinHostPort("127.0.0.1", strconv.Itoa(program.FreePort())), upstream)
		err := p.proxy.Start()
		if err == nil {
			break
		}
		if try == 4 {
			t.Fatalf("emailtest: proxy: %v", err)
		}
	}
	t.Cleanup(func() {
		p.proxy.Toxics.ResetToxics(context.Background())
		p.proxy.Stop()
	})
	return p
}

// Addr is where to connect instead of the server. It stays the same after Sever
// and Restore.
func (p *Proxy) Addr() string { return p.proxy.Listen }

// CutAfter closes each connection when n more bytes have come down, which may
// be in the middle of a literal. Both sides see an orderly end (FIN).
func (p *Proxy) CutAfter(n int64) { p.t.Helper(); p.add("limit_data", "downstream", "bytes", n) }

// CutUploadAfter closes each connection when n more bytes have gone up.
func (p *Proxy) CutUploadAfter(n int64) { p.t.Helper(); p.add("limit_data", "upstream", "bytes", n) }

// BlackHole swallows everything in both directions and leaves connections
// open: a half-open link, on which nothing ever fails.
func (p *Proxy) BlackHole() {
	p.t.Helper()
	p.add("timeout", "downstream", "timeout", 0)
	p.add("timeout", "upstream", "timeout", 0)
}

// BlackHoleDown swallows only what comes down: the server does what it is told
// and we never hear of it.
func (p *Proxy) BlackHoleDown() { p.t.Helper(); p.add("timeout", "downstream", "timeout", 0) }

// Latency delays everything that comes down.
func (p *Proxy) Latency(delay time.Duration) {
	p.t.Helper()
	p.add("latency", "downstream", "latency", delay.Milliseconds())
}

// Throttle lets kilobytes a second come down.
func (p *Proxy) Throttle(kilobytes int64) {
	p.t.Helper()
	p.add("bandwidth", "downstream", "rate", kilobytes)
}

// Reset ends every later connection with a TCP reset as soon as the server
// says a word.
func (p *Proxy) Reset() { p.t.Helper(); p.add("reset_peer", "downstream", "timeout", 0) }

// Heal takes all faults away. Connections that a black hole held are closed,
// since bytes of theirs are lost.
func (p *Proxy) Heal() { p.proxy.Toxics.ResetToxics(context.Background()) }

// Sever closes all connections and refuses new ones until Restore.
func (p *Proxy) Sever() { p.proxy.Stop() }

// Restore takes connections again, at the same address.
func (p *Proxy) Restore() {
	p.t.Helper()
	if err := p.proxy.Start(); err != nil {
		p.t.Fatalf("emailtest: proxy: %v", err)
	}
}

// add puts a fault in place of the one of the same kind and direction.
func (p *Proxy) add(kind, direction, attribute string, value int64) {
	p.t.Helper()
	name := kind + "_" + direction
	// The only error is that there is none yet.
	_ = p.proxy.Toxics.RemoveToxic(context.Background(), name)
	text, err := json.Marshal(map[string]any{
		"name": name, "type": kind, "stream": direction, "toxicity": 1.0, "attributes": map[string]int64{attribute: value},
	})
	if err == nil {
		_, err = p.proxy.Toxics.AddToxicJson(strings.NewReader(string(text)))
	}
	if err != nil {
		p.t.Fatalf("emailtest: proxy: %v", err)
	}
}
