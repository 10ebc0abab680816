package letter

import (
	"bytes"
	"io"
	"strings"
)

// A Recipient is what a delivery report says of one address (RFC 3464 2.3).
type Recipient struct {
	Addr       string `json:"addr,omitempty"`
	Action     string `json:"action,omitempty"`     // failed, delayed, delivered, relayed or expanded; "" if not said
	Status     string `json:"status,omitempty"`     // RFC 3463, as in "5.1.1"
	Reply      string `json:"reply,omitempty"`      // SMTP reply code, as in "550"
	Diagnostic string `json:"diagnostic,omitempty"` // what the other server said
}

// A report gathers what the machine-readable parts of a mail say.
type report struct {
	delivery   bool // a message/delivery-status was there
	feedback   bool // a message/feedback-report was there
	receipt    bool // a message/disposition-notification was there
	recipients []Recipient
	original   string // Message-ID of the mail that the report is about
}

// returned notes the Message-ID of the first enclosed mail.
func (r *report) returned(id string) {
	if r.original == "" {
		r.original = id
	}
}

// reported reads a machine-readable part and keeps it as an attachment.
func (w *reader) reported(p part) error {
	raw, err := io.ReadAll(io.LimitReader(p.body, maxReport))
	if w.src.failed != nil {
		return w.src.failed
	}
	if err != nil {
		w.damage("part %d: %v", p.number, err)
	}
	name := p.typ.kind[strings.IndexByte(p.typ.kind, '/')+1:]
	switch {
	case strings.HasSuffix(name, "headers"):
		_, id := peekHeader(raw)
		w.report.returned(id)
	case strings.HasSuffix(name, "delivery-status"):
		w.report.delivery = true
		w.report.recipients = append(w.report.recipients, deliveryStatus(raw)...)
	case name == "feedback-report":
		w.report.feedback = true
		for _, group := range fieldGroups(raw) {
			if v := group["original-rcpt-to"]; v != "" {
				w.report.recipients = append(w.report.recipients, Recipient{Addr: cleanAddr(v)})
			}
		}
	case name == "disposition-notification":
		w.report.receipt = true
		for _, group := range fieldGroups(raw) {
			w.report.returned(oneID(group["original-message-id"]))
		}
	}
	if n := len(w.report.recipients); n > maxFailed {
		w.report.recipients = w.report.recipients[:maxFailed]
	}
	return w.attach(p, name+".txt", io.MultiReader(bytes.NewReader(raw), p.body))
}

// deliveryStatus reads the recipients of a message/delivery-status body.
func deliveryStatus(raw []byte) []Recipient {
	var out []Recipient
	for _, g := range fieldGroups(raw) {
		addr := typed(g["final-recipient"])
		if addr == "" || !strings.Contains(addr, "@") {
			if o := typed(g["original-recipient"]); o != "" {
				addr = o
			}
		}
		if addr == "" && g["action"] == "" && g["status"] == "" {
			continue
		}
		action, _, _ := strings.Cut(strings.ToLower(g["action"]), " ")
		r := Recipient{
			Addr:       cleanAddr(addr),
			Action:     shorten(action, 20),
			Status:     statusCode(g["status"]),
			Diagnostic: shorten(squeeze(typed(g["diagnostic-code"])), maxHeader),
		}
		r.Reply = replyCode(r.Diagnostic)
		if r.Status == "" {
			r.Status = statusCode(r.Diagnostic)
		}
		out = append(out, r)
	}
	return out
}

// fieldGroups reads blocks of fields parted by blank lines (RFC 3464 2.1).
func fieldGroups(raw []byte) []map[string]string {
	var out []map[string]string
	group := map[string]string{}
	last := ""
	flush := func() {
		if len(group) > 0 && len(out) <= maxFailed {
			out = append(out, group)
			group = map[string]string{}
		}
		last = ""
	}
	for len(raw) > 0 {
		var line []byte
		line, raw, _ = bytes.Cut(raw, lf)
		line = bytes.TrimRight(line, "\r")
		switch {
		case len(bytes.TrimSpace(line)) == 0:
			flush()
		case (line[0] == ' ' || line[0] == '\t') && last != "":
			group[last] += " " + string(bytes.TrimSpace(line))
		case isField(line):
			name, value, _ := bytes.Cut(line, []byte{':'})
			last = strings.ToLower(string(bytes.TrimSpace(name)))
			if _, again := group[last]; again && last == "final-recipient" {
				flush()
				last = "final-recipient"
			}
			group[last] = decodeText(string(value))
		}
	}
	flush()
	return out
}

// typed drops the type of "rfc822; user@example.org".
func typed(s string) string {
	if kind, rest, ok := strings.Cut(s, ";"); ok && !strings.ContainsAny(strings.TrimSpace(kind), " @<") {
		return strings.TrimSpace(rest)
	}
	return strings.TrimSpace(s)
}

// statusCode finds the first enhanced status code (RFC 3463 2) in s.
func statusCode(s string) string {
	for i := 0; i+5 <= len(s); i++ {
		if c := s[i]; c != '2' && c != '4' && c != '5' || s[i+1] != '.' || i > 0 && (isDigit(s[i-1]) || s[i-1] == '.') {
			continue
		}
		j := i + 2
		for j < len(s) && isDigit(s[j]) {
			j++
		}
		if j == i+2 || j > i+5 || j >= len(s) || s[j] != '.' {
			continue
		}
		k := j + 1
		for k < len(s) && isDigit(s[k]) {
			k++
		}
		if k > j+1 && k <= j+4 && (k == len(s) || s[k] != '.') {
			return s[i:k]
		}
	}
	return ""
}

// replyCode finds the first SMTP reply code (RFC 5321 4.2) in s.
func replyCode(s string) string {
	for i := 0; i+3 <= len(s); i++ {
		if c := s[i]; (c == '4' || c == '5') && s[i+1] >= '0' && s[i+1] <= '7' && isDigit(s[i+2]) &&
			(i == 0 || strings.IndexByte(" \t(<[:;-=#\"'", s[i-1]) >= 0) &&
			(i+3 == len(s) || strings.IndexByte(" \t-)>]:;,.#\"'", s[i+3]) >= 0) {
			return s[i : i+3]
		}
	}
	return ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
