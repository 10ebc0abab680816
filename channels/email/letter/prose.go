package letter

import (
	"regexp"
	"strings"
)

// prose finds the recipients of a bounce that has no machine-readable part:
// X-Failed-Recipients, else addresses that stand alone on a line, or before a
// colon, or behind the usual phrases, above the copy of the mail that came back.
func (w *reader) prose(action string) []Recipient {
	var out []Recipient
	seen := map[string]bool{}
	for _, a := range parseAddresses(w.letter.Headers["x-failed-recipients"], maxFailed) {
		if key := strings.ToLower(a.Addr); strings.Contains(key, "@") && !seen[key] {
			seen[key] = true
			out = append(out, Recipient{Addr: a.Addr, Action: action})
		}
	}
	text := w.letter.Text[:min(len(w.letter.Text), 32<<10)]
	if at := copyBelow.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	for _, pattern := range []*regexp.Regexp{aloneAddr, phraseAddr} {
		if len(out) > 0 {
			break
		}
		for _, m := range pattern.FindAllStringSubmatch(text, maxFailed) {
			addr := cleanAddr(strings.TrimRight(m[1], "."))
			if key := strings.ToLower(addr); !seen[key] && !w.isDaemon(key) {
				seen[key] = true
				out = append(out, Recipient{Addr: addr, Action: action})
			}
		}
	}
	if len(out) == 1 {
		out[0].Status, out[0].Reply = statusCode(text), replyCode(text)
	}
	return out
}

// isDaemon tells whether an address is the sender's own.
func (w *reader) isDaemon(addr string) bool {
	local, _, _ := strings.Cut(addr, "@")
	if local == "mailer-daemon" {
		return true
	}
	for _, a := range w.letter.From {
		if strings.EqualFold(a.Addr, addr) {
			return true
		}
	}
	return false
}

const addrPattern = `[<"']?([A-Za-z0-9!#$%&'*+/=?^_{|}~.\-]+@[A-Za-z0-9.\-\[\]]+)[>"']?`

var (
	aloneAddr  = regexp.MustCompile(`(?m)^[\s>*]*(?:(?i:recipients?|user|address|for|rcpt to)\s*:?\s*)?` + addrPattern + `\s*(?:$|[:;,(\[<]|\.\.\.|on |: ?[0-9]|(?i:invalid |unknown |user ))`)
	phraseAddr = regexp.MustCompile(`(?i)(?:deliver(?:y|ed|ing)?(?: of)?(?: your| the| this)?(?: mail| message)? to|unknown user|user unknown|no such (?:user|recipient)|rcpt to|recipients?[a-z ]{0,40}|error.{0,20} to|mailbox[a-z ]{0,60})(?::|\s)\s*` + addrPattern)
	copyBelow  = regexp.MustCompile(`(?im)^(\s*-{2,}.*(below this line|original message|returned message|copy of (the|your) message|included is a copy|message header|unsent message|message follows|here is your).*|` +
		`received:\s*(from|by|\()|return-path:\s*<.*|content-type: message/rfc822.*|.*(original message|message headers) follows?\.?|-{3,} ?original.*)$`)
)
