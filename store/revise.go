package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// revised is a message that is edited, deleted or restored, with what that adds
// to the table of revisions. Its ticket is locked, so nobody else does the same.
type revised struct {
	row     messageRow
	m       desk.Message
	adds    []revisionRow
	changed bool
	brought bool // files, or damage: what is written only then

	restored time.Time // when a restoring was said last, as far as anybody asked
}

func newRevised(row messageRow) (*revised, error) {
	m, err := row.desk()
	return &revised{row: row, m: m}, err
}

// revise lets a revision take effect on the message and its ticket. The table
// keeps every text that is not the message's current one: of an edit the text it
// replaces, of an edit that came too late its own. It keeps when the message was
// restored too, though it was shown: a delete that was said before and comes later
// hides nothing.
func (r *revised) revise(t *desk.Ticket, rev desk.Revision, by desk.Actor, now time.Time) ([]desk.Event, error) {
	rev.Text = desk.Clean(rev.Text)
	rev.At = micro(rev.At)
	was, late := r.m, rev.At.Before(r.m.EditedAt)
	had := len(r.m.Attachments) + len(r.m.Damage)
	var events []desk.Event
	if overtaken := rev.Act == desk.ActDelete && rev.At.Before(r.restored); !overtaken {
		events = t.Revise(&r.m, rev, by, now)
	}
	r.brought = r.brought || len(r.m.Attachments)+len(r.m.Damage) > had
	r.changed = r.changed || !was.EditedAt.Equal(r.m.EditedAt) || !was.DeletedAt.Equal(r.m.DeletedAt)
	if rev.Act == desk.ActRestore && rev.At.After(r.restored) {
		r.restored = rev.At
	}
	keep := ""
	switch {
	case rev.Act == desk.ActEdit && len(events) > 0 && !late:
		keep = was.Text
	case rev.Act == desk.ActEdit && !late: // no word is another
		return nil, nil
	case rev.Act == desk.ActEdit:
		keep = rev.Text
	case len(events) == 0 && !was.DeletedAt.IsZero():
		return nil, nil
	}
	var p packer
	r.row.Revisions++
	r.adds = append(r.adds, revisionRow{MessageID: r.row.ID, N: r.row.Revisions, Act: string(rev.Act), Text: keep, Actor: p.actor(by), At: rev.At})
	r.changed = r.changed || len(events) > 0
	return events, p.err
}

// save writes the message's words and state as revised. Its other columns may
// have moved on and stay.
func (r *revised) save(tx *gorm.DB) error {
	set := map[string]any{"revisions": r.row.Revisions}
	if r.changed {
		set["body"], set["edited_at"], set["deleted_at"] = r.m.Text, microp(r.m.EditedAt), microp(r.m.DeletedAt)
	}
	if r.brought {
		var p packer
		set["attachments"], set["damage"] = p.attachments(r.m.Attachments), p.texts(r.m.Damage)
		if p.err != nil {
			return p.err
		}
	}
	if err := tx.Model(&messageRow{}).Where("id = ?", r.row.ID).Updates(set).Error; err != nil {
		return err
	}
	return insertNew(tx, r.adds)
}

