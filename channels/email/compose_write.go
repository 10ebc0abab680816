package email

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	netmail "net/mail"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message"
	gomail "github.com/emersion/go-message/mail"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// opener opens the bytes of a file.
type opener func(desk.BlobRef) (io.ReadCloser, error)

// write writes the mail, lines ending in CRLF: plain text and HTML of the same
// words (RFC 2046 5.1.4), images shown in the HTML beside it (RFC 2387), other
// files after it. An error is the writer's or the opener's.
func (a *answer) write(w io.Writer, open opener) error {
	html := markup.ToHTML(a.text)
	var inside, after []desk.Attachment
	for _, f := range a.files {
		if f.Inline && sound(f.ContentID) && strings.Contains(html, `"cid:`+f.ContentID+`"`) {
			inside = append(inside, f)
		} else {
			after = append(after, f)
		}
	}
	head := a.header()
	if len(after) == 0 {
		return a.alternative(head, html, inside, open, func(h message.Header) (*message.Writer, error) { return message.CreateWriter(w, h) })
	}
	multipart(&head, "mixed", a.boundary("mixed"))
	mixed, err := message.CreateWriter(w, head)
	if err != nil {
		return err
	}
	if err := a.alternative(message.Header{}, html, inside, open, mixed.CreatePart); err != nil {
		return err
	}
	for _, f := range after {
		if err := file(f, "attachment", open, mixed.CreatePart); err != nil {
			return err
		}
	}
	return mixed.Close()
}

// creator begins a mail or a part of one.
type creator func(message.Header) (*message.Writer, error)

func multipart(h *message.Header, kind, boundary string) {
	h.SetContentType("multipart/"+kind, map[string]string{"boundary": boundary})
}

// alternative writes the text twice, the plainest first.
func (a *answer) alternative(h message.Header, html string, inside []desk.Attachment, open opener, create creator) error {
	multipart(&h, "alternative", a.boundary("alternative"))
	both, err := create(h)
	if err != nil {
		return err
	}
	if err := text("text/plain", markup.ToPlain(a.text)+"\n", both.CreatePart); err != nil {
		return err
	}
	page := "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n" + html + "</body></html>\n"
	if len(inside) == 0 {
		if err := text("text/html", page, both.CreatePart); err != nil {
			return err
		}
		return both.Close()
	}
	var h2 message.Header
	h2.SetContentType("multipart/related", map[string]string{"boundary": a.boundary("related"), "type": "text/html"})
	related, err := both.CreatePart(h2)
	if err != nil {
		return err
	}
	if err := text("text/html", page, related.CreatePart); err != nil {
		return err
	}
	for _, f := range inside {
		if err := file(f, "inline", open, related.CreatePart); err != nil {
			return err
		}
	}
	if err := related.Close(); err != nil {
		return err
	}
	return both.Close()
}

// text writes a body. Quoted-printable keeps every line short and every
// character, whatever stands between us and the reader (RFC 2045 6.7).
func text(kind, s string, create creator) error {
	var h message.Header
	h.Set("Content-Transfer-Encoding", "quoted-printable")
	h.SetContentType(kind, map[string]string{"charset": "utf-8"})
	w, err := create(h)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, s); err != nil {
		return err
	}
	return w.Close()
}

// file writes a file, in base64.
func file(f desk.Attachment, disposition string, open opener, create creator) error {
	r, err := open(f.Blob)
	if err != nil {
		return fmt.Errorf("open an attachment: %w", err)
	}
	defer r.Close()
	var h message.Header
	name := fileName(f.Name)
	if disposition == "inline" {
		h.Set("Content-Id", "<"+f.ContentID+">")
	}
	// RFC 2231 for what RFC 2183 says; the library would use encoded words.
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": name}))
	h.Set("Content-Transfer-Encoding", "base64")
	h.Set("Content-Type", contentType(f.ContentType))
	w, err := create(h)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, r)
	if err != nil {
		return fmt.Errorf("copy an attachment: %w", err)
	}
	if n != f.Blob.Size {
		return fmt.Errorf("an attachment has %d bytes, not %d", n, f.Blob.Size)
	}
	return w.Close()
}

