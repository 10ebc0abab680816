package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// BenchmarkRetire takes batches of 500 rows away, one after the other without a
// rest: what docs/scaling.md computes the rate of retention from. The messages are
// those of the bench: three a ticket, a text of 1.4 KB, five events a ticket.
func BenchmarkRetire(b *testing.B) {
	for _, dialect := range []string{SQLite, Postgres} {
		for _, kind := range []struct {
			name string
			take func(s *Store) func(context.Context, time.Time, int) (int64, bool, error)
		}{
			{"drafts", func(s *Store) func(context.Context, time.Time, int) (int64, bool, error) { return s.RetireDrafts }},
			{"raw", func(s *Store) func(context.Context, time.Time, int) (int64, bool, error) { return s.RetireRaw }},
			{"events", func(s *Store) func(context.Context, time.Time, int) (int64, bool, error) { return s.RetireEvents }},
			{"ledger", func(s *Store) func(context.Context, time.Time, int) (int64, bool, error) { return s.RetireLedger }},
		} {
			b.Run(dialect+"/"+kind.name, func(b *testing.B) {
				s := emptyBooks(b, dialect)
				fillForRetirement(b, s, 20000)
				take, rows, took := kind.take(s), int64(0), time.Duration(0)
				for more := true; more; {
					var n int64
					var err error
					begun := time.Now()
					n, more, err = take(b.Context(), time.Now().Add(time.Hour), 500)
					if err != nil {
						b.Fatal(err)
					}
					took += time.Since(begun)
					rows += n
				}
				b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
				b.ReportMetric(float64(rows), "rows")
			})
		}
		b.Run(dialect+"/references", func(b *testing.B) {
			s := emptyBooks(b, dialect)
			fillForRetirement(b, s, 20000)
			begun := time.Now()
			_, _, err := s.Orphans(b.Context(), OrphanOptions{Blobs: noBlobs{}, Began: time.Now().Add(-24 * time.Hour), Grace: time.Hour, Batch: 500, Temp: b.TempDir()}, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(40000/time.Since(begun).Seconds(), "rows/s")
		})
	}
}

type noBlobs struct{ AuditBlobs }

func (noBlobs) Walk(context.Context, func(desk.BlobRef, time.Time) error) error { return nil }

// fillForRetirement writes rows as an intake would have, for n messages, each
// settled and on a resolved ticket.
func fillForRetirement(b *testing.B, s *Store, n int) {
	b.Helper()
	at := micro(time.Now().Add(-48 * time.Hour))
	said := make([]byte, 0, 1400)
	for len(said) < 1400 {
		said = fmt.Appendf(said, "%x ", len(said)*7919)
	}
	var receipts []receiptRow
	var messages []messageRow
	var tickets []ticketRow
	var events []eventRow
	flush := func() {
		for _, rows := range []any{&receipts, &messages, &tickets, &events} {
			if err := s.w.CreateInBatches(rows, 100).Error; err != nil {
				b.Fatal(err)
			}
		}
		receipts, messages, tickets, events = nil, nil, nil, nil
	}
	var ticket string
	for i := range n {
		raw := desk.Keep(fmt.Append(nil, "raw ", i)).Ref
		if i%3 == 0 {
			ticket = string(desk.NewID[desk.TicketID](at))
			resolved := at.Add(time.Duration(i) * time.Millisecond)
			tickets = append(tickets, ticketRow{ID: ticket, Number: int64(i + 1), Title: "it broke", ResolvedAt: &resolved, MessageCount: 3, EventCount: 5, CreatedAt: at, UpdatedAt: at})
			for seq := range 5 {
				events = append(events, eventRow{ID: string(desk.NewID[desk.EventID](at)), TicketID: ticket, Seq: seq + 1, Kind: "TICKET_CREATED",
					Actor: `{"kind":"RULE"}`, At: at, Data: `{"status":"OPEN","team":"support","of":"the line of stages, as they are kept"}`})
			}
		}
		id := fmt.Sprint("external-", i)
		r := receiptRow{ID: string(desk.NewID[desk.ReceiptID](at)), Source: "mail", Scope: "EMAIL", ExternalID: id, Fingerprint: id,
			RawDigest: raw.Digest, RawSize: raw.Size, Draft: `{"source":223,"text":"` + string(said) + `"}`, State: "filed", AcceptedAt: at, SettledAt: &at}
		m := messageRow{ID: string(desk.NewID[desk.MessageID](at)), ReceiptID: r.ID, TicketID: ticket, Scope: "EMAIL", ExternalID: id, Fingerprint: id,
			Body: string(said), RawDigest: raw.Digest, RawSize: raw.Size, CreatedAt: at}
		r.TicketID, r.MessageID = ticket, m.ID
		receipts, messages = append(receipts, r), append(messages, m)
		if len(receipts) == 1200 {
			flush()
		}
	}
	flush()
	if s.dialect == Postgres {
		if err := s.w.Exec("VACUUM ANALYZE").Error; err != nil {
			b.Fatal(err)
		}
	}
}
