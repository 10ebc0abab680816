package store

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// impatient is a connection whose other side must say something when it is
// listened to. A server that is frozen, or lost behind a firewall that forgot the
// connection, says nothing and hangs up never: without this, whoever waits for it
// waits for as long as the kernel sends again, which is a quarter of an hour, and
// keeps others from writing. It counts as [desk.ErrUnavailable], and the next try
// is made on a new connection.
type impatient struct {
	net.Conn
	wait time.Duration

	mu   sync.Mutex
	told time.Time // the deadline pgx set, when a context ended; zero: none
}

// Read waits no longer than it may, unless pgx has said how long.
func (c *impatient) Read(b []byte) (int, error) {
	c.mu.Lock()
	if c.told.IsZero() {
		if err := c.Conn.SetReadDeadline(time.Now().Add(c.wait)); err != nil {
			c.mu.Unlock()
			return 0, err
		}
	}
	c.mu.Unlock()
	return c.Conn.Read(b)
}

// SetDeadline is what pgx calls to end a wait, and with the zero time to begin
// anew.
func (c *impatient) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = t
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline is SetDeadline for reading alone.
func (c *impatient) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = t
	return c.Conn.SetReadDeadline(t)
}

// impatiently makes the connections of a config impatient; zero leaves them as
// they are.
func impatiently(config *pgx.ConnConfig, wait time.Duration) *pgx.ConnConfig {
	config = config.Copy()
	if wait <= 0 {
		return config
	}
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &impatient{Conn: conn, wait: wait}, nil
	}
	if config.ConnectTimeout == 0 || config.ConnectTimeout > wait {
		config.ConnectTimeout = wait
	}
	return config
}

// knock connects once, and gives no server longer than wait: a URL may name
// several, and the next one must have its turn when the first is behind a firewall
// that swallows everything. A wait of 0 is no knock.
func (s *Store) knock(ctx context.Context, wait time.Duration) error {
	if s.patient == nil || wait <= 0 {
		return nil
	}
	config := s.patient.Copy()
	if config.ConnectTimeout == 0 || config.ConnectTimeout > wait {
		config.ConnectTimeout = wait
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return opening("knock", err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_ = conn.Close(ctx) // it has said what we wanted to hear
	return nil
}
