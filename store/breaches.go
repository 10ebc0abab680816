package store

import (
	"context"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// breaches are the clocks that a transaction marks as past due: the sweep does, and so
// does whatever comes too late, an answer, a status, a priority. They are told once the
// transaction is on disk; of a run that is rolled back nothing is.
type breaches []desk.Metric

type breachesKey struct{}

// noting is write, and tells whoever listens which clocks were marked.
func (s *Store) noting(ctx context.Context, write func(context.Context, *breaches) error) error {
	var b breaches
	err := write(context.WithValue(ctx, breachesKey{}, &b), &b)
	if err == nil {
		for _, metric := range b {
			s.breached(metric)
		}
	}
	return err
}

// noteBreaches notes those that are among the events of a transaction.
func noteBreaches(tx *gorm.DB, events []desk.Event) {
	for i := range events {
		if events[i].Kind != desk.EventBreached {
			continue
		}
		metric, ok := events[i].Data["metric"].(desk.Metric)
		if b, listened := tx.Statement.Context.Value(breachesKey{}).(*breaches); ok && listened {
			*b = append(*b, metric)
		}
	}
}
