package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"switchboard/channels/email/letter"
	"switchboard/pipeline/desk"
)

// What the demo's agent writes: to the customer, and to the colleagues.
const (
	demoAnswer = "We are **on it**: [the status page](https://status.desk.example/) tells how far."
	demoNote   = "Between us: this is the third time this week."
)

// demoAgent answers tickets over the API.
type demoAgent struct {
	*house
	url, key string
}

// answer answers the longest ticket of each door and leaves a note beside each
// answer, then waits until nothing is on its way any more. It returns what it
// answered.
func (a demoAgent) answer(ctx context.Context) ([]*desk.Ticket, error) {
	tickets, _, err := a.store.Tickets(ctx, desk.TicketFilter{Limit: desk.MaxPage})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tickets, func(x, y *desk.Ticket) int {
		return cmp.Or(cmp.Compare(y.MessageCount, x.MessageCount), cmp.Compare(x.Number, y.Number))
	})
	var answered []*desk.Ticket
	seen := map[string]bool{"billing": true, "api": true} // these send nothing
	for _, t := range tickets {
		if seen[t.Source] {
			continue
		}
		seen[t.Source] = true
		answered = append(answered, t)
		comments := a.url + "/v1/tickets/" + string(t.ID) + "/comments"
		for _, body := range []string{
			fmt.Sprintf(`{"content":%q,"isPublic":true}`, demoAnswer), fmt.Sprintf(`{"content":%q}`, demoNote)} {
			if err := call(ctx, comments, a.key, body, nil); err != nil {
				return nil, err
			}
		}
	}
	return answered, a.delivered(ctx, answered)
}

// delivered waits until no message of the tickets is on its way.
func (a demoAgent) delivered(ctx context.Context, tickets []*desk.Ticket) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting := ""
		for _, t := range tickets {
			messages, _, err := a.store.Messages(ctx, t.ID, desk.MaxPage, "", true)
			if err != nil {
				return err
			}
			for _, m := range messages {
				switch m.Send {
				case desk.SendQueued, desk.SendSending, desk.SendUnknown:
					waiting = fmt.Sprintf("the answer on #%d is %s %s", t.Number, m.Send, m.SendError)
				case desk.SendFailed:
					return fmt.Errorf("demo: the answer on #%d was not sent: %s", t.Number, m.SendError)
				}
			}
		}
		if waiting == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("demo: %s: %w", waiting, ctx.Err())
		case <-tick.C:
		}
	}
}

// arrival is an answer as the other side has it.
type arrival struct{ door, thread, text string }

// arrivals are all messages of ours that the other sides have.
func (d *demoDoors) arrivals(ctx context.Context) ([]arrival, error) {
	var out []arrival
	for _, m := range d.post.Mails() {
		read, err := letter.Read(ctx, bytes.NewReader(m.Data), letter.DefaultLimits(), nil)
		if err != nil {
			return nil, fmt.Errorf("demo: the mail cannot be read: %w", err)
		}
		thread := "mail to " + strings.Join(m.To, " ")
		if len(read.InReplyTo) > 0 {
			thread += ", answers " + read.InReplyTo[0]
		}
		out = append(out, arrival{"email", thread, read.Text})
	}
	for _, m := range d.slack.Posts() {
		out = append(out, arrival{"slack", "channel " + m.Channel + ", thread " + m.ThreadTS, m.Text})
	}
	for _, s := range d.teams.Sent() {
		if s.Text() != "" {
			out = append(out, arrival{"msteams", shorten(s.Conversation, 20) + ", answers " + s.ReplyTo, s.Text()})
		}
	}
	for _, s := range d.chat.Sent() {
		out = append(out, arrival{"telegram", "chat " + s.To + ", answers " + s.Answers, s.Text})
	}
	return out, nil
}

// printArrivals prints the answers the other sides have, and whether a note is
// among them.
func (d *demoDoors) printArrivals(ctx context.Context, out io.Writer, notes int) error {
	list, err := d.arrivals(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nARRIVED\tTHREAD\tTEXT")
	left := 0
	for _, a := range list {
		text := strings.Join(strings.Fields(a.text), " ")
		if strings.Contains(text, demoNote) {
			left++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", a.door, a.thread, shorten(text, 120))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%d private notes were written beside them; %d of them left.\n", notes, left)
	return err
}
