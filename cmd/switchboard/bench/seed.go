package bench

import (
	"context"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	"switchboard/pipeline/desk"
)

// SeedOptions are those of `switchboard bench seed`.
type SeedOptions struct {
	Tickets  int
	Messages int // of each ticket
	Days     int // up to now
	Seed     uint64
	Limit    time.Duration
	Database string    // which kind, for the report
	Version  string    // of the program
	Screen   io.Writer // progress
	Bar      bool
	Now      func() time.Time
}

// Intake is what Seed fills the books through: the same way messages come, so
// that what it leaves is what messages would have left.
type Intake interface {
	// Submit writes drafts to the ledger.
	Submit(ctx context.Context, cursor *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error)
	// Process takes receipts through the line and files them.
	Process(ctx context.Context, ids []desk.ReceiptID) error
	// States says where receipts stand.
	States(ctx context.Context, ids []desk.ReceiptID) (map[desk.ReceiptID]desk.State, error)
}

// seedBlock is how many tickets are made together.
const seedBlock = 400

// seedSource is the source of what is made up; no config need have it.
const seedSource = "seed"

// Seed makes tickets with messages over the last days: each conversation opens
// with a message of one of 5 000 customers and goes on some hours later. open
// makes an intake with the clock given and says how to stop it. The
// report says how many ended how, and how fast. Times of
// acceptance, IDs and SLA clocks follow the made-up time. An error leaves what
// was stored so far, whole; running it again with the same seed goes on from
// there.
func Seed(ctx context.Context, o SeedOptions, open func(now func() time.Time) (Intake, func())) (report *Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	defer func() { err = limited(ctx, o.Limit, err) }()
	var clock atomic.Pointer[time.Time]
	end := o.Now().Add(-time.Minute)
	span := time.Duration(o.Days) * 24 * time.Hour
	begin := end.Add(-span)
	clock.Store(&begin)
	intake, stop := open(func() time.Time { return *clock.Load() })
	defer stop()
	c := Common{Version: o.Version, Limit: o.Limit, Screen: o.Screen, Bar: o.Bar}
	report = newReport("seed", c, map[string]any{"tickets": o.Tickets, "messages": o.Messages, "days": o.Days, "seed": o.Seed, "database": o.Database})
	report.Machine = (&site{}).machine()
	report.round()
	p := newProgress(c)
	defer p.end()
	step := p.begin(o.Tickets*o.Messages, "%d tickets with %d messages each", o.Tickets, o.Messages)
	w := &writer{random: mathrand.New(mathrand.NewPCG(o.Seed, 3))}
	counts := map[desk.State]int{}
	began := time.Now()
	for first := 0; first < o.Tickets; first += seedBlock {
		n := min(seedBlock, o.Tickets-first)
		at := begin.Add(time.Duration(float64(span) * float64(first) / float64(o.Tickets)))
		talks := make([]seedTalk, n)
		for i := range talks {
			talks[i] = seedTalk{id: fmt.Sprintf("seed-%d-%d", o.Seed, first+i), who: w.random.IntN(customers), subject: subjects[w.random.IntN(len(subjects))]}
		}
		for m := range o.Messages {
			now := at.Add(time.Duration(m) * 3 * time.Hour)
			if now.After(end) {
				now = end
			}
			clock.Store(&now)
			drafts := make([]*desk.Draft, n)
			for i := range talks {
				drafts[i] = talks[i].draft(w, m, now)
			}
			if err := seedBlockOf(ctx, intake, drafts, counts); err != nil {
				return nil, fmt.Errorf("bench: seed: after %d messages: %w", counts[desk.Filed], err)
			}
			for range drafts {
				step()
			}
		}
	}
	p.end()
	took := time.Since(began).Seconds()
	report.add("seconds", "time for all", "s", took)
	report.add("rate", "accepted and settled, one block after the other", "messages/s", float64(o.Tickets*o.Messages)/took)
	report.add("filed", "messages filed", "messages", float64(counts[desk.Filed]))
	for _, state := range sortedKeys(counts) {
		if state != desk.Filed {
			report.add(string(state), "messages "+string(state), "messages", float64(counts[state]))
		}
	}
	report.finish(nil, nil)
	return report, nil
}

func seedBlockOf(ctx context.Context, intake Intake, drafts []*desk.Draft, counts map[desk.State]int) error {
	ids, err := intake.Submit(ctx, nil, drafts...)
	if err != nil {
		return err
	}
	if err := intake.Process(ctx, ids); err != nil {
		return err
	}
	states, err := intake.States(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if states[id] == desk.Accepted {
			return fmt.Errorf("receipt %s is still waiting", id)
		}
		counts[states[id]]++
	}
	return nil
}

// seedTalk is one conversation.
type seedTalk struct {
	id, subject string
	who         int
}

func (t *seedTalk) draft(w *writer, number int, now time.Time) *desk.Draft {
	id := fmt.Sprintf("%s-%d", t.id, number)
	d := &desk.Draft{Source: seedSource, Channel: desk.Chat, Scope: string(desk.Chat), ExternalID: seedSource + ":" + id,
		Thread:  desk.Thread{Key: seedSource + ":" + t.id},
		From:    desk.Party{Name: fmt.Sprintf("Customer %d", t.who), Handle: fmt.Sprintf("%s:customer-%d", seedSource, t.who)},
		Subject: t.subject, Text: w.text(200 + w.random.IntN(1500)), SentAt: now, ReceivedAt: now,
		Profile: &desk.Profile{Email: fmt.Sprintf("customer%d@example.com", t.who)}}
	if number > 0 {
		d.Subject = "Re: " + t.subject
	}
	d.Fingerprint = desk.Fingerprint(seedSource, d.ExternalID, d.From.Handle)
	return d
}
