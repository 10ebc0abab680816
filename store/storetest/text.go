package storetest

import (
	"fmt"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

func textComesBack(h *house) {
	for _, text := range []string{
		"", " spaces ", "quotes ' \" ` \\ $1 ? :name @name %s", "line\nline\r\ttab", "\u0001\u007f\u2028\u2029",
		"Grüße, 你好, שלום, नमस्ते", "👩‍👩‍👧‍👦 🇩🇪 𝒳 \U0010FFFF", "e\u0301 is not é", "\uFEFFbom \uFFFD",
		"<b>&amp;</b> {\"json\": [1]} -- ; DROP TABLE tickets", strings.Repeat("long 🙂 ", 200_000),
	} {
		d := h.draft(desk.Fingerprint(text))
		d.Subject, d.Text, d.From.Name = text, text, text
		d.Headers = map[string]string{"x": text}
		r := h.accept(d)[0]
		got := h.receipt(r.ID).Draft
		if got.Subject != text || got.Text != text || got.Headers["x"] != text {
			h.Fatalf("draft of %.40q: %.40q %.40q", text, got.Subject, got.Text)
		}
		f := h.opens(r)
		f.Ticket.Title, f.Ticket.Description = text, text
		f.Ticket.Custom = map[string]any{"field": text}
		f.Trail = []desk.Note{{Stage: "s", Text: text}}
		f.Reason = text
		id := h.filed(f)[0].Ticket
		t, m := h.ticket(id), h.messages(id)[0]
		if t.Title != text || t.Description != text || t.Custom["field"] != text || m.Subject != text || m.Text != text || m.From.Name != text {
			h.Fatalf("ticket of %.40q: %.40q %.40q %.40q", text, t.Title, t.Custom["field"], m.Text)
		}
		if r := h.receipt(r.ID); r.Reason != text || r.Trail[0].Text != text {
			h.Fatalf("receipt of %.40q: %.40q %.40q", text, r.Reason, r.Trail[0].Text)
		}
	}
	// The edge cleans what is not text; should something slip through, the
	// message is kept all the same.
	d := h.draft("\xffid\x00")
	d.Subject, d.Text = "NUL \x00.", "bad \xff."
	r := h.accept(d)[0]
	h.equal("the same message", h.accept(d)[0].ID, r.ID)
	f := h.opens(r, "key\x00\xff")
	f.Ticket.Title = d.Subject
	id := h.filed(f)[0].Ticket
	h.equal("title", h.ticket(id).Title, "NUL .")
	h.equal("text", h.messages(id)[0].Text, "bad \uFFFD.")
	h.equal("owner", h.owner("key\x00\xff"), id)
}

func timesComeBack(h *house) {
	berlin := time.FixedZone("CET", 3600)
	for _, at := range []time.Time{
		time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		time.Date(2026, 3, 4, 5, 6, 7, 100_000_000, time.UTC),
		time.Date(2026, 3, 4, 5, 6, 7, 123_456_789, time.UTC),
		time.Date(2026, 3, 4, 5, 6, 7, 1_000, berlin),
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Now(),
	} {
		want := at.UTC().Truncate(time.Microsecond)
		h.now = at
		d := h.draft(at.String())
		r := h.accept(d)[0]
		f := h.opens(r)
		f.Ticket.DueDate = &at
		f.Message.SentAt = at
		id := h.filed(f)[0].Ticket
		t, m, got := h.ticket(id), h.messages(id)[0], h.receipt(r.ID)
		for name, x := range map[string]time.Time{"created": t.CreatedAt, "updated": t.UpdatedAt, "due": *t.DueDate, "sent": m.SentAt,
			"message": m.CreatedAt, "event": h.events(id)[0].At, "accepted": got.AcceptedAt, "source": got.SourceTime, "settled": got.SettledAt} {
			if x != want { // the zone and the representation too
				h.Errorf("%s of %v: got %v, want %v", name, at, x, want)
			}
		}
	}
	// What is stored compares as time, whatever its digits and zone.
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, ns := range []int{0, 1_000, 10_000, 100_000_000, 123_456_000, 999_999_000} {
		h.now = start.Add(time.Duration(ns))
		if i%2 == 1 {
			h.now = h.now.In(berlin)
		}
		h.filed(h.opens(h.accept(h.draft(fmt.Sprint("time ", i)))[0]))
		list, _, err := h.s.Tickets(h.ctx, desk.TicketFilter{CreatedAfter: start.In(berlin), CreatedBefore: h.now})
		h.must(err)
		h.equal("before", len(list), i)
		list, _, err = h.s.Tickets(h.ctx, desk.TicketFilter{CreatedAfter: h.now, CreatedBefore: h.now.Add(time.Microsecond)})
		h.must(err)
		h.equal("exactly", len(list), 1)
	}
}
