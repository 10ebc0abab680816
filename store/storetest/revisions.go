package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"switchboard/pipeline/desk"
)

// revises is a filing that does something to a message on a ticket.
func (h *house) revises(r desk.Receipt, into desk.TicketID, m desk.Message, act desk.Act, text string, at time.Time) *desk.Filing {
	return &desk.Filing{Receipt: r.ID, At: h.now, Verdict: desk.Filed, Into: into, Policy: desk.NewPolicy(), Change: desk.Change{By: m.Author},
		Revision: &desk.Revision{Message: m.ID, Act: act, Text: text, At: at}}
}

// event is a draft that adds no message.
func (h *house) event(externalID string) desk.Receipt {
	h.Helper()
	return h.accept(h.draft(externalID))[0]
}

func (h *house) revisions(id desk.MessageID) []string {
	h.Helper()
	list, err := h.s.Revisions(h.ctx, id)
	h.must(err)
	out := []string{}
	for _, r := range list {
		out = append(out, string(r.Act)+" "+r.Text)
	}
	return out
}

func editedByAuthor(h *house) {
	f := h.opens(h.accept(h.draft("a"))[0])
	f.Ticket.Description = f.Message.Text
	t := h.ticket(h.filed(f)[0].Ticket)
	m := h.messages(t.ID)[0]
	at := func(n int) time.Time { return h.now.Add(time.Duration(n) * time.Minute) }
	edit := h.revises(h.event("e1"), t.ID, m, desk.ActEdit, "it broke again", at(2))
	res := h.filed(edit)[0]
	h.equal("result", res, desk.FilingResult{Ticket: t.ID, Number: t.Number})
	r := h.receipt(edit.Receipt)
	if r.State != desk.Filed || r.TicketID != t.ID || r.MessageID != m.ID {
		h.Fatalf("receipt %+v", r)
	}
	got := h.messages(t.ID)
	if len(got) != 1 || got[0].Text != "it broke again" || got[0].EditedAt != at(2) || !got[0].DeletedAt.IsZero() {
		h.Fatalf("message %+v", got)
	}
	u := h.ticket(t.ID)
	if u.Description != "it broke again" || u.Version != t.Version+1 || u.MessageCount != 1 || u.EventCount != 2 {
		h.Fatalf("ticket %+v", u)
	}
	e := h.events(t.ID)[1]
	if e.Kind != desk.EventCommentUpdated || e.Data["message"] != string(m.ID) || e.Actor != m.Author {
		h.Fatalf("event %+v", e)
	}

	// An edit that was made before and comes late changes nothing; its words are kept.
	h.filed(h.revises(h.event("e0"), t.ID, m, desk.ActEdit, "it brokn", at(1)))
	h.equal("text", h.messages(t.ID)[0].Text, "it broke again")
	h.equal("version", h.ticket(t.ID).Version, u.Version)
	// Two of one group take effect in order.
	h.filed(h.revises(h.event("e2"), t.ID, m, desk.ActEdit, "all is well", at(3)), h.revises(h.event("e3"), t.ID, m, desk.ActDelete, "", at(4)))
	gone := h.messages(t.ID)[0]
	if gone.Text != "all is well" || gone.DeletedAt != at(4) || h.ticket(t.ID).Description != "" {
		h.Fatalf("deleted %+v", gone)
	}
	h.filed(h.revises(h.event("e4"), t.ID, m, desk.ActRestore, "", at(5)))
	if back := h.messages(t.ID)[0]; !back.DeletedAt.IsZero() || h.ticket(t.ID).Description != "all is well" {
		h.Fatalf("restored %+v", back)
	}
	h.equal("kept", h.revisions(m.ID), []string{"edit it broke", "edit it brokn", "edit it broke again", "delete ", "restore "})
	var kinds []string
	for _, e := range h.events(t.ID)[1:] {
		kinds = append(kinds, e.Kind)
	}
	h.equal("events", kinds, []string{desk.EventCommentUpdated, desk.EventCommentUpdated, desk.EventCommentDeleted, desk.EventCommentUpdated})
	h.equal("messages", h.ticket(t.ID).MessageCount, 1)

	m, ok, err := h.entry("a")
	h.must(err)
	if !ok || m.ID != got[0].ID {
		h.Fatal("the line does not find it")
	}
	if _, ok, err := h.entry("e1"); ok || err != nil {
		h.Fatal("an edit is a message")
	}
}

