package limit

import (
	"net/http"
	"net/netip"
	"testing"
	"time"
)

// TestTake: a burst at once, then as fast as tokens come.
func TestTake(t *testing.T) {
	now := time.Unix(0, 0)
	b := New[string](Rate{PerSecond: 2, Burst: 3}, 10, Forget)
	for want := 2; want >= 0; want-- {
		if left, _, ok := b.Take("a", now); !ok || left != want {
			t.Errorf("%d left, %t; want %d", left, ok, want)
		}
	}
	for range 2 { // what is refused costs nothing
		if left, wait, ok := b.Take("a", now); ok || left != 0 || wait != 500*time.Millisecond {
			t.Errorf("a fourth at once: %t, %d left, %v", ok, left, wait)
		}
	}
	if _, _, ok := b.Take("b", now); !ok {
		t.Error("another key is refused")
	}
	if _, _, ok := b.Take("a", now.Add(500*time.Millisecond)); !ok {
		t.Error("refused when a token is there")
	}
	if _, wait, ok := New[string](Rate{PerSecond: 1e-9, Burst: 0}, 1, Forget).Take("a", now); ok || wait != time.Hour {
		t.Errorf("%v, %t", wait, ok)
	}
}

const most = 10_000

// fill spends a token of as many new keys as there may be buckets, twice.
func fill(b *Buckets[int], now time.Time) {
	for i := range 2 * most {
		b.Take(i, now)
	}
}

// TestRefuse: strangers cannot make us hold more, nor make us forget who guessed.
func TestRefuse(t *testing.T) {
	now := time.Unix(0, 0)
	b := New[int](Rate{PerSecond: 0.1, Burst: 1}, most, Refuse)
	b.Take(-1, now)
	fill(b, now)
	if len(b.by) != most {
		t.Errorf("%d buckets", len(b.by))
	}
	if _, _, ok := b.Take(-1, now); ok {
		t.Error("the guesser is forgotten")
	}
	if _, wait, ok := b.Take(-2, now); ok || wait != time.Second {
		t.Errorf("a new one in a full table: %t, %v", ok, wait)
	}
	if _, _, ok := b.Take(-2, now.Add(time.Minute)); !ok || len(b.by) != 1 {
		t.Errorf("%t; full buckets stay: %d", ok, len(b.by))
	}
}

// TestForget: a full table lets new keys in, and stays bounded.
func TestForget(t *testing.T) {
	now := time.Unix(0, 0)
	b := New[int](Rate{PerSecond: 0.1, Burst: 1}, most, Forget)
	fill(b, now)
	if _, _, ok := b.Take(-1, now); !ok || len(b.by) > most {
		t.Errorf("%t, %d buckets", ok, len(b.by))
	}
}

// TestFullTableIsSearchedOnceASecond: each search goes through all buckets, and
// strangers say how often a new key comes.
func TestFullTableIsSearchedOnceASecond(t *testing.T) {
	now := time.Unix(100, 0)
	b := New[int](Rate{PerSecond: 10, Burst: 1}, 2, Refuse)
	b.Take(1, now)
	b.Take(2, now)
	b.Take(3, now) // looks in vain
	later := now.Add(999 * time.Millisecond)
	if _, _, ok := b.Take(3, later); ok {
		t.Error("searched again within the second")
	}
	if _, _, ok := b.Take(3, now.Add(time.Second)); !ok {
		t.Error("not searched after a second")
	}
	// A clock that was set back does not keep the table shut.
	b.Take(4, now.Add(time.Second))
	back := now.Add(-time.Hour)
	if _, _, ok := b.Take(5, back); ok || !b.looked.Equal(back) {
		t.Errorf("not searched: %v", b.looked)
	}
}

func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]int{0: 1, time.Millisecond: 1, time.Second: 1, 1001 * time.Millisecond: 2, time.Hour: 3600} {
		if got := RetryAfter(wait); got != want {
			t.Errorf("%v: %d, want %d", wait, got, want)
		}
	}
}

func TestClientAddr(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, c := range []struct {
		conn      string
		forwarded []string
		want      string
	}{
		{"203.0.113.7:1", nil, "203.0.113.7"},
		{"203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"}, // not from a proxy of ours: anyone can write that
		{"192.0.2.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"192.0.2.1:1", []string{"10.0.0.1, 198.51.100.1", "192.0.2.9"}, "198.51.100.1"}, // the nearest that is not ours
		{"192.0.2.1:1", []string{"198.51.100.1, rubbish"}, "192.0.2.1"},
		{"192.0.2.1:1", []string{"198.51.100.1:49152, 192.0.2.9:443"}, "198.51.100.1"}, // as some proxies write it
		{"192.0.2.1:1", []string{"[2001:db8:2:3:4::5]:49152"}, "2001:db8:2:3::"},
		{"192.0.2.1:1", []string{"[2001:db8:2:3:4::5]"}, "2001:db8:2:3::"},
		{"192.0.2.1:1", nil, "192.0.2.1"},
		{"[::ffff:192.0.2.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"[2001:db8:2:3:4::5]:1", nil, "2001:db8:2:3::"}, // a network of IPv6 is one sender
		{"[2001:db8:1::1]:1", []string{"2001:db8:2:3:ffff::1"}, "2001:db8:2:3::"},
		{"[fe80::1%eth0]:1", nil, "fe80::"},
		{"pipe", nil, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.conn, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := ClientAddr(r, proxies).String(); got != c.want {
			t.Errorf("%s, %q: %s, want %s", c.conn, c.forwarded, got, c.want)
		}
	}
}
