package email

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"

	"switchboard/pipeline/desk"
)

// answer is a mail as it will be written: everything decided, nothing read yet.
type answer struct {
	id         string // Message-ID, without angle brackets
	date       time.Time
	from       netmail.Address
	replyTo    string
	to, cc     []netmail.Address
	subject    string
	inReplyTo  string
	references []string // oldest first
	auto       bool     // no person wrote it
	loop       string
	text       string // Markdown
	files      []desk.Attachment
	boundary   func(part string) string
}

// compose plans the mail that carries a reply. It is pure: the same reply gives
// the same mail, byte for byte, however often it is tried, so that a receiver
// who got it twice sees one (RFC 5322 3.6.4: a Message-ID names one version of
// one message). Its date is when its author was done (3.6.1).
//
// It answers the sender alone, or whom the thread's address names; never an
// address of ours. What it cannot honour is a permanent error.
func compose(r *desk.Reply, source desk.Source, s *smtpSettings, secret []byte) (*answer, error) {
	var thread replyTo
	if len(r.Thread.Address) > 0 {
		if err := json.Unmarshal(r.Thread.Address, &thread); err != nil {
			return nil, desk.Permanent(fmt.Errorf("the thread's address cannot be read: %w", err))
		}
	}
	m := &r.Message
	_, domain, _ := cutAddress(s.from.Address)
	a := &answer{
		id: MessageID(secret, m.TicketID, m.ID, domain), date: m.CreatedAt, from: s.from,
		auto: m.Auto.Kind != "" || m.Author.Kind == desk.BySystem,
		loop: LoopValue(secret), text: desk.Clean(m.Text), files: m.Attachments,
	}
	a.boundary = func(part string) string { return "=_" + mac(secret, idMAC, "boundary", a.id, part) }
	if s.ReplyTo != "" {
		a.replyTo = ReplyAddress(secret, s.ReplyTo, m.TicketID)
	}
	to := thread.To
	if len(to) == 0 && len(r.To) > 0 {
		to = r.To[:1] // all are handles of one person: one is enough
	}
	var err error
	if a.to, err = recipients(to, source); err != nil {
		return nil, desk.Permanent(err)
	}
	if !a.auto { // a stranger's Cc is no reason for a machine to write to it
		if a.cc, err = recipients(thread.Cc, source); err != nil && !errors.Is(err, errNobody) {
			return nil, desk.Permanent(err)
		}
		a.cc = slices.DeleteFunc(a.cc, func(c netmail.Address) bool { return slices.ContainsFunc(a.to, sameAs(c)) })
	}
	a.subject = subject(thread.Subject, m.Subject, a.auto)
	if r.Begins() {
		a.subject = cmp.Or(words(m.Subject, maxSubject), "A message for you")
	}
	a.inReplyTo, a.references = ancestors(thread.MessageID, thread.References)
	return a, nil
}

var errNobody = errors.New("there is nobody to answer to")

// recipients reads addresses, each once, without our own.
func recipients(list []desk.Party, source desk.Source) ([]netmail.Address, error) {
	var out []netmail.Address
	for _, p := range list {
		if own(source, p.Handle) {
			continue
		}
		a, err := mailbox(p)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(out, sameAs(a)) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, errNobody
	}
	return out, nil
}

func sameAs(a netmail.Address) func(netmail.Address) bool {
	return func(b netmail.Address) bool { return strings.EqualFold(a.Address, b.Address) }
}

// mailbox makes an address that may stand in a header and an SMTP command: one
// mailbox, without anything that could end the line, its domain in the form
// every server knows (RFC 5891).
func mailbox(p desk.Party) (netmail.Address, error) {
	wrong := errors.New("is not a mail address")
	if strings.ContainsFunc(p.Handle, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return netmail.Address{}, wrong
	}
	handle := strings.TrimSpace(p.Handle)
	// Some providers gave out a..b@ and a.@; between quotes they are valid.
	if local, domain, ok := cutAddress(handle); ok && dotted.MatchString(local) {
		handle = `"` + local + `"@` + domain
	}
	a, err := netmail.ParseAddress("<" + handle + ">")
	if err != nil {
		return netmail.Address{}, wrong
	}
	local, domain, ok := cutAddress(a.Address)
	if !ok {
		return netmail.Address{}, wrong
	}
	// Of a domain in ASCII the server knows better than we whether it leads anywhere:
	// some that are in use hold what RFC 5891 forbids.
	if !ascii(domain) {
		if domain, err = idna.Lookup.ToASCII(domain); err != nil {
			return netmail.Address{}, wrong
		}
	}
	if len(local)+1+len(domain) > maxAddress {
		return netmail.Address{}, wrong
	}
	return netmail.Address{Name: words(p.Name, 200), Address: local + "@" + domain}, nil
}

// maxAddress is the longest address, in octets (RFC 5321 4.5.3.1.3, without the
// brackets). That a local part has 64 at most (4.5.3.1.1) is what a server must
// take, not all that it may.
const maxAddress = 254

var dotted = regexp.MustCompile("^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]*(\\.\\.|\\.$)[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]*$")

// words is text for a header: one line without control characters, at most so
// many bytes.
func words(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, desk.Clean(s))
	return strings.TrimSpace(desk.Cut(strings.Join(strings.Fields(s), " "), limit))
}

// answerPrefix is what mail programs of several tongues put before a subject.
var answerPrefix = regexp.MustCompile(`(?i)^\s*(re|aw|sv|vs|antw|odp|ref|rif|ynt)(\[[0-9]{1,3}\])?\s*[:：]\s*`)

// maxSubject bounds a subject, in characters.
const maxSubject = 500

// subject names the conversation answered. A machine's answer never repeats
// what a stranger wrote there: it says what the rule says, or the least.
func subject(asked, own string, auto bool) string {
	if auto {
		return cmp.Or(words(own, maxSubject), "Auto: we have received your message") // RFC 3834 3.1.5
	}
	asked = words(cmp.Or(asked, own), maxSubject)
	for {
		rest := answerPrefix.ReplaceAllString(asked, "")
		if rest == asked {
			break
		}
		asked = rest
	}
	return strings.TrimSpace("Re: " + asked)
}

// maxReferences is how many IDs we name: the first, which is the conversation's,
// and the nearest.
const maxReferences = 21

// ancestors makes In-Reply-To and References of an answer to a mail: the mail's
// own references and then its ID (RFC 5322 3.6.4). IDs that cannot stand in a
// header are left out.
func ancestors(parent string, earlier []string) (inReplyTo string, references []string) {
	if !sound(parent) {
		parent = ""
	}
	for _, id := range append(slices.Clone(earlier), parent) {
		if sound(id) && !slices.Contains(references, id) {
			references = append(references, id)
		}
	}
	if n := len(references); n > maxReferences {
		references = append(references[:1:1], references[n-maxReferences+1:]...)
	}
	return parent, references
}

// sound reports whether an ID is one that may stand between angle brackets.
func sound(id string) bool {
	if id == "" || len(id) > 250 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c >= 0x7F || c == '<' || c == '>' {
			return false
		}
	}
	return true
}
