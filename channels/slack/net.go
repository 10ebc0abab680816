package slack

import (
	"context"
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

// slackDomains serve Slack's API and files; the token goes nowhere else but to
// the configured apiURL.
var slackDomains = []string{"slack.com", "slack-gov.com", "slack-files.com", "slack-edge.com"}

// mayFetch reports whether a file may be fetched from a URL: https at Slack, or
// the host of apiURL. A URL in an event is a stranger's word: the url_private of
// a remote file is whatever its creator chose.
func mayFetch(apiURL string, u *url.URL) bool {
	api, err := url.Parse(apiURL)
	if err != nil || u == nil || u.User != nil {
		return false
	}
	if u.Scheme == api.Scheme && strings.EqualFold(u.Host, api.Host) {
		return true
	}
	host := strings.ToLower(u.Hostname())
	for _, d := range slackDomains {
		if u.Scheme == "https" && (host == d || strings.HasSuffix(host, "."+d)) && (u.Port() == "" || u.Port() == "443") {
			return true
		}
	}
	return false
}

var errElsewhere = errors.New("the address is not one of Slack's")

// onlyTo refuses redirects that leave Slack.
func onlyTo(apiURL string) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, via []*http.Request) error {
		if len(via) >= 5 {
			return errors.New("too many redirects")
		}
		if !mayFetch(apiURL, r.URL) {
			return fmt.Errorf("redirected: %w", errElsewhere)
		}
		return nil
	}
}

// guarded is a transport that connects to no private address, whatever a name
// resolves to; the host of apiURL, which the operator chose, is free.
func guarded(apiURL string) *http.Transport {
	free := ""
	if u, err := url.Parse(apiURL); err == nil {
		free = u.Host
		if u.Port() == "" {
			free = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
		}
	}
	open := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	public := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: onlyPublic}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.EqualFold(addr, free) {
			return open.DialContext(ctx, network, addr)
		}
		return public.DialContext(ctx, network, addr)
	}
	t.ResponseHeaderTimeout = callTimeout
	t.MaxIdleConnsPerHost = 8
	return t
}

// onlyPublic refuses a connection by the address it really goes to.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := ap.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || carrier.Contains(ip) || nat64.Contains(ip) {
		return fmt.Errorf("refused to connect to a private address: %w", errElsewhere)
	}
	return nil
}

var (
	carrier = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	nat64   = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052
)
