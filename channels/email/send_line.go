package email

import (
	"net"
	"strings"
	"time"
)

// patientConn gives no exchange more than limit: the library sets a deadline for
// each command, but none while it writes a mail. One goroutine uses it.
type patientConn struct {
	net.Conn
	limit time.Duration
}

// SetDeadline brings a later deadline down to the limit.
func (c *patientConn) SetDeadline(t time.Time) error {
	if latest := time.Now().Add(c.limit); !t.IsZero() && t.After(latest) {
		t = latest
	}
	return c.Conn.SetDeadline(t)
}

// Write gives each piece the limit anew.
func (c *patientConn) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// loginClient is the mechanism LOGIN as servers really speak it: they ask twice,
// in words that differ, first for the name.
type loginClient struct {
	user, password string
	asked          int
}

func (c *loginClient) Start() (mech string, response []byte, err error) { return "LOGIN", nil, nil }

func (c *loginClient) Next(challenge []byte) ([]byte, error) {
	c.asked++
	if c.asked == 1 && !strings.Contains(strings.ToLower(string(challenge)), "pass") {
		return []byte(c.user), nil
	}
	if c.asked > 2 {
		return nil, errRefused
	}
	return []byte(c.password), nil
}