// revisedOutOfOrder: what was said last stands, in whatever order it comes, in one
// group or in several.
func revisedOutOfOrder(h *house) {
	at := func(n int) time.Time { return h.now.Add(time.Duration(n) * time.Minute) }
	type said struct {
		act  desk.Act
		text string
		at   int
	}
	for i, c := range []struct {
		name   string
		said   []said
		text   string
		hidden bool
		kept   []string
	}{
		{"an edit after its undoing", []said{{desk.ActEdit, "it broke", 2}, {desk.ActEdit, "slip", 1}}, "it broke", false, []string{"edit slip"}},
		{"a delete after its restoring", []said{{desk.ActRestore, "", 2}, {desk.ActDelete, "", 1}}, "it broke", false, []string{"restore ", "delete "}},
		{"a delete after what restored another", []said{{desk.ActDelete, "", 1}, {desk.ActRestore, "", 3}, {desk.ActDelete, "", 2}}, "it broke", false,
			[]string{"delete ", "restore ", "delete "}},
		{"a newer delete", []said{{desk.ActRestore, "", 1}, {desk.ActDelete, "", 2}}, "it broke", true, []string{"restore ", "delete "}},
		{"a restore between two deletes", []said{{desk.ActDelete, "", 1}, {desk.ActDelete, "", 3}, {desk.ActRestore, "", 2}}, "it broke", true, []string{"delete "}},
	} {
		for _, together := range []bool{true, false} {
			id := fmt.Sprint("m", i, together)
			f := h.opens(h.accept(h.draft(id))[0])
			f.Message.Text, f.Ticket.Description = "it broke", "it broke"
			t := h.ticket(h.filed(f)[0].Ticket)
			m := h.messages(t.ID)[0]
			var fs []*desk.Filing
			for n, r := range c.said {
				fs = append(fs, h.revises(h.event(fmt.Sprint(id, "e", n)), t.ID, m, r.act, r.text, at(r.at)))
			}
			if together {
				h.filed(fs...)
			} else {
				for _, f := range fs {
					h.filed(f)
				}
			}
			got := h.messages(t.ID)[0]
			if got.Text != c.text || got.DeletedAt.IsZero() == c.hidden || h.ticket(t.ID).Description != map[bool]string{false: c.text}[c.hidden] {
				h.Errorf("%s, together %v: %q, deleted %v, described %q", c.name, together, got.Text, got.DeletedAt, h.ticket(t.ID).Description)
			}
			h.equal("kept of "+c.name, h.revisions(m.ID), c.kept)
		}
	}
}

// editBringsFiles: what an edit brings stands on the message, beside what was
// there, and an edit that brings nothing leaves it.
func editBringsFiles(h *house) {
	t := h.opened("a")
	m := h.messages(t.ID)[0]
	file := func(name string) desk.Attachment {
		return desk.Attachment{Name: name, ContentType: "image/png", Blob: desk.BlobRef{Digest: name, Size: 1}}
	}
	names := func() []string {
		out := []string{}
		for _, f := range h.messages(t.ID)[0].Attachments[len(m.Attachments):] {
			out = append(out, f.Name)
		}
		return out
	}
	edit := h.revises(h.event("e1"), t.ID, m, desk.ActEdit, "see the picture", h.now.Add(2*time.Minute))
	edit.Revision.Files, edit.Revision.Damage = []desk.Attachment{file("one.png")}, []string{"two.png is too large"}
	late := h.revises(h.event("e0"), t.ID, m, desk.ActEdit, "see", h.now.Add(time.Minute))
	late.Revision.Files = []desk.Attachment{file("three.png")}
	h.filed(edit, late)
	h.equal("files", names(), []string{"one.png", "three.png"})
	h.filed(h.revises(h.event("e2"), t.ID, m, desk.ActEdit, "never mind", h.now.Add(3*time.Minute)))
	h.equal("files after an edit of words", names(), []string{"one.png", "three.png"})
	h.equal("damage", h.messages(t.ID)[0].Damage, append(slices.Clone(m.Damage), "two.png is too large"))
	h.equal("text", h.messages(t.ID)[0].Text, "never mind")
	h.equal("kept", h.revisions(m.ID), []string{"edit " + m.Text, "edit see", "edit see the picture"})
}

func (h *house) entry(externalID string) (desk.Message, bool, error) {
	d := h.draft("asks")
	d.Target = externalID
	m, ok, err := h.view(d).Entry(h.ctx, scope, externalID, "")
	if m == nil {
		m = &desk.Message{}
	}
	return *m, ok, err
}

