package store_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store"
)

var groups = []int{1, 50, 128}

// onBoth runs a benchmark of one group size on an empty store of each dialect;
// do handles messages i to i+n and is what is timed, prepare is not.
func onBoth(b *testing.B, prepare, do func(b *testing.B, s *store.Store, i, n int)) {
	for _, d := range dialects {
		for _, n := range groups {
			b.Run(fmt.Sprintf("%s/group=%d", d.name, n), func(b *testing.B) {
				s := opened(b, d.fresh(b))
				i := 0
				for b.Loop() {
					b.StopTimer()
					prepare(b, s, i, n)
					b.StartTimer()
					do(b, s, i, n)
					i += n
				}
				b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "msg/s")
			})
		}
	}
}

func benchDraft(i int) *desk.Draft {
	id := fmt.Sprintf("<%08d@example.com>", i)
	return &desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: id, Fingerprint: desk.Fingerprint(id),
		From: desk.Party{Name: "Ann", Handle: fmt.Sprintf("ann%d@example.com", i%1000)}, Subject: "it broke",
		Text: strings.Repeat("It broke again, please help. ", 60), References: []string{"<parent" + id[1:]}, ReceivedAt: time.Now()}
}

func benchReceipts(i, n int) []desk.Receipt {
	now := time.Now()
	rs := make([]desk.Receipt, n)
	for k := range rs {
		rs[k] = desk.NewReceipt(benchDraft(i+k), now)
	}
	return rs
}

// BenchmarkAccept writes receipts of 2 KB mails to the ledger.
func BenchmarkAccept(b *testing.B) {
	var rs []desk.Receipt
	onBoth(b, func(b *testing.B, s *store.Store, i, n int) { rs = benchReceipts(i, n) },
		func(b *testing.B, s *store.Store, i, n int) {
			if _, err := s.Accept(b.Context(), nil, rs); err != nil {
				b.Fatal(err)
			}
		})
}

// said is about 1.5 KB of words, in lines, that do not repeat themselves more than
// people do.
func said(i int) string {
	random := rand.New(rand.NewPCG(uint64(i), 7))
	b := make([]byte, 0, 1600)
	for len(b) < 1500 {
		for range 2 + random.IntN(8) {
			b = append(b, "etaoinshrdlucmfwypvbgkqjxz"[min(random.IntN(26), random.IntN(26))])
		}
		if b = append(b, ' '); random.IntN(12) == 0 {
			b[len(b)-1] = '\n'
		}
	}
	return string(b)
}

// inRequests gives receipts the requests they came in, with their words in them:
// each line is escaped.
func inRequests(b *testing.B, rs []desk.Receipt) []desk.Receipt {
	for i := range rs {
		d := rs[i].Draft
		d.Text = said(len(d.ExternalID) + int(rs[i].AcceptedAt.UnixNano()) + i)
		body, err := json.Marshal(map[string]any{"id": d.ExternalID, "name": d.From.Name, "subject": d.Subject, "text": d.Text})
		if err != nil {
			b.Fatal(err)
		}
		k := desk.Keep(body)
		d.Raw, d.Kept, rs[i].Raw = k.Ref, []desk.Kept{k}, k.Ref
	}
	return rs
}

// BenchmarkAcceptRequests is BenchmarkAccept with the 2 KB requests kept beside
// the drafts.
func BenchmarkAcceptRequests(b *testing.B) {
	var rs []desk.Receipt
	onBoth(b, func(b *testing.B, s *store.Store, i, n int) { rs = inRequests(b, benchReceipts(i, n)) },
		func(b *testing.B, s *store.Store, i, n int) {
			if _, err := s.Accept(b.Context(), nil, rs); err != nil {
				b.Fatal(err)
			}
		})
}

// BenchmarkReceipts reads what BenchmarkAcceptRequests wrote.
func BenchmarkReceipts(b *testing.B) {
	var ids []desk.ReceiptID
	onBoth(b, func(b *testing.B, s *store.Store, i, n int) {
		var err error
		if ids, err = s.Accept(b.Context(), nil, inRequests(b, benchReceipts(i, n))); err != nil {
			b.Fatal(err)
		}
	}, func(b *testing.B, s *store.Store, i, n int) {
		rs, err := s.Receipts(b.Context(), ids)
		if err != nil || len(rs) != n || len(rs[0].Draft.Text) < 1000 {
			b.Fatal(len(rs), err)
		}
	})
}

