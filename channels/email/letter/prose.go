package letter

import (
	"regexp"
	"strings"
)

// prose finds the recipients of a bounce that has no machine-readable part:
// X-Failed-Recipients, else addresses that stand alone on a line, or before a
// colon, above the copy of the mail that came back.
func (w *reader) prose() []Recipient {
	var out []Recipient
	seen := map[string]bool{}
	for _, a := range parseAddresses(w.letter.Headers["x-failed-recipients"], maxFailed) {
		if key := strings.ToLower(a.Addr); strings.Contains(key, "@") && !seen[key] {
			seen[key] = true
			out = append(out, Recipient{Addr: a.Addr, Action: "failed"})
		}
	}
	text := w.letter.Text[:min(len(w.letter.Text), 32<<10)]
	if at := copyBelow.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	if len(out) == 0 {
		for _, line := range strings.Split(text, "\n") {
			m := aloneAddr.FindStringSubmatch(line)
			if m == nil || len(out) >= maxFailed {
				continue
			}
			addr := cleanAddr(m[1])
			if key := strings.ToLower(addr); !seen[key] && !w.isDaemon(key) {
				seen[key] = true
				out = append(out, Recipient{Addr: addr, Action: "failed"})
			}
		}
	}
	if len(out) == 1 {
		out[0].Status, out[0].Reply = statusCode(text), replyCode(text)
	}
	return out
}

func (w *reader) isDaemon(addr string) bool {
	local, _, _ := strings.Cut(addr, "@")
	if daemonName.MatchString(local) {
		return true
	}
	for _, a := range w.letter.From {
		if strings.EqualFold(a.Addr, addr) {
			return true
		}
	}
	return false
}

var (
	aloneAddr = regexp.MustCompile(`^[\s>]*(?:(?i:to|recipients?|user|address|for|rcpt to|did not reach the following recipients?)\s*:?\s*)?[<"']?([A-Za-z0-9!#$%&'*+/=?^_{|}~.\-]+@[A-Za-z0-9.\-\[\]]+)[>"']?\s*(?:$|[:;,(]|\.\.\.|on |: ?[0-9])`)
	copyBelow = regexp.MustCompile(`(?im)^(\s*-{2,}.*(below this line|original message|returned message|copy of (the|your) message|included is a copy|message header|unsent message|message follows|here is your).*|` +
		`received:\s+(from|by|\()|return-path:\s*<.*|content-type: message/rfc822.*|.*original message (headers )?follows.*|-{3,} ?original.*)$`)
)
