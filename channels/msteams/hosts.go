package msteams

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"switchboard/pipeline/desk"
)

// hosts is an allow-list. It is the only place that says where a request whose
// address came from outside may go.
type hosts []hostPattern

type hostPattern struct {
	name string // lower case; for a wildcard the part after "*", with its dot
	wild bool
	port string // "": the scheme's own, or any on this machine
}

func parseHosts(key string, list []string) (hosts, error) {
	var out hosts
	for i, s := range list {
		p := hostPattern{name: strings.ToLower(strings.TrimSpace(s))}
		if h, port, err := net.SplitHostPort(p.name); err == nil {
			p.name, p.port = h, port
		}
		p.name = strings.Trim(p.name, "[]")
		if rest, ok := strings.CutPrefix(p.name, "*"); ok {
			p.name, p.wild = rest, true
		}
		body := strings.TrimPrefix(p.name, ".")
		_, notIP := netip.ParseAddr(body)
		_, notPort := strconv.ParseUint(p.port, 10, 16)
		switch {
		case p.port != "" && notPort != nil:
			return nil, desk.Invalidf(fmt.Sprintf("%s[%d]", key, i), "must be a host such as example.com, without https://")
		case body == "" || strings.ContainsAny(body, "*/@ \t") || notIP != nil && strings.Contains(body, ":"):
			return nil, desk.Invalidf(fmt.Sprintf("%s[%d]", key, i), "must be a host such as example.com, *.example.com or 127.0.0.1:8080")
		case p.wild && (!strings.HasPrefix(p.name, ".") || !strings.Contains(body, ".")):
			return nil, desk.Invalidf(fmt.Sprintf("%s[%d]", key, i), "a star stands for the first part of a name: *.example.com")
		}
		out = append(out, p)
	}
	return out, nil
}

// errHost: a request would go where it may not.
var errHost = errors.New("its host is not allowed")

// check parses an address that came from outside and refuses it unless its host
// is on the list: https only, or http on this machine; no user, no odd port.
func (h hosts) check(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, errors.New("it is no web address")
	}
	if !safeScheme(u) || u.User != nil {
		return nil, errors.New("it is not a plain https address")
	}
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	for _, p := range h {
		if p.matches(name) && p.allowsPort(u) {
			return u, nil
		}
	}
	return nil, errHost
}

func (p hostPattern) matches(name string) bool {
	if p.wild {
		return strings.HasSuffix(name, p.name) && len(name) > len(p.name)
	}
	return name == p.name
}

func (p hostPattern) allowsPort(u *url.URL) bool {
	port := u.Port()
	switch {
	case p.port != "":
		return port == p.port || port == "" && p.port == map[string]string{"https": "443", "http": "80"}[u.Scheme]
	case port == "" || u.Scheme == "https" && port == "443":
		return true
	}
	return isLoopback(u.Hostname())
}

// literal reports whether a host is written out on a list, which is what allows
// it to be at a private address.
func (h hosts) literal(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	for _, p := range h {
		if !p.wild && p.name == name {
			return true
		}
	}
	return false
}

func safeScheme(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// guarded is a transport for addresses from outside: it connects to no private
// address, whatever a name resolves to, except for hosts written out on a list.
// It uses no proxy, which would resolve names out of our sight.
func guarded(lists ...hosts) *http.Transport {
	plain := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	strict := *plain
	strict.Control = func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		ip, err := netip.ParseAddr(host)
		if err != nil || !isPublic(ip) {
			return errors.New("the name leads to a private address")
		}
		return nil
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		for _, l := range lists {
			if l.literal(host) {
				return plain.DialContext(ctx, network, address)
			}
		}
		return strict.DialContext(ctx, network, address)
	}
	t.MaxIdleConnsPerHost = 16
	return t
}

// reserved are the ranges of the IANA special-purpose registries (RFC 6890) that
// netip has no word for.
var reserved = func() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16", "fec0::/10"} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

var nat64 = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last four bytes are an IPv4 address

func isPublic(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

// noRedirect takes a redirect as the answer: nothing here is ever sent on to
// another address.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
