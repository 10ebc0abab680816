package store

import (
	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// A ticket is described, as a rule, by the very words of the message that opened
// it. They are kept once, with the message, and the ticket names it (the column
// described). Words of its own a ticket has when somebody gave it some, when they
// are short, when the message is longer than a description is, and when it was
// made before there was that column. Words in the ticket's row always win.
//
// A row that was read does not have the message's words until [Store.describe]
// has fetched them; who does not need them leaves them where they are.

// shortDescription is the longest description, in bytes, that is kept beside the
// message all the same: a row grows by no more than its other columns take, and
// who reads the ticket is spared a second look-up.
const shortDescription = 256

// describedBy leaves the words of a new ticket to its first message when they
// are the same.
func (r *ticketRow) describedBy(m *desk.Message) {
	text := desk.Clean(m.Text)
	if m.ID == "" || len(text) <= shortDescription || r.Description != text || desk.Description(text) != text {
		return
	}
	r.Description, r.Described, r.words = "", string(m.ID), text
}

// elsewhere reports whether a message has the ticket's words.
func (r *ticketRow) elsewhere() bool { return r.Described != "" && r.Description == "" }

// describe fetches the words of tickets that messages have: one query for all.
func (s *Store) describe(db *gorm.DB, rows ...*ticketRow) error {
	var ids []string
	for _, r := range rows {
		if r.elsewhere() {
			ids = append(ids, r.Described)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	messages, err := find[messageRow](db, "id body", s.in("id", ids), "")
	if err != nil {
		return err
	}
	words := make(map[string]string, len(messages))
	for i := range messages {
		words[messages[i].ID] = desk.Description(messages[i].Body)
	}
	for _, r := range rows {
		if r.elsewhere() {
			r.words = words[r.Described]
		}
	}
	return nil
}

// pointers are the addresses of rows.
func pointers[T any](rows []T) []*T {
	out := make([]*T, len(rows))
	for i := range rows {
		out[i] = &rows[i]
	}
	return out
}

// reworded notes that a message of the ticket was revised: the words a ticket
// leaves to its message are the message's as they are now.
func (j *joined) reworded(r *revised) {
	if j.row.elsewhere() && j.row.Described == r.row.ID {
		j.row.words = r.m.Text
	}
}

// save is the row of the ticket as changed, with the thread columns it has and
// its words where they are, unless they are others now. So it is when they were
// not fetched: then the ticket has none, and any it has were given to it.
func (j *joined) save() (ticketRow, error) {
	row, err := newTicketRow(j.t)
	row.ThreadSource, row.ThreadKey, row.ThreadAddress = j.row.ThreadSource, j.row.ThreadKey, j.row.ThreadAddress
	if j.row.elsewhere() && row.Description == j.row.words {
		row.Description, row.Described, row.words = "", j.row.Described, j.row.words
	}
	row.worded = row.Description != j.row.Description || row.Described != j.row.Described
	return row, err
}

// rewriteTickets writes changed tickets over what they are. Words that did not
// change are not written again.
func rewriteTickets(tx *gorm.DB, rows []ticketRow) error {
	same, worded := make([]ticketRow, 0, len(rows)), []ticketRow(nil)
	for _, r := range rows {
		if r.worded {
			worded = append(worded, r)
		} else {
			same = append(same, r)
		}
	}
	if err := rewrite(tx, same, ticketChanges); err != nil {
		return err
	}
	return rewrite(tx, worded, ticketChanges+" description described")
}
