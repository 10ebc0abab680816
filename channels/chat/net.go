package chat

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// mayFetch reports whether a file may be fetched from a URL: https, at a host
// of the preset or the config. A URL in a message is a stranger's word.
func (s *settings) mayFetch(u *url.URL) bool {
	if u.Scheme != "https" || u.User != nil || u.Port() != "" && u.Port() != "443" {
		return false
	}
	return s.allowed(u.Hostname())
}

func (s *settings) allowed(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, h := range s.Attachments.Hosts {
		h = strings.ToLower(h)
		if tail, ok := strings.CutPrefix(h, "*"); ok && strings.HasSuffix(host, tail) || h == host {
			return true
		}
	}
	return false
}

// onlyAllowed refuses redirects that leave the hosts.
func (s *settings) onlyAllowed(r *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("too many redirects")
	}
	if !s.mayFetch(r.URL) {
		return errElsewhere
	}
	return nil
}

// noRedirect makes a redirect an answer: where a secret goes is configuration.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// plain is the transport to a service the config names.
func plain() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return t
}

// guarded is a transport that connects to no private address, whatever a name
// resolves to, and through no proxy.
func guarded() *http.Transport {
	t := plain()
	t.Proxy = nil
	t.DialContext = (&net.Dialer{Timeout: 10 * time.Second, Control: onlyPublic}).DialContext
	return t
}

// onlyPublic refuses a connection by the address it really goes to.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := ap.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() {
		return fmt.Errorf("%w: a private address", errElsewhere)
	}
	for _, p := range special {
		if p.Contains(ip) {
			return fmt.Errorf("%w: a private address", errElsewhere)
		}
	}
	return nil
}

var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),  // RFC 6890
	netip.MustParsePrefix("198.18.0.0/15"), // RFC 2544
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), // RFC 6052
	netip.MustParsePrefix("2002::/16"),    // RFC 3056
}

// noURL drops the address of a request from its error: it may hold a secret.
func noURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
