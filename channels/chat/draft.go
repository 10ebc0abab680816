package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// origin is what is known of a message beside its own words.
type origin struct {
	source desk.Source
	at     time.Time
	raw    desk.BlobRef
	part   string // "" or "/2": which message of the request it is
	html   desk.BlobRef
	files  []desk.Attachment
	post   *post
	damage []string
	text   int64 // bytes of text kept
}

// address is the Thread.Address of a message.
type address struct {
	Thread string `json:"thread"`         // the service's own name of the conversation
	ID     string `json:"id"`             // of the message answered
	From   string `json:"from"`           // who wrote it
	More   any    `json:"more,omitempty"` // what the expression address gave
}

// name makes an identifier of the service one of ours: sources share a scope, so
// the source stands before it.
func name(source, id string) string {
	if len(id) > 300 {
		sum := sha256.Sum256([]byte(id))
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	return source + ":" + desk.Clean(id)
}

// draft makes the draft of a record. It is pure.
//
// Identity: the external ID is the source and the ID the mapping found, or the
// digest of the request; the fingerprint says who, when and what, without files,
// which may be gone when the same message comes again. Thread: what the mapping
// says; of a mail the root of its references; else the message itself.
func (s *settings) draft(r *record, o origin) *desk.Draft {
	d := &desk.Draft{
		Source: o.source.Name, Channel: desk.Chat, Scope: o.source.Scope(),
		From:    desk.Party{Name: desk.Clean(desk.Cut(r.FromName, 500)), Handle: s.handle(o.source, r.From)},
		Subject: desk.Clean(desk.Cut(strings.TrimSpace(r.Subject), 2000)), Text: desk.Clean(r.Text), HTML: o.html,
		SentAt: r.SentAt, ReceivedAt: o.at, Attachments: o.files, Raw: o.raw,
		Act: desk.Act(r.Act), Damage: slices.Concat(o.damage, r.Damage),
	}
	if strings.TrimSpace(d.Text) == "" && r.HTML != "" {
		d.Text = markup.FromHTML(r.HTML)
	}
	d.Text = strings.TrimRight(strings.ReplaceAll(d.Text, "\r\n", "\n"), "\n ")
	if o.text > 0 && int64(len(d.Text)) > o.text {
		d.Text = desk.Cut(d.Text, int(o.text))
		d.Damage = append(d.Damage, "the text is longer than textBytes; the rest is in the raw message")
	}
	id := strings.Trim(r.ID, "<> ")
	if id == "" {
		id = "sha256:" + o.raw.Digest + o.part
	}
	d.ExternalID = name(o.source.Name, id)
	if r.Target != "" {
		d.Target = name(o.source.Name, r.Target)
	}
	for _, to := range s.recipients(r.To) {
		d.To = append(d.To, desk.Party{Handle: desk.Clean(to)})
	}
	s.thread(d, r, o, id)
	s.profile(d, r)
	s.marks(d, r, o)
	for i := range d.Damage {
		d.Damage[i] = desk.Clean(d.Damage[i])
	}
	sent := ""
	if !r.SentAt.IsZero() {
		sent = r.SentAt.UTC().Format(time.RFC3339)
	}
	d.Fingerprint = desk.Fingerprint("chat", o.source.Name, id, r.From, sent, d.Subject, d.Text, r.Act)
	return d
}

func (s *settings) thread(d *desk.Draft, r *record, o origin, id string) {
	refs := ids(r.References)
	for _, ref := range slices.Backward(refs) {
		d.References = append(d.References, name(o.source.Name, ref))
	}
	key := r.Thread
	switch {
	case key != "":
	case len(refs) > 0:
		key = refs[0]
	case s.Window > 0 && d.From.Handle != "" && d.Act == "":
		d.Group, d.Window = name(o.source.Name, r.From), s.Window
		key = id
	case r.Target != "":
		key = r.Target
	default:
		key = id
	}
	to, err := json.Marshal(address{Thread: desk.Clean(key), ID: desk.Clean(id), From: desk.Clean(r.From), More: small(r.Address)})
	if err != nil { // decoded JSON always marshals
		panic(err)
	}
	d.Thread = desk.Thread{Key: name(o.source.Name, key), Address: to, Plain: s.Mapping.References == "" && s.Mapping.Mail == ""}
}

// small drops an address nobody needs that large.
func small(v any) any {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil || len(b) > 8<<10 {
		return nil
	}
	return desk.CleanAll(v)
}

// handle is who somebody is among the customers of all chat sources: mail
// addresses as they are, others behind the name of their space.
func (s *settings) handle(source desk.Source, from string) string {
	from = desk.Clean(desk.Cut(strings.TrimSpace(from), 300))
	if from == "" || s.mails() && s.Space == "" {
		return strings.ToLower(from)
	}
	return orElse(s.Space, source.Name) + ":" + from
}

// mails reports whether the messages of the source are mails.
func (s *settings) mails() bool { return s.preset.mail || s.Mapping.Mail != "" }

func (s *settings) recipients(to string) []string {
	var out []string
	for part := range strings.SplitSeq(desk.Cut(to, 8<<10), ",") {
		if _, addr, err := mailbox(strings.TrimSpace(part)); err == nil && addr != "" && len(out) < 100 {
			out = append(out, addr)
		}
	}
	return out
}

func (s *settings) profile(d *desk.Draft, r *record) {
	p := desk.Profile{Name: d.From.Name, Email: strings.ToLower(desk.Clean(desk.Cut(r.Email, 320))), Phone: desk.Clean(desk.Cut(r.Phone, 50)), Language: desk.Clean(desk.Cut(r.Language, 35))}
	if s.mails() && p.Email == "" {
		p.Email = strings.ToLower(r.From)
	}
	if !strings.Contains(p.Email, "@") {
		p.Email = ""
	}
	p.EmailVerified = p.Email != "" && s.TrustEmail != nil && *s.TrustEmail
	if p != (desk.Profile{Name: p.Name}) {
		d.Profile = &p
	}
}

// marks says what sort of message it is.
func (s *settings) marks(d *desk.Draft, r *record, o origin) {
	if o.post != nil {
		l := o.post.letter
		d.Headers = map[string]string{}
		for k, v := range l.Headers {
			d.Headers[desk.Clean(k)] = desk.Clean(v)
		}
		d.Auto = desk.Auto{Kind: desk.AutoKind(l.Auto.Kind), Reason: desk.Clean(l.Auto.Reason)}
		if l.Auto.Kind == "delivered" {
			d.Auto.Kind = desk.AutoGenerated
		}
	}
	if r.Spam {
		if d.Headers == nil {
			d.Headers = map[string]string{}
		}
		d.Headers["x-spam-flag"] = "YES"
	}
	for _, own := range o.source.Addresses {
		if own != "" && (strings.EqualFold(own, r.From) || strings.EqualFold(own, d.From.Handle)) {
			d.Auto = desk.Auto{Kind: desk.AutoOwn, Reason: "the sender is one of our own addresses"}
		}
	}
}
