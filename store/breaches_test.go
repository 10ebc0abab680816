package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store"
)

// What a transaction marks as past due is told once it is on disk, and never of one that
// is rolled back.
func TestBreachesAreToldOnce(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			var told []desk.Metric
			s, err := store.Open(t.Context(), store.Options{URL: d.fresh(t), Breached: func(m desk.Metric) { told = append(told, m) }})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := desk.NewReceipt(benchDraft(1), time.Now())
			if _, err := s.Accept(t.Context(), nil, []desk.Receipt{r}); err != nil {
				t.Fatal(err)
			}
			f := benchFiling(r, desk.NewPolicy())
			sla := desk.SLA{Name: "gold", Targets: []desk.Target{{Metric: desk.FirstResponse, Default: time.Hour}, {Metric: desk.Resolution, Default: 8 * time.Hour}}}
			if err := f.Ticket.StartClocks(desk.NewPolicy(), sla, r.AcceptedAt); err != nil {
				t.Fatal(err)
			}
			results, err := s.File(t.Context(), []*desk.Filing{f})
			if err != nil || results[0].Err != nil {
				t.Fatal(err, results)
			}
			mark := func(after time.Duration, end error) {
				t.Helper()
				_, err := s.Change(t.Context(), results[0].Ticket, 0, func(t *desk.Ticket) ([]desk.Event, error) {
					return t.Breach(r.AcceptedAt.Add(after)), end
				})
				if !errors.Is(err, end) {
					t.Fatal(err)
				}
			}
			var want []desk.Metric
			for _, step := range []struct {
				after time.Duration
				end   error
				tells []desk.Metric
			}{
				{time.Minute, nil, nil},
				{2 * time.Hour, desk.ErrInvalid, nil},
				{2 * time.Hour, nil, []desk.Metric{desk.FirstResponse}},
				{3 * time.Hour, nil, nil},
				{9 * time.Hour, nil, []desk.Metric{desk.Resolution}},
			} {
				mark(step.after, step.end)
				if want = append(want, step.tells...); !slices.Equal(told, want) {
					t.Errorf("at %v: told %v, want %v", step.after, told, want)
				}
			}
		})
	}
}
