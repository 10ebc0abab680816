package store

import (
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// keptWords is where a ticket's words are.
type keptWords struct{ Description, Described string }

func (h *auditHouse) words(id desk.TicketID) (w keptWords) {
	h.Helper()
	h.must(h.s.w.Raw("SELECT description, described FROM tickets WHERE id = ?", string(id)).Scan(&w).Error)
	return w
}

// described files a ticket that is described by its message's text.
func (h *auditHouse) described(name, text string) *desk.Filing {
	h.Helper()
	f := h.opens(h.accepts("mail", name, func(d *desk.Draft) { d.Text = text }))
	f.Ticket.Description = desk.Description(text)
	h.filed(f)
	return f
}

func (h *auditHouse) reply(name string, into desk.TicketID, c desk.Change) {
	h.Helper()
	m := h.message(h.accepts("mail", name, nil))
	m.TicketID = into
	c.At, c.By, c.Said = h.now, m.Author, &desk.Said{Message: m.ID, By: desk.ByCustomer, Public: true}
	h.filed(&desk.Filing{Receipt: m.Receipt, At: h.now, Verdict: desk.Filed, Into: into, Policy: h.policy(), Message: m, Change: c})
}

func (h *auditHouse) edit(name string, f *desk.Filing, act desk.Act, text string) {
	h.Helper()
	h.now = h.now.Add(time.Second)
	r := h.accepts("mail", name, nil)
	h.filed(&desk.Filing{Receipt: r.ID, At: h.now, Verdict: desk.Filed, Into: f.Ticket.ID, Policy: h.policy(),
		Revision: &desk.Revision{Message: f.Message.ID, Act: act, Text: text, At: h.now}})
}

func (h *auditHouse) shows(id desk.TicketID, want string) {
	h.Helper()
	t, err := h.s.Ticket(h.Context(), string(id))
	h.must(err)
	if t.Description != want {
		h.Fatalf("described by %.40q (%d bytes), want %.40q (%d bytes)", t.Description, len(t.Description), want, len(want))
	}
}

// Words are kept with the message when that is worth it and the same, and in the
// ticket's row otherwise.
func TestWordsAreKeptOnce(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		most := len(desk.Description(strings.Repeat("x", 1<<20)))
		for i, text := range []string{"", strings.Repeat("x", shortDescription), strings.Repeat("x", shortDescription+1), strings.Repeat("x", most),
			strings.Repeat("x", most+1)} {
			f := h.described("size"+strings.Repeat("i", i), text)
			want := keptWords{Described: string(f.Message.ID)}
			if len(text) <= shortDescription || len(text) > most {
				want = keptWords{Description: desk.Description(text)}
			}
			if got := h.words(f.Ticket.ID); got != want {
				t.Errorf("%d bytes: %.40q %q", len(text), got.Description, got.Described)
			}
			h.shows(f.Ticket.ID, desk.Description(text))
		}
		long := strings.Repeat("it broke. ", 100)
		f := h.described("case", long)
		there := keptWords{Described: string(f.Message.ID)}
		is := func(want keptWords) {
			h.Helper()
			if got := h.words(f.Ticket.ID); got != want {
				h.Fatalf("got %.40q %q", got.Description, got.Described)
			}
		}
		h.reply("re", f.Ticket.ID, desk.Change{AddTags: []string{"vip"}})
		is(there)
		h.edit("an edit", f, desk.ActEdit, long+long)
		is(there)
		h.shows(f.Ticket.ID, long+long)
		own := strings.Repeat("my own. ", 100)
		h.reply("words", f.Ticket.ID, desk.Change{Description: &own})
		is(keptWords{Description: own})
		h.reply("re re", f.Ticket.ID, desk.Change{})
		is(keptWords{Description: own})
		f = h.described("gone", long)
		h.edit("delete", f, desk.ActDelete, "")
		is(keptWords{})
	})
}

