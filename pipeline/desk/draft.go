package desk

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Draft is one incoming message, normalised by its channel and not yet filed.
// It holds text but no bytes: the raw message, HTML and files are blobs, or
// small and Kept.
// Every string in it is clean (see [Clean]).
type Draft struct {
	Source  string  `json:"source"` // name of the configured source
	Channel Channel `json:"channel"`
	Scope   string  `json:"scope"` // see [Source.Scope]

	// ExternalID is the identifier the other side gave (Message-ID, event_id,
	// activity ID, Idempotency-Key), or "sha256:" and the digest of the raw
	// bytes when it gave none.
	ExternalID string `json:"externalId"`
	// Fingerprint is a digest of who, when and what; see [Fingerprint]. The
	// same external ID with the same fingerprint is the same message.
	Fingerprint string `json:"fingerprint"`

	Thread Thread `json:"thread"`
	// References are external IDs this message answers, nearest first.
	References []string `json:"references,omitempty"`
	// Signed are tickets named by a token only we could have made; the channel
	// checked its signature.
	Signed []SignedRef `json:"signed,omitempty"`

	From Party   `json:"from"`
	To   []Party `json:"to,omitempty"`
	Cc   []Party `json:"cc,omitempty"`

	Subject string  `json:"subject,omitempty"`
	Text    string  `json:"text,omitempty"` // plain text or Markdown
	HTML    BlobRef `json:"html,omitzero"`  // as sent, not yet cleaned

	SentAt     time.Time `json:"sentAt,omitzero"`     // what the sender claims
	ReceivedAt time.Time `json:"receivedAt,omitzero"` // when the source got it (INTERNALDATE)

	Attachments []Attachment      `json:"attachments,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"` // selected, names in lower case
	Raw         BlobRef           `json:"raw,omitzero"`

	// Act says what the message does: nothing of the kind (a new message), or
	// edit, delete or restore the one whose external ID is Target.
	Act    Act    `json:"act,omitempty"`
	Target string `json:"target,omitempty"`
	// Group and Window let messages without a thread of their own join the
	// ticket of the last message of the same group, when that is not older than
	// Window: "several short messages in a row are one case". Messages of one
	// group are filed in the order they were accepted. Leave Group empty on an
	// answer inside a thread: its thread orders it.
	Group  string        `json:"group,omitempty"`
	Window time.Duration `json:"window,omitempty"`
	// Profile is what the vendor knows about the sender. Nil: nothing.
	Profile *Profile `json:"profile,omitempty"`

	Auto Auto `json:"auto,omitzero"`
	// Ask is what the sender, authenticated, wants on the ticket: the API's
	// fields. Nil where the channel has no such thing.
	Ask *Ask `json:"ask,omitempty"`
	// Kept are bytes that references of this draft name and that are to be written
	// with its ledger row. They are no part of the draft's own record.
	Kept []Kept `json:"-"`
	// Damage says in plain words what was broken and how it was read anyway.
	Damage []string `json:"damage,omitempty"`
	// Trace is the trace the message belongs to, as a traceparent (W3C Trace
	// Context). It is no part of what was said, and empty when nothing is traced.
	Trace string `json:"trace,omitempty"`
}

// Conversation is the key in whose order messages are filed: the group, else
// the thread. An act has none: it is no message, and waits for the one it names
// alone, which must not wait for it.
func (d *Draft) Conversation() string {
	if d.Act != "" {
		return ""
	}
	return cmp.Or(d.Group, d.Thread.Key)
}

// Moment is when the message was said: what its channel says, else when the
// source got it.
func (d *Draft) Moment() time.Time {
	if d.SentAt.IsZero() {
		return d.ReceivedAt
	}
	return d.SentAt
}

// Party is somebody on a message: a display name and a handle. For email the
// handle is the address with its domain in lower case.
type Party struct {
	Name   string `json:"name,omitempty"`
	Handle string `json:"handle,omitempty"`
}

// Act is what a message does to an earlier one.
type Act string

// The acts. The zero Act is a new message.
const (
	ActEdit    Act = "edit"
	ActDelete  Act = "delete"
	ActRestore Act = "restore"
)