func editsThatFail(h *house) {
	t, other := h.opened("a"), h.opened("b")
	m := h.messages(t.ID)[0]
	wrong := h.revises(h.event("e1"), other.ID, m, desk.ActEdit, "x", h.now)
	unknown := h.revises(h.event("e2"), t.ID, desk.Message{ID: "unknown"}, desk.ActEdit, "x", h.now)
	nonsense := h.revises(h.event("e3"), t.ID, m, desk.ActEdit, "x", h.now)
	nonsense.Message = &m
	good := h.revises(h.event("e4"), t.ID, m, desk.ActEdit, "good", h.now)
	res := h.file(wrong, unknown, nonsense, good)
	h.refused(res[0].Err, desk.ErrConflict)
	h.refused(res[1].Err, desk.ErrNotFound)
	if !desk.IsPermanent(res[2].Err) {
		h.Error(res[2].Err)
	}
	h.must(res[3].Err)
	h.equal("text", h.messages(t.ID)[0].Text, "good")
	h.refused(h.file(good)[0].Err, desk.ErrSettled)
}

func editRace(h *house) {
	t := h.opened("a")
	m := h.messages(t.ID)[0]
	const n = 8
	fs := make([]*desk.Filing, n)
	for i := range fs {
		fs[i] = h.revises(h.event(fmt.Sprint("e", i)), t.ID, m, desk.ActEdit, fmt.Sprint("text ", i), h.now.Add(time.Duration(i)*time.Second))
	}
	h.atOnce(n, func(i int) error {
		res, err := h.s.File(h.ctx, fs[i:i+1])
		if err == nil {
			err = res[0].Err
		}
		return err
	})
	h.equal("the latest stands", h.messages(t.ID)[0].Text, fmt.Sprint("text ", n-1))
	h.equal("all are kept", len(h.revisions(m.ID)), n)
	h.equal("events", len(h.events(t.ID)), h.ticket(t.ID).EventCount)
}

// oursRevised: what was not sent goes out as edited or not at all, what was sent
// is told to the other side.
func oursRevised(h *house) {
	t := h.opened("a")
	ann := desk.Actor{Kind: desk.ByAgent, ID: "ann", Name: "Ann"}
	revise := func(m *desk.Message, act desk.Act, text string) *desk.Message {
		h.Helper()
		h.now = h.now.Add(time.Minute)
		got, err := h.s.Revise(h.ctx, t.ID, desk.Revision{Message: m.ID, Act: act, Text: text, At: h.now}, ann, nil)
		h.must(err)
		saved, err := h.s.Message(h.ctx, m.ID)
		h.must(err)
		h.equal("as saved", *got, *saved)
		return saved
	}
	unsent := h.answer(t.ID)
	h.equal("edited before it went", revise(unsent, desk.ActEdit, "better words").Text, "better words")
	out, err := h.s.TakeToSend(h.ctx, unsent.ID, h.now, patience, "")
	h.must(err)
	h.equal("what goes out", out.Reply.Message.Text, "better words")
	h.must(h.s.Delivered(h.ctx, unsent.ID, desk.Proof{ExternalID: "<1>", At: h.now}))
	_, err = h.s.TakeToSend(h.ctx, unsent.ID, h.now, patience, "")
	h.refused(err, desk.ErrSettled)

	sent := revise(unsent, desk.ActEdit, "best words")
	h.equal("state", sent.Send, desk.SendSent)
	ids, err := h.s.Unsent(h.ctx, h.now.Add(time.Hour), h.now.Add(time.Hour), h.now, 10)
	h.must(err)
	h.equal("to be told", ids, []desk.MessageID{sent.ID})
	out, err = h.s.TakeToSend(h.ctx, sent.ID, h.now, patience, "")
	h.must(err)
	if out.Was != desk.SendSent || out.Reply.Message.ExternalID != "<1>" || out.Reply.Message.Text != "best words" || out.Tries != 1 {
		h.Fatalf("got %+v", out)
	}
	_, err = h.s.TakeToSend(h.ctx, sent.ID, h.now, patience, "")
	h.refused(err, desk.ErrBusy)
	gone := revise(sent, desk.ActDelete, "") // while the edit is on its way
	h.must(h.s.Followed(h.ctx, sent.ID, out.Revision, "", nil))
	out, err = h.s.TakeToSend(h.ctx, sent.ID, h.now, patience, "")
	h.must(err)
	if out.Was != desk.SendSent || out.Reply.Message.DeletedAt != gone.DeletedAt {
		h.Fatalf("got %+v", out)
	}
	h.must(h.s.Postpone(h.ctx, sent.ID, out.Tries, desk.SendQueued, "429", h.now.Add(time.Hour)))
	got, err := h.s.Message(h.ctx, sent.ID)
	h.must(err)
	h.equal("still sent", got.Send, desk.SendSent)
	_, err = h.s.TakeToSend(h.ctx, sent.ID, h.now, patience, "")
	h.refused(err, desk.ErrBusy)
	out, err = h.s.TakeToSend(h.ctx, sent.ID, h.now.Add(time.Hour), patience, "")
	h.must(err)
	h.must(h.s.Followed(h.ctx, sent.ID, out.Revision, "", nil))
	_, err = h.s.TakeToSend(h.ctx, sent.ID, h.now.Add(time.Hour), patience, "")
	h.refused(err, desk.ErrSettled)
	h.refused(h.s.Followed(h.ctx, sent.ID, out.Revision, "", nil), desk.ErrSettled)

	never := h.answer(t.ID)
	h.equal("taken back in time", revise(never, desk.ActDelete, "").Send, desk.SendNone)
	_, err = h.s.TakeToSend(h.ctx, never.ID, h.now, patience, "")
	h.refused(err, desk.ErrSettled)
	_, err = h.s.Revise(h.ctx, t.ID, desk.Revision{Message: never.ID, Act: desk.ActEdit, Text: "x", At: h.now}, ann, nil)
	h.refused(err, desk.ErrConflict)

	racing := h.answer(t.ID)
	_, err = h.s.TakeToSend(h.ctx, racing.ID, h.now, patience, "")
	h.must(err)
	revise(racing, desk.ActDelete, "") // it is leaving at this moment, and then it does not
	h.must(h.s.Undelivered(h.ctx, racing.ID, 1, desk.SendQueued, "refused", nil))
	_, err = h.s.TakeToSend(h.ctx, racing.ID, h.now, patience, "")
	h.refused(err, desk.ErrSettled)

	theirs := h.messages(t.ID)[0]
	_, err = h.s.Revise(h.ctx, t.ID, desk.Revision{Message: theirs.ID, Act: desk.ActEdit, Text: "x", At: h.now}, ann, nil)
	h.refused(err, desk.ErrNotFound)
	stop := errors.New("stop")
	_, err = h.s.Revise(h.ctx, t.ID, desk.Revision{Message: sent.ID, Act: desk.ActRestore, At: h.now}, ann, func(*desk.Message) error { return stop })
	h.refused(err, stop)
}