// Tickets that were made before the column was there, or changed by a process of
// the version before while both were at work, are what they were.
func TestWordsOfEarlierVersions(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		long := strings.Repeat("it broke. ", 100)
		old, mixed := h.described("old", long), h.described("mixed", long)
		h.must(h.s.w.Exec("UPDATE tickets SET description = ?, described = '' WHERE id = ?", long, string(old.Ticket.ID)).Error)
		other := strings.Repeat("other words. ", 100)
		h.must(h.s.w.Exec("UPDATE tickets SET description = ? WHERE id = ?", other, string(mixed.Ticket.ID)).Error)
		for _, c := range []struct {
			f    *desk.Filing
			want string
			name string
		}{{old, long, "old"}, {mixed, other, "mixed"}} {
			h.shows(c.f.Ticket.ID, c.want)
			list, _, err := h.s.Tickets(h.Context(), desk.TicketFilter{Text: c.want[:9], Customer: c.f.Ticket.CustomerID})
			h.must(err)
			if len(list) != 1 || list[0].Description != c.want {
				t.Errorf("%s: found %d", c.name, len(list))
			}
			h.reply("re "+c.name, c.f.Ticket.ID, desk.Change{})
			h.shows(c.f.Ticket.ID, c.want)
			if got := h.words(c.f.Ticket.ID); got != (keptWords{Description: c.want}) {
				t.Errorf("%s: kept as %.20q %q", c.name, got.Description, got.Described)
			}
		}
		h.edit("edit old", old, desk.ActEdit, other)
		h.shows(old.Ticket.ID, other)
		h.edit("edit mixed", mixed, desk.ActEdit, long)
		h.shows(mixed.Ticket.ID, other)
	})
}

// The way back to the version before brings the words back to the tickets.
func TestWordsReturnWithTheMigration(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		long, own := strings.Repeat("it broke. ", 100), strings.Repeat("my own. ", 100)
		there, short, custom := h.described("there", long), h.described("short", "it broke"), h.described("own", long)
		h.reply("words", custom.Ticket.ID, desk.Change{Description: &own})
		p, done, err := h.s.goose()
		h.must(err)
		defer done()
		_, err = p.DownTo(t.Context(), 10)
		h.must(err)
		for id, want := range map[desk.TicketID]string{there.Ticket.ID: long, short.Ticket.ID: "it broke", custom.Ticket.ID: own} {
			var got string
			h.must(h.s.w.Raw("SELECT description FROM tickets WHERE id = ?", string(id)).Scan(&got).Error)
			if got != want {
				t.Errorf("after the way back %.40q, want %.40q", got, want)
			}
		}
		h.must(h.s.Migrate(t.Context()))
		h.shows(there.Ticket.ID, long)
	})
}

// A reply neither reads nor writes the words of its ticket.
func TestAReplyLeavesTheWordsAlone(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		f := h.described("case", strings.Repeat("it broke. ", 100))
		var said []string
		note := func(db *gorm.DB) { said = append(said, db.Statement.SQL.String()) }
		h.must(h.s.w.Callback().Raw().After("gorm:raw").Register("words", note))
		h.must(h.s.w.Callback().Row().After("gorm:row").Register("words", note))
		h.reply("re", f.Ticket.ID, desk.Change{})
		wrote := 0
		for _, q := range said {
			switch {
			case strings.Contains(q, `"body"`) && strings.HasPrefix(q, "SELECT"):
				t.Errorf("reads the words: %s", q)
			case strings.HasPrefix(q, "UPDATE tickets"), strings.Contains(q, "DO UPDATE SET title"):
				wrote++
				if strings.Contains(q, "description = excluded") || strings.Contains(q, `"description" = o`) {
					t.Errorf("writes the words: %s", q)
				}
			}
		}
		if wrote != 1 {
			t.Errorf("%d statements rewrite the ticket: %q", wrote, said)
		}
	})
}