// Profile is what a vendor says about a sender. An email joins the sender to
// the customer who has that address only when the vendor verified it.
type Profile struct {
	Name          string `json:"name,omitempty"`
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"emailVerified,omitempty"`
	Phone         string `json:"phone,omitempty"`
	TimeZone      string `json:"timeZone,omitempty"` // IANA
	Language      string `json:"language,omitempty"` // BCP 47
}

// LogValue hides who it is.
func (p Profile) LogValue() slog.Value { return slog.StringValue("profile") }

// LogValue hides who it is.
func (p Party) LogValue() slog.Value { return slog.StringValue("party") }

// Thread is the channel's own conversation key and the address to answer to.
// Address is JSON that only the channel itself reads. Plain says that no message
// of this conversation ever names another by its ID: the key tells all.
type Thread struct {
	Key     string          `json:"key,omitempty"`
	Address json.RawMessage `json:"address,omitempty"`
	Plain   bool            `json:"plain,omitempty"`
}

// SignedRef is a ticket, or a receipt whose ticket is meant, named by a token of
// ours.
type SignedRef struct {
	Ticket  TicketID  `json:"ticket,omitempty"`
	Receipt ReceiptID `json:"receipt,omitempty"`
	Via     string    `json:"via"` // "reply address", "message id" or "receipt"
}

// AutoKind says what sort of machine wrote a message.
type AutoKind string

// The kinds of automatic message. The zero AutoKind is a person's message.
const (
	AutoReply     AutoKind = "auto-reply"     // out of office, vacation; RFC 3834
	AutoGenerated AutoKind = "auto-generated" // a notification
	AutoBounce    AutoKind = "bounce"         // delivery failed; RFC 3464
	AutoDelay     AutoKind = "delay"          // delivery is late
	AutoFeedback  AutoKind = "feedback"       // abuse report; RFC 5965
	AutoList      AutoKind = "list"           // mailing list; RFC 2919
	AutoOwn       AutoKind = "own"            // we sent it ourselves
	AutoUnread    AutoKind = "unread"         // its channel could not make a message of it: a person has to look
	AutoNotice    AutoKind = "notice"         // the vendor tells of something that is no message
)

// Auto is the verdict of a channel on whether a machine wrote the message.
type Auto struct {
	Kind   AutoKind `json:"kind,omitempty"`
	Reason string   `json:"reason,omitempty"` // the header or form that decided
}

// Ask is what an authenticated sender wants on the ticket. Empty means "not
// said".
type Ask struct {
	Title        string         `json:"title,omitempty"`
	Description  string         `json:"description,omitempty"`
	Status       Status         `json:"status,omitempty"`
	Priority     Priority       `json:"priority,omitempty"`
	Type         Type           `json:"type,omitempty"`
	Channel      Channel        `json:"channel,omitempty"`    // the source to show
	CustomerID   string         `json:"customerId,omitempty"` // uid or external ID
	TeamID       TeamID         `json:"teamId,omitempty"`
	AgentID      AgentID        `json:"agentId,omitempty"`
	Tags         []string       `json:"tags,omitempty"`
	DueDate      *time.Time     `json:"dueDate,omitempty"`
	CustomFields map[string]any `json:"customFields,omitempty"`
	Actor        Actor          `json:"actor,omitzero"`
	// RequestHash is the digest of the request body, for Idempotency-Key.
	RequestHash string `json:"requestHash,omitempty"`
}

// LogValue shows where a draft came from, never what it says.
func (d *Draft) LogValue() slog.Value {
	if d == nil {
		return slog.Value{}
	}
	return slog.GroupValue(
		slog.String("source", d.Source), slog.String("channel", string(d.Channel)),
		slog.Int("text", len(d.Text)), slog.Int("attachments", len(d.Attachments)),
		slog.String("auto", string(d.Auto.Kind)))
}

// Fingerprint digests the parts of a message that say who, when and what: hex
// SHA-256 over the parts with their lengths, so that no two lists collide.
func Fingerprint(parts ...string) string {
	size := 0
	for _, p := range parts {
		size += 8 + len(p)
	}
	buffer := prints.Get().(*[]byte)
	defer prints.Put(buffer)
	all := slices.Grow((*buffer)[:0], size)
	for _, p := range parts {
		all = binary.LittleEndian.AppendUint64(all, uint64(len(p)))
		all = append(all, p...)
	}
	if cap(all) <= mostPrint {
		*buffer = all
	}
	return digestOf(all)
}

// prints are buffers to use again, up to mostPrint bytes.
var prints = sync.Pool{New: func() any { return new([]byte) }}

const mostPrint = 64 << 10

// Alone reports whether no other source can have the draft's external ID, and no
// message names it ([Thread].Plain): the ID begins with the source's name and a
// colon, or the scope is the source's own.
func (d *Draft) Alone() bool {
	rest, named := strings.CutPrefix(d.ExternalID, d.Source)
	return d.Thread.Plain && (d.Scope == d.Source || named && strings.HasPrefix(rest, ":"))
}
