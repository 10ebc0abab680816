package msteams

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

func TestSettings(t *testing.T) {
	const good = "appID: app\nappPassword: ${BOT}\n"
	check := func(lines string) error {
		b, err := blockOf(t, lines)
		if err != nil {
			return err
		}
		return Kind().Check(b)
	}
	if err := check(good); err != nil {
		t.Fatal(err)
	}
	for lines, says := range map[string]string{
		"appPassword: ${BOT}\n":                                  "appID",
		"appID: \"\"\nappPassword: ${BOT}\n":                     "appID",
		"appID: a b\nappPassword: ${BOT}\n":                      "appID",
		"appID: app\n":                                           "appPassword",
		"appID: app\nappPassword: plain\n":                       "appPassword",
		good + "tenantID: a/b\n":                                 "tenantID",
		good + "issuers: []\n":                                   "issuers",
		good + "audiences: [\"\"]\n":                             "audiences[0]",
		good + "tenants: [a, \" \"]\n":                           "tenants[1]",
		good + "metadataURLs: [\"http://login.example.com/\"]\n": "metadataURLs[0]",
		good + "tokenURL: http://10.0.0.1/token\n":               "tokenURL",
		good + "tokenURL: https://user@login.example.com/\n":     "tokenURL",
		good + "tokenURL: login\n":                               "tokenURL",
		good + "scope: \"\"\n":                                   "scope",
		good + "serviceURLHosts: []\n":                           "serviceURLHosts",
		good + "serviceURLHosts: [\"*\"]\n":                      "serviceURLHosts[0]",
		good + "serviceURLHosts: [\"*.com\"]\n":                  "serviceURLHosts[0]",
		good + "serviceURLHosts: [\"https://a.example\"]\n":      "serviceURLHosts[0]",
		good + "fileHosts: [\"a.*.example\"]\n":                  "fileHosts[0]",
		good + "bodyBytes: 1KB\n":                                "bodyBytes",
		good + "fileBytes: 2GB\n":                                "fileBytes",
		good + "files: -1\n":                                     "files",
		good + "messageBytes: 2MB\n":                             "messageBytes",
		good + "window: -1h\n":                                   "window",
		good + "rate: { perSecond: 5, burst: 0 }\n":              "rate.burst",
		good + "rate: { perSecond: -1 }\n":                       "rate.perSecond",
		good + "trustedProxies: [10.0.0.0/33]\n":                 "trustedProxies[0]",
		good + "timeouts: { files: 0s }\n":                       "timeouts.files",
		good + "apID: x\n":                                       "apID",
	} {
		if err := check(lines); err == nil || !strings.Contains(err.Error(), strings.SplitN(says, "[", 2)[0]) {
			t.Errorf("%q: %v", lines, err)
		}
	}
	if _, err := Kind().Open(channels.Config{Source: desk.Source{Name: "x"}, Block: block(t, "appPassword: ${BOT}\n")}); err == nil {
		t.Error("opened without an app ID")
	}
	if _, err := Kind().Open(channels.Config{Source: desk.Source{Name: "x"}}); err == nil {
		t.Error("opened without settings")
	}
}

func TestDefaults(t *testing.T) {
	s, err := load(block(t, "appID: app\nappPassword: ${BOT}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s.TokenURL != "https://login.microsoftonline.com/botframework.com/oauth2/v2.0/token" || len(s.Tenants) != 0 || s.Audiences[0] != "app" || s.AppPassword != "bot-password" {
		t.Errorf("%+v", s)
	}
	s, err = load(block(t, "appID: app\nappPassword: ${BOT}\ntenantID: 7e1a\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s.TokenURL != "https://login.microsoftonline.com/7e1a/oauth2/v2.0/token" || len(s.Tenants) != 1 || s.Tenants[0] != "7e1a" {
		t.Errorf("single tenant: %+v", s)
	}
	if r := (&adapter{Config: channels.Config{Source: desk.Source{Name: "chat"}}}).Routes(); len(r) != 1 || r[0].Pattern != "POST /hooks/msteams/chat/messages" {
		t.Errorf("routes %+v", r)
	}
}

func TestHosts(t *testing.T) {
	list, err := parseHosts("x", []string{"*.trafficmanager.net", "Exact.example", "ports.example:8443", "127.0.0.1:9000", "localhost", "[::1]:7000"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"https://smba.trafficmanager.net/emea/":     true,
		"https://a.b.TrafficManager.NET/x":          true,
		"https://smba.trafficmanager.net./x":        true,
		"https://smba.trafficmanager.net:443/":      true,
		"https://smba.trafficmanager.net:444/":      false,
		"http://smba.trafficmanager.net/":           false,
		"https://trafficmanager.net/":               false,
		"https://eviltrafficmanager.net/":           false,
		"https://smba.trafficmanager.net.evil.org/": false,
		"https://smba.trafficmanager.net@evil.org/": false,
		"https://u:p@smba.trafficmanager.net/":      false,
		"https://evil.org/smba.trafficmanager.net":  false,
		"https://evil.org\\.trafficmanager.net/":    false,
		"https://exact.example/":                    true,
		"https://www.exact.example/":                false,
		"https://ports.example:8443/":               true,
		"https://ports.example/":                    false,
		"http://127.0.0.1:9000/":                    true,
		"http://127.0.0.1:9001/":                    false,
		"http://127.0.0.2:9000/":                    false,
		"http://localhost:1234/":                    true,
		"http://[::1]:7000/":                        true,
		"http://[::1]:7001/":                        false,
		"ftp://exact.example/":                      false,
		"//exact.example/":                          false,
		"exact.example":                             false,
		"https:exact.example":                       false,
		"https:///x":                                false,
		"":                                          false,
		"https://exact.example\n/":                  false,
	} {
		if _, err := list.check(address); (err == nil) != want {
			t.Errorf("%q: %v, want allowed %v", address, err, want)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"52.112.0.1": true, "2603:1063::1": true, "8.8.8.8": true, "64:ff9b::808:808": true,
		"127.0.0.1": false, "10.0.0.1": false, "172.16.5.5": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false, "240.0.0.1": false,
		"::": false, "::1": false, "fe80::1": false, "fc00::1": false, "fec0::1": false, "ff02::1": false, "::ffff:10.0.0.1": false,
		"64:ff9b::a00:1": false, "2002:a00:1::": false, "2001:db8::1": false,
	} {
		if got := isPublic(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

// TestGuard: a name on the list that leads to this machine is not followed,
// unless it is written out.
func TestGuard(t *testing.T) {
	get := func(list ...string) error {
		allowed, err := parseHosts("x", list)
		if err != nil {
			t.Fatal(err)
		}
		transport := guarded(allowed)
		defer transport.CloseIdleConnections()
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://localhost:1/", nil)
		res, err := transport.RoundTrip(req)
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	if err := get("*.example.com"); err == nil || !strings.Contains(err.Error(), "private address") {
		t.Errorf("not written out: %v", err)
	}
	if err := get("localhost"); err == nil || strings.Contains(err.Error(), "private address") {
		t.Errorf("written out: %v", err)
	}
}
