package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"switchboard/pipeline/desk"
)

// Ticket returns a ticket by uid or decimal number, or desk.ErrNotFound; a
// deleted one is not found.
func (s *Store) Ticket(ctx context.Context, idOrNumber string) (*desk.Ticket, error) {
	if desk.IsID(idOrNumber) {
		return s.ticketBy(ctx, "id = ?", strings.ToUpper(idOrNumber))
	}
	n, err := strconv.ParseInt(idOrNumber, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("store: ticket: %w", desk.ErrNotFound)
	}
	return s.ticketBy(ctx, "number = ?", n)
}

func (s *Store) ticketBy(ctx context.Context, cond string, arg any) (*desk.Ticket, error) {
	var row ticketRow
	if err := s.read(ctx).Where(cond, arg).Where("deleted_at IS NULL").Take(&row).Error; err != nil {
		return nil, notFound("ticket", err)
	}
	return row.desk()
}
