package email

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"switchboard/channels/email/letter"
	"switchboard/pipeline/desk"
)

// LoopHeader is put on every mail we send, with [LoopValue] as its value, so
// that a mail of ours which comes back is known whatever it passed through.
const LoopHeader = "X-Switchboard-Loop"

// LoopValue is what stands in our [LoopHeader].
func LoopValue(secret []byte) string { return mac(secret, idMAC, "loop") }

// origin is what is known of a mail beside its own words.
type origin struct {
	source   desk.Source
	secret   []byte
	at       time.Time // when the mailbox got it (INTERNALDATE, RFC 9051 2.3.3)
	raw      desk.BlobRef
	blobs    map[string]desk.BlobRef // what the references in the letter mean
	loop     string                  // value of LoopHeader
	damage   []string                // what went wrong before it was read
	unparsed bool                    // the letter is a sketch of a mail that could not be read
}

// replyTo is the Thread.Address of a mail: what an answer to it needs.
type replyTo struct {
	To         []desk.Party `json:"to,omitempty"`
	Cc         []desk.Party `json:"cc,omitempty"`         // who else gets an answer by a person; no mail asks for it by itself
	MessageID  string       `json:"messageId,omitempty"`  // of the mail answered
	References []string     `json:"references,omitempty"` // of the mail answered, oldest first; an answer adds MessageID
	Subject    string       `json:"subject,omitempty"`
}

// draftFrom turns a mail that was read into a draft. It is pure.
//
// Identity: the external ID is the Message-ID, or the digest of the bytes where
// there is none; the fingerprint says who, when and what, so that two copies of
// one mail, delivered to two of our addresses with different Received lines,
// are the same message while a reused Message-ID with other words is not.
// Thread: the key is the first of References, the root of the conversation
// (RFC 5322 3.6.4, RFC 5256 section 3).
func draftFrom(l *letter.Letter, o origin) *desk.Draft {
	from, doubt := sender(l, o.source)
	d := &desk.Draft{
		Source: o.source.Name, Channel: desk.Email, Scope: o.source.Scope(),
		ExternalID: l.MessageID,
		From:       from,
		To:         parties(l.To), Cc: parties(l.Cc),
		Subject: l.Subject, Text: l.Text, HTML: o.blobs[l.HTML],
		SentAt: l.Date, ReceivedAt: o.at,
		Headers: l.Headers, Raw: o.raw,
		Damage: slices.Concat(o.damage, l.Damage),
	}
	if doubt != "" {
		d.Damage = append(d.Damage, doubt)
	}
	if d.ExternalID == "" && o.raw.Digest != "" {
		d.ExternalID = "sha256:" + o.raw.Digest
	}
	for _, a := range l.Attachments {
		d.Attachments = append(d.Attachments, desk.Attachment{
			Name: a.Name, ContentType: a.ContentType, ContentID: a.ContentID, Inline: a.Inline, Blob: o.blobs[a.Ref]})
	}
	if o.unparsed {
		d.Text = unreadableText
		d.Attachments = append(d.Attachments, desk.Attachment{Name: "original.eml", ContentType: "message/rfc822", Blob: o.raw})
	}
	clean(d)

	d.References = nearestFirst(l)
	d.Thread = thread(d, l, o.source)
	d.Signed = signed(l, o.secret)
	d.Auto = auto(l, o, d.From)
	d.Fingerprint = fingerprint(d, l)
	return d
}

func fingerprint(d *desk.Draft, l *letter.Letter) string {
	date := ""
	if !l.Date.IsZero() {
		date = l.Date.UTC().Format(time.RFC3339)
	}
	parts := []string{"email", strings.ToLower(d.From.Handle), date, d.Subject, d.Text}
	if d.Text == "" {
		parts = append(parts, d.HTML.Digest)
	}
	for _, a := range d.Attachments {
		parts = append(parts, a.Blob.Digest)
	}
	return desk.Fingerprint(parts...)
}