// BenchmarkFileRequests is BenchmarkFile of what came with its request.
func BenchmarkFileRequests(b *testing.B) {
	policy := desk.NewPolicy()
	var fs []*desk.Filing
	onBoth(b, func(b *testing.B, s *store.Store, i, n int) {
		rs := inRequests(b, benchReceipts(i, n))
		if _, err := s.Accept(b.Context(), nil, rs); err != nil {
			b.Fatal(err)
		}
		fs = fs[:0]
		for _, r := range rs {
			fs = append(fs, benchFiling(r, policy))
		}
	}, func(b *testing.B, s *store.Store, i, n int) {
		results, err := s.File(b.Context(), fs)
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	})
}

// BenchmarkFile files accepted receipts, each a new ticket with its message,
// event, customer, two claims and a turn; a thousand people write.
func BenchmarkFile(b *testing.B) {
	policy := desk.NewPolicy()
	var fs []*desk.Filing
	onBoth(b, func(b *testing.B, s *store.Store, i, n int) {
		rs := benchReceipts(i, n)
		if _, err := s.Accept(b.Context(), nil, rs); err != nil {
			b.Fatal(err)
		}
		fs = fs[:0]
		for _, r := range rs {
			fs = append(fs, benchFiling(r, policy))
		}
	}, func(b *testing.B, s *store.Store, i, n int) {
		results, err := s.File(b.Context(), fs)
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	})
}

func benchFiling(r desk.Receipt, policy *desk.Policy) *desk.Filing {
	now, d := r.AcceptedAt, r.Draft
	c := &desk.Customer{ID: desk.NewID[desk.CustomerID](now), Name: d.From.Name, Email: d.From.Handle, CreatedAt: now, UpdatedAt: now}
	by := desk.Actor{Kind: desk.ByCustomer, ID: string(c.ID)}
	t := &desk.Ticket{ID: desk.NewID[desk.TicketID](now), Title: d.Subject, Description: d.Text, Status: desk.StatusNew,
		Priority: desk.Medium, Type: "QUESTION", Channel: d.Channel, Source: d.Source, Scope: d.Scope, CustomerID: c.ID, TeamID: "support",
		Participants: []string{d.From.Handle}, CreatedAt: now, UpdatedAt: now}
	m := &desk.Message{ID: desk.NewID[desk.MessageID](now), Direction: desk.Inbound, Public: true, Author: by, Channel: d.Channel, Source: d.Source,
		Scope: d.Scope, ExternalID: d.ExternalID, Fingerprint: d.Fingerprint, From: d.From, Subject: d.Subject, Text: d.Text, CreatedAt: now}
	return &desk.Filing{Receipt: r.ID, At: now, Verdict: desk.Filed, Policy: policy, Ticket: t, Message: m, Customer: c, NewCustomer: true,
		Identities: []desk.Identity{{Kind: "email", Handle: d.From.Handle, CustomerID: c.ID}}, Claims: []string{d.ExternalID, d.References[0]},
		Thread: desk.Thread{Key: d.ExternalID, Address: []byte(`{"to":"ann@example.com"}`)}, Events: []desk.Event{t.Opened(by, now)},
		Turn:  &desk.Turn{Team: "support", Candidates: []desk.AgentID{"a", "b", "c"}},
		Trail: []desk.Note{{Stage: "thread", Text: "a new ticket"}, {Stage: "route", Text: "team support by default"}}}
}

// BenchmarkView reads ahead for drafts whose people and parents are known.
func BenchmarkView(b *testing.B) {
	var drafts []*desk.Draft
	onBoth(b, func(b *testing.B, s *store.Store, i, n int) {
		drafts = drafts[:0]
		for k := range n {
			drafts = append(drafts, benchDraft(i+k))
		}
	}, func(b *testing.B, s *store.Store, i, n int) {
		if _, err := s.View(b.Context(), drafts); err != nil {
			b.Fatal(err)
		}
	})
}
