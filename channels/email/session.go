package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// session is one logged-in connection. One goroutine owns it at a time: while
// IDLE runs, no other command can.
type session struct {
	a      *adapter
	socket net.Conn // the TCP connection under everything
	client *imapclient.Client
	caps   imap.CapSet
	idles  bool
	// news holds one token when the server has told of new mail.
	news chan struct{}
	dead chan struct{} // closed when the socket was cut by us
	once sync.Once
}

// keepAlive finds a peer that is gone while nothing is being said.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// connect dials, secures, greets and logs in.
func (a *adapter) connect(ctx context.Context) (_ *session, err error) {
	limit := a.settings.Timeouts.Connect
	dialer := net.Dialer{Timeout: limit, KeepAliveConfig: keepAlive}
	socket, err := dialer.DialContext(ctx, "tcp", a.settings.address())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &session{a: a, socket: socket, news: make(chan struct{}, 1), dead: make(chan struct{})}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if a.settings.TLS == tlsNone && !isLoopback(socket.RemoteAddr()) {
		return nil, errors.New("connect: tls: plain leads to another machine; refused")
	}
	if err := s.secure(ctx, limit); err != nil {
		return nil, err
	}
	if err := s.guard(ctx, limit, "greeting", func(func()) error { return s.client.WaitGreeting() }); err != nil {
		return nil, err
	}
	if err := s.login(ctx); err != nil {
		return nil, err
	}
	// Asked for later, the capabilities might have to wait behind an IDLE.
	err = s.guard(ctx, a.settings.Timeouts.Command, "capability", func(func()) error {
		if s.caps = s.client.Caps(); s.caps == nil {
			return errors.New("the server does not say what it can do")
		}
		return nil
	})
	s.idles = a.settings.Idle && s.caps.Has(imap.CapIdle)
	return s, err
}

// secure starts the client, with TLS as configured. With starttls nothing is
// said before the connection is encrypted, and a server that logs us in before
// that is refused by the library.
func (s *session) secure(ctx context.Context, limit time.Duration) error {
	if s.a.settings.TLS == tlsNone {
		s.client = imapclient.New(s.socket, s.options(nil))
		return nil
	}
	config, err := s.a.settings.tls()
	if err != nil {
		return err
	}
	if s.a.settings.TLS == tlsImplicit {
		config.NextProtos = []string{"imap"}
		conn := tls.Client(s.socket, config)
		err := s.guard(ctx, limit, "tls", func(func()) error { return conn.HandshakeContext(ctx) })
		if err != nil {
			return err
		}
		s.client = imapclient.New(conn, s.options(nil))
		return nil
	}
	return s.guard(ctx, limit, "starttls", func(func()) error {
		// A server that says OK and breaks off before the end of the line leaves
		// the library waiting for ever; then this one goroutine is given up.
		type result struct {
			client *imapclient.Client
			err    error
		}
		done := make(chan result, 1)
		go func() {
			client, err := imapclient.NewStartTLS(s.socket, s.options(config))
			done <- result{client, err}
		}()
		var r result
		select {
		case r = <-done:
		case <-s.dead:
			select {
			case r = <-done:
			case <-time.After(time.Second):
				return errStalled
			}
		}
		s.client = r.client
		return r.err
	})
}

// options: the handler runs inside the library's reader, where any command
// would wait for itself; it only leaves a token.
func (s *session) options(config *tls.Config) *imapclient.Options {
	return &imapclient.Options{
		TLSConfig: config,
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(data *imapclient.UnilateralDataMailbox) {
				if data.NumMessages == nil {
					return
				}
				select {
				case s.news <- struct{}{}:
				default:
				}
			},
		},
	}
}

// open selects a folder: by EXAMINE, which cannot change it (RFC 9051 6.3.3),
// unless mail is to be moved out of it.
func (s *session) open(ctx context.Context, folder string) (box *imap.SelectData, err error) {
	readOnly := s.a.settings.MoveTo == ""
	err = s.guard(ctx, s.a.settings.Timeouts.Command, "open folder", func(func()) error {
		box, err = s.client.Select(folder, &imap.SelectOptions{ReadOnly: readOnly}).Wait()
		return err
	})
	return box, err
}

// searchUIDs lists at most n UIDs of the folder above after, in order, that meet
// the criteria.
func (s *session) searchUIDs(ctx context.Context, criteria imap.SearchCriteria, after imap.UID, n int) ([]imap.UID, error) {
	if after == 1<<32-1 {
		return nil, nil
	}
	criteria.UID = append(criteria.UID, imap.UIDSet{{Start: after + 1}})
	var found []imap.UID
	err := s.guard(ctx, s.a.settings.Timeouts.Command, "search", func(func()) error {
		data, err := s.client.UIDSearch(&criteria, nil).Wait()
		if err != nil {
			return err
		}
		set, _ := data.All.(imap.UIDSet)
		for _, r := range set {
			if r.Start == 0 || r.Stop == 0 {
				return errors.New("the server answered with an open range")
			}
			// n:* means the last mail even where n lies above it (RFC 9051 6.4.8).
			for uid := max(r.Start, after+1); uid <= r.Stop && len(found) < n; uid++ {
				found = append(found, uid)
				if uid == 1<<32-1 {
					break
				}
			}
		}
		return nil
	})
	return found, err
}

// present tells which of some UIDs are still in the folder.
func (s *session) present(ctx context.Context, uids []imap.UID) (map[imap.UID]bool, error) {
	there := make(map[imap.UID]bool, len(uids))
	err := s.guard(ctx, s.a.settings.Timeouts.Command, "search", func(func()) error {
		data, err := s.client.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{imap.UIDSetNum(uids...)}}, nil).Wait()
		if err != nil {
			return err
		}
		set, _ := data.All.(imap.UIDSet)
		for _, uid := range uids {
			if set.Contains(uid) {
				there[uid] = true
			}
		}
		return nil
	})
	return there, err
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
