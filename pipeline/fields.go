package pipeline

import (
	"context"
	"maps"
	"strings"

	"switchboard/pipeline/desk"
)

// maxTitle is what a title made from a message is cut to, in characters. The
// message itself keeps every word.
const maxTitle = 500

// Fields fills a new ticket from what the sender said: title, description,
// type, status, source, tags, due date and custom fields. A message that joins
// a ticket changes none of them.
func Fields() Stage {
	return Stage{
		Name: "fields",
		Doc:  "fill the new ticket from the message",
		Run: func(ctx context.Context, p *Pass) error {
			if p.Joined {
				p.Note("the ticket keeps its fields")
				return nil
			}
			t, d := p.Ticket, p.Draft
			t.Channel, t.Source, t.Scope = d.Channel, d.Source, d.Scope
			t.CreatedAt, t.UpdatedAt = p.Now, p.Now
			t.CustomerID = p.Requester.Customer.ID
			t.Title = title(d)
			t.Description = desk.Description(d.Text)
			t.Status = p.Policy.Statuses.Default(desk.CategoryNew)
			t.Type = p.Policy.Types[0]
			t.Custom = defaults(p.Policy.Fields)
			t.Tags = []string{}
			asked(p)
			finish(p)
			p.Note("titled by %s, type %s, status %s", titledBy(d), t.Type, t.Status)
			return nil
		},
	}
}

// finish says since when a new ticket is resolved or closed, if its status is
// such a one.
func finish(p *Pass) {
	t := p.Ticket
	t.ResolvedAt, t.ClosedAt = nil, nil
	is := p.Policy.Statuses.Category(t.Status)
	if is.Done() {
		t.ResolvedAt = &p.Now
	}
	if is == desk.CategoryClosed {
		t.ClosedAt = &p.Now
	}
}

// asked puts what an authenticated sender asked for over the defaults.
func asked(p *Pass) {
	t, a := p.Ticket, p.Draft.Ask
	if a == nil {
		return
	}
	if a.Description != "" {
		t.Description = a.Description
	}
	if a.Type != "" {
		t.Type = a.Type
	}
	if a.Status != "" {
		t.Status = a.Status
	}
	if a.Channel != "" {
		t.Channel = a.Channel
	}
	t.Priority, t.TeamID, t.AgentID = a.Priority, a.TeamID, a.AgentID // conditions read them
	t.DueDate = a.DueDate
	t.Tags = desk.AddTags(t.Tags, a.Tags...)
	maps.Copy(t.Custom, a.CustomFields)
	maps.DeleteFunc(t.Custom, func(_ string, v any) bool { return v == nil })
}

func defaults(fields []desk.Field) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		if f.Default != nil {
			out[f.Name] = f.Default
		}
	}
	return out
}

// title is what was asked, else the subject, else the first line of the text.
func title(d *desk.Draft) string {
	if d.Ask != nil && d.Ask.Title != "" {
		return d.Ask.Title // the door checked its length
	}
	lines := []string{d.Subject}
	if strings.TrimSpace(d.Subject) == "" {
		lines = strings.SplitN(d.Text, "\n", 20)
	}
	for _, s := range lines {
		if s = short(s); s != "" {
			return s
		}
	}
	return "(no subject)"
}

// short is a line as a title has it: blanks folded, and cut to maxTitle.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxTitle {
		return s
	}
	if r := []rune(s); len(r) > maxTitle {
		s = string(r[:maxTitle])
	}
	return s
}

func titledBy(d *desk.Draft) string {
	switch {
	case d.Ask != nil && d.Ask.Title != "":
		return "the sender"
	case strings.TrimSpace(d.Subject) != "":
		return "the subject"
	case strings.TrimSpace(d.Text) != "":
		return "the first line of the text"
	}
	return "nothing"
}
