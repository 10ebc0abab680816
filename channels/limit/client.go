package limit

import (
	"net/http"
	"net/netip"
	"strings"
)

// ClientAddr is who sends a request: the connection's address, or, when that is
// a proxy of ours, the nearest address in X-Forwarded-For that is not. The
// network of an IPv6 address (its first 64 bits) stands for all its hosts. It is
// the zero address when the connection has none.
func ClientAddr(r *http.Request, proxies []netip.Prefix) netip.Addr {
	conn, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a := conn.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(a, proxies); i-- {
		next, ok := hop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		a = next.Unmap()
	}
	a = a.WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		a = p.Addr()
	}
	return a
}

// hop reads an address of X-Forwarded-For. Some proxies write the port beside it.
func hop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a, true
	}
	a, err := netip.ParseAddrPort(s)
	return a.Addr(), err == nil
}

// Network reads an address of the config, or a network such as 10.0.0.0/8.
func Network(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

func within(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
