package slack

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"switchboard/pipeline/desk"
)

// FuzzEvent: any bytes are decoded and decided without a panic, and what becomes
// a draft is fit for the ledger.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"type":"event_callback","team_id":"T1","event_id":"Ev1","event":{"type":"message","channel":"C1","user":"U1","text":"hi <@U2> <https://x|y>","ts":"1700000000.000100","thread_ts":"1690000000.000100","files":[{"id":"F1"}],"attachments":[{"is_share":true,"text":"x"}]}}`))
	f.Add([]byte(`{"event":{"type":"message","subtype":"message_changed","channel":"C1","message":{"user":"U1","ts":"1.1","text":"a"}}}`))
	f.Add([]byte(`{"event":{"type":"message","channel":"C1","user":"U1","ts":"1.1","blocks":[{"type":"rich_text","elements":[{"type":"text","text":"x"}]}]}}`))
	f.Add([]byte(`{"event":{"type":"reaction_added","user":"U1","reaction":"eyes","item":{"type":"message","channel":"C1","ts":"1.1"}}}`))
	f.Add([]byte(`[`))
	s, err := load(block("signingSecret: a\nbotToken: b\nbots: [B1]"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, _, err := decode(body)
		if err != nil {
			return
		}
		d := decide(s, &e, facts{bot: "UBOT"})
		if d.verdict == "" || len(d.reasons) == 0 {
			t.Fatalf("no reason for %q", body)
		}
		o := origin{source: desk.Source{Name: "acme", Channel: desk.Slack}, team: e.team(), bot: "UBOT", event: string(e.EventID), at: time.Unix(1, 0),
			raw: desk.BlobRef{Digest: strings.Repeat("0", 64)}, names: func(string) string { return "" }}
		var x *desk.Draft
		switch d.verdict {
		case toTicket, toThread:
			x = draftFrom(d, o)
			if strings.Count(x.ExternalID, ":") != 2 || strings.Count(x.Thread.Key, ":") != 2 {
				t.Fatalf("keys %q %q", x.ExternalID, x.Thread.Key)
			}
		case toEdit, toDelete:
			x = changeFrom(d, o)
			if x.Target == "" || x.Act == "" {
				t.Fatalf("%+v", x)
			}
		case toKeep, toNotice:
			x = keptFrom(desk.AutoUnread, string(e.Event.Type), d.why(), o)
			x.Headers = headers(d, o)
		default:
			return
		}
		if x.ExternalID == "" || x.Fingerprint == "" {
			t.Fatalf("no identity: %+v", x)
		}
		b, err := json.Marshal(x)
		if err != nil || !utf8.Valid(b) {
			t.Fatalf("%v", err)
		}
		for _, text := range append([]string{x.Text, x.Auto.Reason, x.From.Name, x.From.Handle, x.ExternalID, x.Target, x.Thread.Key}, values(x.Headers)...) {
			if text != desk.Clean(text) {
				t.Fatalf("not clean: %q", text)
			}
		}
	})
}

func values(m map[string]string) []string {
	var out []string
	for k, v := range m {
		out = append(out, k, v)
	}
	return out
}

// FuzzInteraction: any body of an interaction or a command is read without a
// panic.
func FuzzInteraction(f *testing.F) {
	f.Add([]byte("payload=" + url.QueryEscape(`{"type":"view_submission","view":{"id":"V1","callback_id":"switchboard_ticket","private_metadata":"{}","state":{"values":{"title":{"value":{"value":"x"}},"priority":{"value":{"selected_option":{"value":"HIGH"}}}}}}}`)))
	f.Add([]byte("payload=" + url.QueryEscape(`{"type":"message_action","message":{"ts":"1.1","text":"x"}}`)))
	f.Add([]byte("command=/ticket&text=a%0Ab&%zz"))
	f.Fuzz(func(t *testing.T, body []byte) {
		i, err := decodeInteraction(body)
		if err != nil {
			return
		}
		x, wrong := i.View.read()
		if len(wrong) == 0 && (x.title == "" || len([]rune(x.title)) > maxTitle || x.title != desk.Clean(x.title)) {
			t.Fatalf("title %q", x.title)
		}
		p := purpose{Kind: purposeMessage, Text: string(i.Message.Text)}
		if enc := p.encode(); len(enc) > maxMetadata {
			t.Fatalf("%d bytes of metadata", len(enc))
		}
		_ = kindOf(i)
		title, _ := split(string(i.Message.Text))
		_ = modal(p, title, "")
	})
}