// fileName is a name without folders that fits on one header line.
func fileName(name string) string {
	const most = 120 // of four bytes a character become twelve
	name = words(path.Base(strings.ReplaceAll(name, `\`, "/")), 1000)
	if name == "" || name == "." || name == "/" || name == ".." {
		return "file"
	}
	ext := path.Ext(name)
	if len(ext) > 20 {
		ext = ""
	}
	return strings.TrimSpace(desk.Cut(strings.TrimSuffix(name, ext), most-len(ext)) + ext)
}

// contentType is the type of a file, if it is one that may be sent in base64
// (RFC 2046 5.2.1 forbids it for messages) and says no more than that.
func contentType(s string) string {
	const unknown = "application/octet-stream"
	kind, params, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(kind, "/") || strings.HasPrefix(kind, "message/") || strings.HasPrefix(kind, "multipart/") {
		return unknown
	}
	keep := map[string]string{}
	if charset := strings.ToLower(params["charset"]); charset == "utf-8" || charset == "us-ascii" {
		keep["charset"] = charset
	}
	if kind = mime.FormatMediaType(kind, keep); kind == "" || len(kind) > 150 {
		return unknown
	}
	return kind
}

// header writes all fields but those of the body. The library puts each before
// the others.
func (a *answer) header() message.Header {
	var h gomail.Header
	fields := []struct{ name, value string }{
		{"Date", ""}, {"From", ""}, {"Reply-To", ""}, {"To", ""}, {"Cc", ""},
		{"Message-Id", ""}, {"In-Reply-To", ""}, {"References", ""},
		{"Subject", encoded(a.subject)}, {LoopHeader, a.loop},
	}
	if a.auto { // RFC 3834 5; [MS-OXCMAIL] 2.1.3.2.20
		fields = append(fields, []struct{ name, value string }{{"Auto-Submitted", "auto-replied"}, {"X-Auto-Response-Suppress", "All"}}...)
	}
	for _, f := range slices.Backward(fields) {
		switch f.name {
		case "Date":
			h.SetDate(a.date)
		case "From":
			h.Set("From", list(a.from))
		case "Reply-To":
			if a.replyTo != "" {
				h.Set("Reply-To", list(netmail.Address{Name: a.from.Name, Address: a.replyTo}))
			}
		case "To":
			h.Set("To", list(a.to...))
		case "Cc":
			if len(a.cc) > 0 {
				h.Set("Cc", list(a.cc...))
			}
		case "Message-Id":
			h.SetMessageID(a.id)
		case "In-Reply-To":
			if a.inReplyTo != "" {
				h.SetMsgIDList("In-Reply-To", []string{a.inReplyTo})
			}
		case "References":
			h.SetMsgIDList("References", a.references)
		default:
			h.Set(f.name, f.value)
		}
	}
	return h.Header
}

// list writes addresses. Names go through encoded, which keeps what only looks
// like an encoded word.
func list(addresses ...netmail.Address) string {
	var out []string
	for _, a := range addresses {
		switch name := encoded(a.Name); {
		case name == "":
			out = append(out, addrSpec(a))
		case name != a.Name:
			out = append(out, name+" <"+addrSpec(a)+">")
		default:
			out = append(out, (&netmail.Address{Name: a.Name, Address: a.Address}).String())
		}
	}
	return strings.Join(out, ", ")
}

// encoded writes words for a header: as they are where they can stand so, else
// as encoded words short enough to be folded (RFC 2047 section 2).
func encoded(s string) string {
	plain := !strings.Contains(s, "=?")
	run := 0
	for i := 0; i < len(s) && plain; i++ {
		if run++; s[i] == ' ' {
			run = 0
		}
		plain = s[i] >= ' ' && s[i] < 0x7F && run <= 60
	}
	if plain {
		return s
	}
	var out []string
	for s != "" {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if n+size > 39 { // 52 characters of base64, so that a line takes one
				break
			}
			n += size
		}
		out = append(out, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(out, " ")
}
