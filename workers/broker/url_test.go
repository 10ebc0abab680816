package broker_test

import (
	"reflect"
	"strings"
	"testing"

	"switchboard/workers/broker"
)

func TestParseURL(t *testing.T) {
	cases := []struct {
		url string
		tls bool
		o   broker.Options
	}{
		{"auto", false, broker.Options{Mode: broker.Auto}},
		{" Embedded ", false, broker.Options{Mode: broker.Embedded}},
		{"spawn", false, broker.Options{Mode: broker.Spawn}},
		{"redis://localhost", false, broker.Options{Mode: broker.Single, Addrs: []string{"localhost:6379"}}},
		{"redis://:p%40ss%2Fw@r.example:7000/3", false, broker.Options{Mode: broker.Single, Addrs: []string{"r.example:7000"}, Password: "p@ss/w", DB: 3}},
		{"rediss://me:se:cret@10.0.0.1?pool=7&db=2", true, broker.Options{Mode: broker.Single, Addrs: []string{"10.0.0.1:6379"}, Username: "me", Password: "se:cret", DB: 2, PoolSize: 7}},
		{"redis://[::1]:6380", false, broker.Options{Mode: broker.Single, Addrs: []string{"[::1]:6380"}}},
		{"redis://[::1]", false, broker.Options{Mode: broker.Single, Addrs: []string{"[::1]:6379"}}},
		{"unix:///run/my%20redis/r.sock?db=1", false, broker.Options{Mode: broker.Single, Addrs: []string{"/run/my redis/r.sock"}, DB: 1}},
		{"redis+unix://:pw@/run/r.sock", false, broker.Options{Mode: broker.Single, Addrs: []string{"/run/r.sock"}, Password: "pw"}},
		{"redis-sentinel://:pw@a:1,b,c:3/mymaster/4?sentinel_password=x", false, broker.Options{Mode: broker.Sentinel,
			Addrs: []string{"a:1", "b:26379", "c:3"}, MasterName: "mymaster", Password: "pw", DB: 4, SentinelPassword: "x"}},
		{"rediss-sentinel://a?master=m", true, broker.Options{Mode: broker.Sentinel, Addrs: []string{"a:26379"}, MasterName: "m"}},
		{"redis-cluster://a:1,b:2", false, broker.Options{Mode: broker.Cluster, Addrs: []string{"a:1", "b:2"}}},
		{"rediss-cluster://a", true, broker.Options{Mode: broker.Cluster, Addrs: []string{"a:6379"}}},
	}
	for _, c := range cases {
		got, err := broker.ParseURL(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if (got.TLS != nil) != c.tls {
			t.Errorf("%s: TLS = %v", c.url, got.TLS)
		}
		got.TLS = nil
		if !reflect.DeepEqual(got, c.o) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.url, got, c.o)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	cases := []struct{ url, say string }{
		{"", "want auto"},
		{"localhost:6379", "want auto"},
		{"http://localhost", "unknown scheme"},
		{"redis://", "host is missing"},
		{"redis://:hunter2@", "host is missing"},
		{"redis://a:1,b:2", "redis-sentinel or redis-cluster"},
		{"redis://a:port", "number from 1"},
		{"redis://a:0", "number from 1"},
		{"redis://a:70000", "number from 1"},
		{"redis://::1", "brackets"},
		{"redis://:hunter2%zz@a", "two hex digits"},
		{"redis://:hunter2#x@a", "%23"},
		{"redis://a/first", "database must be a number"},
		{"redis://a/-1", "database must be a number"},
		{"redis://a?db=1&db=2", "2 times"},
		{"redis://a?timeout=5", "unknown setting"},
		{"redis://a?master=m", "redis-sentinel"},
		{"redis://a?sentinel_user=m", "redis-sentinel"},
		{"redis://a?pool=0", "at least 1"},
		{"redis-sentinel://a", "master's name"},
		{"redis-cluster://a/1", "no database but 0"},
		{"unix://host/path", "absolute path"},
		{"unix://", "absolute path"},
	}
	for _, c := range cases {
		got, err := broker.ParseURL(c.url)
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%q: got %v, %v; want an error with %q", c.url, got, err, c.say)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error tells the password: %v", c.url, err)
		}
	}
}

// FuzzParseURL: whatever somebody writes into the config, there is no crash,
// and what is accepted can be opened.
func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"auto", "redis://u:p@h:1/2?pool=3", "redis-sentinel://a:1,[::1]:2/m/0", "unix:///x?db=1", "redis://%41@[::]:9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := broker.ParseURL(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "broker: ") {
				t.Fatalf("error without its place: %v", err)
			}
			return
		}
		local := o.Mode == broker.Auto || o.Mode == broker.Embedded || o.Mode == broker.Spawn
		if local != (len(o.Addrs) == 0) {
			t.Fatalf("mode %s with addresses %q", o.Mode, o.Addrs)
		}
		for _, addr := range o.Addrs {
			if addr == "" {
				t.Fatalf("empty address in %q", o.Addrs)
			}
		}
		if o.DB < 0 || o.PoolSize < 0 || (o.Mode == broker.Sentinel && o.MasterName == "") {
			t.Fatalf("accepted %+v", o)
		}
	})
}
