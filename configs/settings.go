package configs

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings checks what the types and tags of the schema cannot say.
func (k *compiler) settings() {
	c := k.c
	if msg := hostPort(c.Server.Addr); msg != "" && (k.root == nil || k.bare(place{"server", "addr"}) || c.Server.Addr != "") {
		k.path(place{"server", "addr"}, "addr: %s", msg)
	}
	if s := c.Server.PublicURL; s != "" {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			k.path(place{"server", "publicURL"}, "publicURL must be an address such as https://desk.example.com")
		}
		c.Server.PublicURL = strings.TrimRight(s, "/")
	}
	if s := c.Traces.Endpoint; s != "" {
		if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			k.path(place{"traces", "endpoint"}, "endpoint must be an address such as http://127.0.0.1:4318/v1/traces; what authorizes us goes into headers")
		}
	}
	k.database()
	k.redis()
	if o := c.Retention.Orphans; o != 0 && o < time.Hour {
		k.path(place{"retention", "orphans"}, "orphans must be 0 or at least 1h: bytes are put before the row that needs them")
	}
	if t := c.Retention.Temp; t != "" && !filepath.IsAbs(t) {
		k.path(place{"retention", "temp"}, "temp must be an absolute path of a folder, or empty for the system's")
	}
	at := place{"threading"}
	if c.Threading.MaxAge <= 0 {
		k.path(at.of("maxAge"), "maxAge must be longer than nothing")
	}
	if c.Threading.MaxRefs < 1 || c.Threading.MaxRefs > 1000 {
		k.path(at.of("maxRefs"), "maxRefs must be from 1 to 1000")
	}
}

var schemeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]{1,20}$`)

// settingsForm is the other form of a PostgreSQL DSN, which the store does not know.
var settingsForm = regexp.MustCompile(`(?i)(^|\s)(host|hostaddr|port|dbname|database|user|password|passfile|service|sslmode)\s*=`)

// database refuses what the store would take for the path of an SQLite file though
// it is none: the books would silently be another's.
func (k *compiler) database() {
	at, u := place{"database", "url"}, string(k.c.Database.URL)
	for _, known := range []string{"postgres://", "postgresql://", "sqlite:"} {
		if rest, ok := strings.CutPrefix(u, known); ok {
			if known != "sqlite:" {
				k.login(at, rest)
			}
			return
		}
	}
	const want = "a database is postgres://... or sqlite:/path/to/file.db"
	scheme, _, ok := strings.Cut(u, ":")
	switch { // one letter is a drive; what is no scheme is a path
	case ok && schemeForm.MatchString(scheme):
		k.path(at, want+", not %s", quote(scheme+":"))
	case settingsForm.MatchString(u):
		k.path(at, want+"; settings such as host=... are not understood")
	case strings.TrimSpace(u) != u:
		k.path(at, want+", without blanks around it")
	}
}

// login refuses a URL of PostgreSQL, from its user's name on, whose password ends too
// early: the rest of it would be taken for a host or a database, and logged as such.
func (k *compiler) login(at place, rest string) {
	authority, path, _ := strings.Cut(rest, "/")
	path, _, _ = strings.Cut(path, "?")
	if strings.Count(authority, "@") > 1 || strings.Contains(authority, ":") && strings.Contains(path, "@") {
		k.path(at, "the user's name or password seems to hold an @ or a /, which mean something in a URL: write them %%40 and %%2F")
	}
}

// redis checks that the settings say one thing.
func (k *compiler) redis() {
	r, at := k.c.Redis, place{"redis"}
	for i, a := range r.Addrs {
		if msg := hostPort(a); msg != "" && !strings.HasPrefix(a, "/") && (a != "" || k.bare(at.of("addrs", i))) {
			k.path(at.of("addrs", i), "addrs: %s", msg)
		}
	}
	own := r.Mode == "embedded" || r.Mode == "spawn"
	login := r.Username != "" || r.Password != "" || r.SentinelUsername != "" || r.SentinelPassword != "" || r.TLS
	switch {
	case r.URL != "" && (len(r.Addrs) > 0 || r.MasterName != "" || login || r.DB != 0 || r.Mode != "auto"):
		k.path(at.of("url"), "redis takes a url, or mode and addrs with what belongs to them, not both")
	case own && (len(r.Addrs) > 0 || r.MasterName != "" || login):
		k.path(at.of("mode"), "the mode %s runs a Redis of its own; it takes no addrs, masterName, username, password or tls", r.Mode)
	case r.Mode == "sentinel" && (len(r.Addrs) == 0 || r.MasterName == ""):
		k.path(at.of("mode"), "the mode sentinel needs addrs (of the sentinels) and masterName")
	case r.Mode == "cluster" && len(r.Addrs) == 0:
		k.path(at.of("mode"), "the mode cluster needs addrs")
	case r.Mode == "cluster" && r.DB != 0:
		k.path(at.of("db"), "a Redis Cluster has no db but 0")
	case r.Mode == "single" && len(r.Addrs) != 1:
		k.path(at.of("mode"), "the mode single needs one address in addrs")
	case r.MasterName != "" && r.Mode != "sentinel" && r.Mode != "auto":
		k.path(at.of("masterName"), "masterName belongs to the mode sentinel")
	case r.SentinelUsername != "" && r.SentinelPassword == "":
		k.path(at.of("sentinelUsername"), "sentinelUsername needs sentinelPassword")
	case r.SentinelPassword != "" && r.MasterName == "":
		k.path(at.of("sentinelPassword"), "sentinelPassword belongs to the mode sentinel")
	}
	if r.URL != "" {
		scheme, _, ok := strings.Cut(string(r.URL), "://")
		known := []string{"redis", "rediss", "unix", "redis+unix", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"}
		word := slices.Contains([]string{"auto", "embedded", "spawn"}, strings.ToLower(string(r.URL)))
		if !word && (!ok || !slices.Contains(known, strings.ToLower(scheme))) {
			k.path(at.of("url"), "a Redis url begins with redis://, rediss://, unix://, redis-sentinel:// or redis-cluster://")
		}
	}
}

// hostPort says what is wrong with a host:port, or "".
func hostPort(s string) string {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return "want host:port, such as 127.0.0.1:8080"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 && port != "0" {
		return "the port must be a number up to 65535"
	}
	return ""
}