// lookUpRevised finds the messages that filings revise.
func (g *group) lookUpRevised() error {
	g.revised = map[string]*revised{}
	var ids, deleted []string
	for e := range g.filed {
		if e.f.Revision != nil {
			ids = append(ids, string(e.f.Revision.Message))
			if e.f.Revision.Act == desk.ActDelete {
				deleted = append(deleted, string(e.f.Revision.Message))
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var rows []messageRow
	if err := g.tx.Where(g.s.in("id", ids)).Find(&rows).Error; err != nil {
		return err
	}
	for _, row := range rows {
		r, err := newRevised(row)
		if err != nil {
			return err
		}
		g.revised[row.ID] = r
	}
	return g.lookUpRestored(deleted)
}

// lookUpRestored finds when messages that filings delete were restored.
func (g *group) lookUpRestored(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := find[revisionRow](g.tx, "message_id at", g.s.in("message_id", ids), "AND act = 'restore' ORDER BY at")
	if err != nil {
		return err
	}
	for i := range rows {
		if r := g.revised[rows[i].MessageID]; r != nil {
			r.restored = rows[i].At.UTC()
		}
	}
	return nil
}

// revise decides about a filing that revises a message.
func (g *group) revise(e *entry) error {
	j, r := g.tickets[string(e.f.Into)], g.revised[string(e.f.Revision.Message)]
	if j == nil || r == nil {
		return fmt.Errorf("store: file: message to %s: %w", e.f.Revision.Act, desk.ErrNotFound)
	}
	if r.row.TicketID != j.row.ID {
		return fmt.Errorf("store: file: message to %s is on another ticket: %w", e.f.Revision.Act, desk.ErrConflict)
	}
	t := cloneTicket(j.t)
	events, err := r.revise(t, *e.f.Revision, e.f.Change.By, e.f.At)
	j.reworded(r)
	if err != nil {
		return err
	}
	e.into, e.events = j, events
	if len(events) > 0 {
		t.Version++
		j.t, j.saved = t, true
	}
	return nil
}

func (g *group) writeRevisions() error {
	for _, id := range sorted(g.revised) {
		if r := g.revised[id]; len(r.adds) > 0 || r.changed || r.brought {
			if err := r.save(g.tx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Revise edits or deletes a message of ours and writes the event on its ticket,
// in one transaction, and returns the message as saved. What was sent already is
// changed on the other side later: see [Store.TakeToSend]. What waits to be sent
// goes out as edited, and not at all when it is deleted. A message that is not
// on the ticket, or not ours, is desk.ErrNotFound; a deleted one can only be
// restored (desk.ErrConflict). guard, unless nil, sees the message first and may
// refuse.
func (s *Store) Revise(ctx context.Context, ticket desk.TicketID, rev desk.Revision, by desk.Actor, guard func(*desk.Message) error) (*desk.Message, error) {
	var out *desk.Message
	err := s.write(ctx, func(tx *gorm.DB) error {
		j, err := s.lockTicket(tx, ticket)
		if err != nil {
			return err
		}
		var row messageRow
		err = s.forUpdate(tx).Where("id = ? AND ticket_id = ? AND direction <> ?", string(rev.Message), string(ticket), string(desk.Inbound)).Take(&row).Error
		if err != nil {
			return notFound("message", err)
		}
		r, err := newRevised(row)
		if err != nil {
			return err
		}
		if guard != nil {
			if err := guard(&r.m); err != nil {
				return err
			}
		}
		if !r.m.DeletedAt.IsZero() && rev.Act != desk.ActRestore {
			return fmt.Errorf("message is deleted: %w", desk.ErrConflict)
		}
		out = &r.m
		if rev.Act == desk.ActEdit && desk.Clean(rev.Text) == r.m.Text {
			return nil
		}
		_, err = j.change(tx, func(t *desk.Ticket) ([]desk.Event, error) {
			events, err := r.revise(t, rev, by, rev.At)
			j.reworded(r)
			return events, err
		})
		if err != nil {
			return err
		}
		if err := r.save(tx); err != nil {
			return err
		}
		return r.tellOthers(tx)
	})
	if err != nil {
		return nil, failed("revise", err)
	}
	return out, nil
}

// tellOthers decides what the other side must hear of a revision of ours.
func (r *revised) tellOthers(tx *gorm.DB) error {
	q := tx.Model(&messageRow{}).Where("id = ?", r.row.ID)
	switch desk.SendState(r.row.SendState) {
	case desk.SendQueued:
		if r.m.DeletedAt.IsZero() {
			return nil
		}
		r.m.Send = desk.SendNone
		return q.Update("send_state", string(desk.SendNone)).Error
	case desk.SendSending, desk.SendUnknown, desk.SendFailed, desk.SendSent: // what failed may have arrived: see [Store.Resend]
		set := map[string]any{"follow": true}
		if r.row.SendState == string(desk.SendSent) { // a new errand, with tries of its own
			set["send_tries"], set["send_after"], set["taken_at"], set["swept_at"] = 0, nil, nil, nil
			if err := tx.Exec(`DELETE FROM sendings WHERE message_id = ?`, r.row.ID).Error; err != nil {
				return err
			}
		}
		return q.Updates(set).Error
	}
	return nil
}

// Revisions returns what was done to a message, oldest first: of an edit the
// text it replaced.
func (s *Store) Revisions(ctx context.Context, id desk.MessageID) ([]desk.Revision, error) {
	var rows []revisionRow
	if err := s.read(ctx).Where("message_id = ?", string(id)).Order("n").Find(&rows).Error; err != nil {
		return nil, failed("revisions", err)
	}
	out := make([]desk.Revision, len(rows))
	for i, r := range rows {
		out[i] = desk.Revision{Message: desk.MessageID(r.MessageID), Act: desk.Act(r.Act), Text: r.Text, At: r.At.UTC()}
	}
	return out, nil
}
