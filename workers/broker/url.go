package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// ParseURL reads where the queue is from one line of config:
//
//	auto | embedded | spawn
//	redis://[user:password@]host[:port][/db]
//	rediss://...                                       the same over TLS
//	unix://[user:password@]/path/to/redis.sock[?db=1]
//	redis-sentinel://[user:password@]host[:port][,host...]/master[/db]
//	redis-cluster://[user:password@]host[:port][,host...]
//
// rediss-sentinel and rediss-cluster use TLS. Ports default to 6379, for
// sentinels 26379. Behind a "?" may follow db (number), pool (connections),
// master (Sentinel), sentinel_user and sentinel_password (of the sentinels
// themselves). Characters that mean something in a URL are written as %HH. An
// error says what is wrong and never repeats a user or password.
func ParseURL(text string) (Options, error) {
	text = strings.TrimSpace(text)
	scheme, rest, ok := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	if !ok {
		switch scheme {
		case Auto, Embedded, Spawn:
			return Options{Mode: scheme}, nil
		}
		return Options{}, errors.New("broker: Redis URL: want auto, embedded, spawn, or a URL such as redis://localhost:6379")
	}
	o, err := parseURL(scheme, rest)
	if err != nil {
		return Options{}, fmt.Errorf("broker: Redis URL: %w", err)
	}
	if _, err := o.resolved(); err != nil {
		return Options{}, err
	}
	return o, nil
}

// schemes maps a URL's scheme to a mode, the default port and TLS.
var schemes = map[string]struct {
	mode string
	port string
	tls  bool
}{
	"redis":           {Single, "6379", false},
	"rediss":          {Single, "6379", true},
	"unix":            {Single, "", false},
	"redis+unix":      {Single, "", false},
	"redis-sentinel":  {Sentinel, "26379", false},
	"rediss-sentinel": {Sentinel, "26379", true},
	"redis-cluster":   {Cluster, "6379", false},
	"rediss-cluster":  {Cluster, "6379", true},
}

// parseURL does it by hand: net/url refuses the comma lists of hosts with ports
// that Sentinel and Cluster URLs have, and its errors repeat the password.
func parseURL(scheme, rest string) (Options, error) {
	known, ok := schemes[scheme]
	if !ok {
		return Options{}, fmt.Errorf("unknown scheme; want redis, rediss, unix, redis-sentinel, rediss-sentinel, redis-cluster or rediss-cluster")
	}
	o := Options{Mode: known.mode}
	if strings.Contains(rest, "#") {
		return o, errors.New(`"#" must be written as %23`)
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, route := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		authority, route = rest[:slash], rest[slash:]
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, _ := strings.Cut(authority[:at], ":")
		var err1, err2 error
		o.Username, err1 = url.PathUnescape(user)
		o.Password, err2 = url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return o, errors.New("user or password has a % that is not followed by two hex digits")
		}
		authority = authority[at+1:]
	}
	route, err := url.PathUnescape(route)
	if err != nil {
		return o, errors.New("the part after the host has a % that is not followed by two hex digits")
	}
	if known.port == "" {
		if authority != "" || !path.IsAbs(route) || route == "/" {
			return o, errors.New("a unix socket needs an absolute path, as in unix:///run/redis/redis.sock")
		}
		o.Addrs = []string{route}
	} else {
		if o.Addrs, err = hosts(authority, known.port); err != nil {
			return o, err
		}
		if known.mode == Single && len(o.Addrs) > 1 {
			return o, errors.New("several hosts need the scheme redis-sentinel or redis-cluster")
		}
		if err := o.route(route); err != nil {
			return o, err
		}
	}
	if err := o.query(query); err != nil {
		return o, err
	}
	if known.tls {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return o, nil
}

// hosts splits "a:1,b,[::1]:2" and adds the default port where there is none.
func hosts(list, port string) ([]string, error) {
	var addrs []string
	for host := range strings.SplitSeq(list, ",") {
		if host == "" {
			return nil, errors.New("a host is missing, as in redis://localhost:6379")
		}
		name, number, err := net.SplitHostPort(host)
		if err != nil { // no port
			number = port
			if name = host; strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
				name = name[1 : len(name)-1]
			} else if strings.Contains(name, ":") {
				return nil, errors.New("an IPv6 address must be written in brackets, as in redis://[::1]:6379")
			}
		}
		if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 {
			return nil, errors.New("a port must be a number from 1 to 65535")
		}
		if name == "" || strings.ContainsAny(name, "[]@%\\ \t") {
			return nil, errors.New("a host name is empty or has a character no host name has")
		}
		addrs = append(addrs, net.JoinHostPort(name, number))
	}
	return addrs, nil
}

// route reads what follows the hosts: the database, for Sentinel after the
// master's name.
func (o *Options) route(route string) error {
	route = strings.Trim(route, "/")
	if o.Mode == Sentinel && route != "" {
		var db string
		o.MasterName, db, _ = strings.Cut(route, "/")
		route = db
	}
	if route == "" {
		return nil
	}
	return o.database(route)
}

func (o *Options) database(text string) error {
	db, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return errors.New("the database must be a number, as in redis://localhost:6379/0")
	}
	o.DB = int(db)
	return nil
}

// query reads the settings behind the question mark; unknown ones are refused.
func (o *Options) query(text string) error {
	values, err := url.ParseQuery(text)
	if err != nil {
		return errors.New("the settings after \"?\" are not of the form name=value&name=value")
	}
	for name, list := range values {
		if len(list) != 1 {
			return fmt.Errorf("%.20q is given %d times", name, len(list))
		}
		value := list[0]
		switch name {
		case "db":
			if err := o.database(value); err != nil {
				return err
			}
		case "pool":
			pool, err := strconv.ParseUint(value, 10, 16)
			if err != nil || pool == 0 {
				return errors.New("pool must be a number of connections, at least 1")
			}
			o.PoolSize = int(pool)
		case "master":
			if o.Mode != Sentinel {
				return errors.New("master needs the scheme redis-sentinel")
			}
			o.MasterName = value
		case "sentinel_user", "sentinel_password":
			if o.Mode != Sentinel {
				return fmt.Errorf("%s needs the scheme redis-sentinel", name)
			}
			if name == "sentinel_user" {
				o.SentinelUsername = value
			} else {
				o.SentinelPassword = value
			}
		default:
			return fmt.Errorf("unknown setting %.20q; known are db, pool, master, sentinel_user and sentinel_password", name)
		}
	}
	return nil
}