// answerEnded revises answers while they are on their way, and then they end
// without having been sent: there is nobody to tell.
func answerEnded(h *house) {
	ann := desk.Actor{Kind: desk.ByAgent, ID: "ann", Name: "Ann"}
	for _, c := range []struct {
		act  desk.Act
		ends desk.SendState
	}{{desk.ActEdit, desk.SendFailed}, {desk.ActDelete, desk.SendNone}} {
		m := h.answer(h.opened(string(c.act)).ID)
		_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
		h.must(err)
		_, err = h.s.Revise(h.ctx, m.TicketID, desk.Revision{Message: m.ID, Act: c.act, Text: "better", At: h.now}, ann, nil)
		h.must(err)
		h.must(h.s.Undelivered(h.ctx, m.ID, 1, c.ends, "no such mailbox", nil))
		later := h.now.Add(time.Hour)
		ids, err := h.s.Unsent(h.ctx, later, later, later, 10)
		h.must(err)
		h.equal("to be sent after it was "+string(c.ends), len(ids), 0)
	}
}

// failedRevised edits an answer that was given up and had arrived. When it is sent
// again it is found on the other side, with the words it had.
func failedRevised(h *house) {
	ann := desk.Actor{Kind: desk.ByAgent, ID: "ann", Name: "Ann"}
	m := h.answer(h.opened("a").ID)
	_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
	h.must(err)
	h.must(h.s.Undelivered(h.ctx, m.ID, 1, desk.SendFailed, "given up", nil))
	_, err = h.s.Revise(h.ctx, m.TicketID, desk.Revision{Message: m.ID, Act: desk.ActEdit, Text: "better", At: h.now}, ann, nil)
	h.must(err)
	later := h.now.Add(time.Hour)
	unsent := func(want ...desk.MessageID) {
		h.Helper()
		later = later.Add(time.Minute)
		ids, err := h.s.Unsent(h.ctx, later, later, later, 10)
		h.must(err)
		h.equal("unsent", len(ids), len(want))
		for i := range want {
			h.equal("unsent", ids[i], want[i])
		}
	}
	unsent()
	h.must(h.s.Resend(h.ctx, m.ID, ann, h.now))
	unsent(m.ID)
	out, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
	h.must(err)
	h.equal("state", out.Was, desk.SendUnknown)
	h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{ExternalID: "<old>", At: h.now}))
	unsent(m.ID)
	out, err = h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
	h.must(err)
	if out.Was != desk.SendSent || out.Reply.Message.Text != "better" || out.Reply.Message.ExternalID != "<old>" {
		h.Fatalf("got %+v", out)
	}
}
