package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
)

// PostgreSQL is killed four times while four doors accept and two workers
// file. Whoever heard an error tries again, as doors and workers do. In the end
// what was accepted is there, and each message is on one ticket once.
func TestAcceptedMeansKeptWhenTheDatabaseIsKilled(t *testing.T) {
	server := pgtest.Start(t)
	s := opened(t, server.Database(t))
	const doors, each = 4, 60
	heard := make(chan desk.Receipt) // a yes that a sender heard
	work := make(chan desk.Receipt, doors*each)
	// again calls until the database answers; only its absence may be in the way.
	again := func(call func() error) error {
		for deadline := time.Now().Add(hang); ; {
			err := call()
			if err == nil || !errors.Is(err, desk.ErrUnavailable) || time.Now().After(deadline) {
				return err
			}
			time.Sleep(10 * time.Millisecond) // as a door that tells its sender to come back
		}
	}
	var accepting, filing sync.WaitGroup
	for door := range doors {
		accepting.Go(func() {
			for i := range each {
				r := desk.NewReceipt(benchDraft(door*each+i), time.Now())
				err := again(func() error {
					ids, err := s.Accept(t.Context(), nil, []desk.Receipt{r})
					if err == nil {
						r.ID = ids[0]
					}
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				heard <- r
			}
		})
	}
	for range 2 {
		filing.Go(func() {
			for r := range work {
				err := again(func() error {
					results, err := s.File(t.Context(), []*desk.Filing{benchFiling(r, desk.NewPolicy())})
					if err == nil && !errors.Is(results[0].Err, desk.ErrSettled) { // filed by the try whose answer was lost
						err = results[0].Err
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() {
		accepting.Wait()
		close(heard)
	}()
	n := 0
	for r := range heard {
		work <- r
		if n++; n%(doors*each/4) == 0 { // doors and workers are in the middle of something
			server.Crash(t)
			server.Restart(t)
		}
	}
	close(work)
	filing.Wait()

	counts, err := s.Counts(t.Context())
	if err != nil || fmt.Sprint(counts) != fmt.Sprint(map[desk.State]int64{desk.Filed: doors * each}) {
		t.Errorf("receipts: %v, %v", counts, err)
	}
	tickets, cursor := 0, ""
	for {
		list, next, err := s.Tickets(t.Context(), desk.TicketFilter{Limit: desk.MaxPage, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, ticket := range list {
			messages, _, err := s.Messages(t.Context(), ticket.ID, 10, "", false)
			if err != nil || len(messages) != 1 {
				t.Errorf("ticket %s has %d messages, %v", ticket.ID, len(messages), err)
			}
		}
		tickets += len(list)
		if cursor = next; next == "" {
			break
		}
	}
	if tickets != doors*each {
		t.Errorf("%d tickets of %d messages", tickets, doors*each)
	}
}
