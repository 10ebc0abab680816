package email

import (
	"fmt"
	netmail "net/mail"
	"strings"

	"switchboard/channels/email/letter"
	"switchboard/pipeline/desk"
)

func party(a letter.Address) desk.Party {
	return desk.Party{Name: desk.Clean(a.Name), Handle: desk.Clean(a.Addr)}
}

func parties(list []letter.Address) []desk.Party {
	var out []desk.Party
	for _, a := range list {
		out = append(out, party(a))
	}
	return out
}

// sender says whom a mail is from: From, or Sender, or the envelope's return
// path where it names nobody. Reply-To is taken instead only where a mailing
// list of ours, one of the source's own addresses, has put itself into From and
// Reply-To names the author it replaced; believed on any mail, or on the word of
// any list, it would let a stranger speak as somebody else. doubt says in words that
// a list of others did so.
func sender(l *letter.Letter, source desk.Source) (from desk.Party, doubt string) {
	written := writer(l)
	author, ok := rewritten(l, written)
	switch {
	case !ok:
	case own(source, written.Addr):
		return party(author), ""
	default:
		doubt = fmt.Sprintf("a mailing list, %s, sent it and says that it is from %s: that is believed only of lists among the addresses of the source", written.Addr, author.Addr)
	}
	return party(written), doubt
}

// writer is the first whom From, Sender or the return path names.
func writer(l *letter.Letter) letter.Address {
	var from letter.Address
	for _, list := range [][]letter.Address{l.From, l.Sender, l.ReturnPath} {
		for _, a := range list {
			if from.Addr == "" && a.Addr != "" {
				name := from.Name
				if from = a; from.Name == "" {
					from.Name = name
				}
			} else if from.Name == "" && from.Addr == "" {
				from.Name = a.Name
			}
		}
	}
	return from
}

// rewritten undoes what Google Groups and Mailman do to From for DMARC's sake. The
// fields it goes by are anybody's to write.
func rewritten(l *letter.Letter, from letter.Address) (letter.Address, bool) {
	if len(l.ReplyTo) == 0 || l.ReplyTo[0].Addr == "" || strings.EqualFold(l.ReplyTo[0].Addr, from.Addr) {
		return letter.Address{}, false
	}
	author := l.ReplyTo[0]
	for _, field := range []string{"x-original-from", "x-original-sender"} {
		if strings.EqualFold(addressIn(l.Headers[field]), author.Addr) {
			return author, true
		}
	}
	post := addressIn(strings.TrimPrefix(strings.Trim(strings.TrimSpace(l.Headers["list-post"]), "<>"), "mailto:"))
	if post != "" && strings.EqualFold(post, from.Addr) && len(l.ReplyTo) == 1 && !strings.EqualFold(post, author.Addr) {
		if name, _, via := strings.Cut(from.Name, " via "); via && author.Name == "" {
			author.Name = strings.Trim(name, `'" `)
		}
		return author, true
	}
	return letter.Address{}, false
}

// addressIn finds the address in a header value or bare string, "" if none.
func addressIn(value string) string {
	if value == "" {
		return ""
	}
	if a, err := netmail.ParseAddress(value); err == nil {
		return a.Address
	}
	if i, j := strings.LastIndexByte(value, '<'), strings.LastIndexByte(value, '>'); i >= 0 && j > i {
		return value[i+1 : j]
	}
	return ""
}

// own reports whether an address is the source's, with or without a +tag.
func own(source desk.Source, address string) bool {
	if address == "" {
		return false
	}
	bare := untagged(address)
	for _, a := range source.Addresses {
		if strings.EqualFold(a, address) || strings.EqualFold(untagged(a), bare) {
			return true
		}
	}
	return false
}

func untagged(address string) string {
	local, domain, ok := cutAddress(address)
	if !ok {
		return address
	}
	if i := strings.IndexByte(local, '+'); i > 0 {
		local = local[:i]
	}
	return local + "@" + domain
}
