package fakesmtp

import (
	"fmt"
	"strings"

	"github.com/emersion/go-smtp"
)

// Stage is a point of a conversation.
type Stage string

// The stages.
const (
	AtHello Stage = "hello"
	AtLogin Stage = "login"
	AtMail  Stage = "mail" // MAIL FROM
	AtRcpt  Stage = "rcpt" // RCPT TO
	AtBody  Stage = "body" // the first bytes of the mail are there
	AtEnd   Stage = "end"  // the mail is there, with its end
)

// Rule makes the server fail at a stage.
type Rule struct {
	At  Stage
	For string // only for this address (AtMail, AtRcpt, or any recipient AtEnd); empty: any
	// Code and Text are the answer. With Code 0 there is none: the line is cut.
	Code int
	Text string
	// Silent keeps the line open and says nothing, until it is closed.
	Silent bool
	// Met, if any, is called when a conversation is there and is met with silence, from
	// its goroutine.
	Met func()
	// Keep takes the mail all the same (AtEnd): the answer alone is lost.
	Keep  bool
	Times int // how often; 0: always
}

// Fail adds a rule. The first that fits counts.
func (s *Server) Fail(r Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Times == 0 {
		r.Times = -1
	}
	s.rules = append(s.rules, &r)
}

// Heal forgets all rules.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// rule finds the rule for a stage and counts it.
func (s *Server) rule(at Stage, addresses ...string) *Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if r.At != at || r.Times == 0 {
			continue
		}
		fits := r.For == ""
		for _, a := range addresses {
			fits = fits || strings.EqualFold(a, r.For)
		}
		if fits {
			if r.Times > 0 {
				r.Times--
			}
			return r
		}
	}
	return nil
}

// apply fails as the rule says; nil lets it pass.
func (c *session) apply(r *Rule) error {
	switch {
	case r == nil:
		return nil
	case r.Silent:
		if r.Met != nil {
			r.Met()
		}
		<-c.server.closing
		return cut(c.conn)
	case r.Code == 0:
		return cut(c.conn)
	}
	return &smtp.SMTPError{Code: r.Code, EnhancedCode: smtp.EnhancedCode{r.Code / 100, 0, 0}, Message: r.Text}
}

func cut(c *smtp.Conn) error {
	c.Conn().Close()
	return fmt.Errorf("cut")
}