// nearestFirst lists what the mail answers: a delivery report names the mail it
// is about (RFC 3464), In-Reply-To the parent, References the ancestors, oldest
// first.
func nearestFirst(l *letter.Letter) []string {
	var out []string
	add := func(id string) {
		if id = desk.Clean(id); id != "" && id != l.MessageID && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	add(l.Auto.Original)
	for _, id := range l.InReplyTo {
		add(id)
	}
	for _, id := range slices.Backward(l.References) {
		add(id)
	}
	return out
}

func thread(d *desk.Draft, l *letter.Letter, source desk.Source) desk.Thread {
	key := d.ExternalID
	switch {
	case len(l.References) > 0:
		key = desk.Clean(l.References[0])
	case len(l.InReplyTo) > 0:
		key = desk.Clean(l.InReplyTo[0])
	case l.Auto.Original != "":
		key = desk.Clean(l.Auto.Original)
	}
	to := replyTo{MessageID: l.MessageID, Subject: d.Subject, References: l.References}
	if len(to.References) == 0 {
		to.References = l.InReplyTo // RFC 5322 3.6.4: the parent's own parent
		if len(to.References) > 1 {
			to.References = nil
		}
	}
	for _, a := range parties(l.ReplyTo) { // RFC 5322 3.6.2, but never to ourselves, nor where no mail can go
		if _, err := mailbox(a); err == nil && !own(source, a.Handle) {
			to.To = append(to.To, a)
		}
	}
	if len(to.To) == 0 && d.From.Handle != "" {
		to.To = []desk.Party{d.From}
	}
	address, err := json.Marshal(to)
	if err != nil { // strings and slices of strings always marshal
		panic(err)
	}
	return desk.Thread{Key: key, Address: address}
}

// signed collects the tickets named by tokens of ours, each once for each way.
func signed(l *letter.Letter, secret []byte) []desk.SignedRef {
	var out []desk.SignedRef
	add := func(ticket desk.TicketID, via string) {
		if ref := (desk.SignedRef{Ticket: ticket, Via: via}); !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	for _, list := range [][]letter.Address{l.To, l.Cc, l.DeliveredTo} {
		for _, a := range list {
			if t, ok := VerifyReplyAddress(secret, a.Addr); ok {
				add(t, "reply address")
			}
		}
	}
	for _, id := range nearestFirst(l) {
		if t, _, ok := VerifyMessageID(secret, id); ok {
			add(t, "message id")
		}
	}
	if id, ok := desk.FindReceipt(secret, l.Subject); ok {
		out = append(out, desk.SignedRef{Receipt: id, Via: "receipt"})
	}
	return out
}

// auto is the letter's verdict, unless we wrote the mail ourselves: it carries
// our header, a Message-ID of ours, or comes from one of our own addresses. A
// delivery report stays one, whoever seems to have sent it.
func auto(l *letter.Letter, o origin, from desk.Party) desk.Auto {
	a := desk.Auto{Kind: desk.AutoKind(l.Auto.Kind), Reason: desk.Clean(l.Auto.Reason)}
	if l.Auto.Kind == letter.AutoDelivered { // a receipt is a notification
		a.Kind = desk.AutoGenerated
	}
	if a.Kind == desk.AutoBounce || a.Kind == desk.AutoDelay {
		return a
	}
	_, _, ownID := VerifyMessageID(o.secret, l.MessageID)
	switch {
	case len(o.secret) > 0 && o.loop != "" && strings.EqualFold(o.loop, LoopValue(o.secret)):
		return desk.Auto{Kind: desk.AutoOwn, Reason: LoopHeader}
	case ownID:
		return desk.Auto{Kind: desk.AutoOwn, Reason: "Message-ID is one of ours"}
	case own(o.source, from.Handle):
		return desk.Auto{Kind: desk.AutoOwn, Reason: "From is one of our own addresses"}
	}
	return a
}

// clean makes every string fit for the stores.
func clean(d *desk.Draft) {
	d.ExternalID, d.Subject, d.Text = desk.Clean(d.ExternalID), desk.Clean(d.Subject), desk.Clean(d.Text)
	for i := range d.Attachments {
		a := &d.Attachments[i]
		a.Name, a.ContentType, a.ContentID = cmp.Or(desk.FileName(a.Name), "file"), desk.Clean(a.ContentType), desk.Clean(a.ContentID)
	}
	for i := range d.Damage {
		d.Damage[i] = desk.Clean(d.Damage[i])
	}
	if len(d.Headers) > 0 {
		headers := make(map[string]string, len(d.Headers))
		for k, v := range d.Headers {
			headers[desk.Clean(k)] = desk.Clean(v)
		}
		d.Headers = headers
	}
}
