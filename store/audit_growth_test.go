package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"
)

// A server says nothing while it works at a statement, and who hears nothing gives
// up: so no statement of the audit may read more rows when the tables have more.
// The test makes the books large, collects what the audit asks and has PostgreSQL
// count the rows it reads for each.
func TestNoStatementOfTheAuditGrowsWithTheTables(t *testing.T) {
	const rows, batch = 3000, 5
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		if h.s.Dialect() != Postgres {
			if plans := auditPlans(t, h); len(plans) > 0 {
				t.Errorf("read from end to end: %q", plans)
			}
			return
		}
		for _, c := range []struct{ table, where, columns string }{
			{"ledger", "id = '{receipt1}'", "id external_id message_id ticket_id"},
			{"tickets", "id = '{ticket1}'", "id number described"},
			{"messages", "id = '{message1}'", "id external_id receipt_id ticket_id"},
			{"messages", "id = '{sent}'", "id external_id"}, // many on one ticket
			{"events", "ticket_id = '{ticket1}'", "ticket_id id"},
			{"events", "ticket_id = '{ticket0}' AND seq = 1", "seq"},
			{"threads", "key = 'case1'", "key ticket_id"},
			{"message_groups", "key = 'case1'", "key ticket_id"},
			{"links", "from_id = '{ticket0}'", "from_id"},
			{"revisions", "message_id = '{message0}'", "message_id"},
			{"revisions", "message_id = '{message0}' AND n = 1", "n"},
			{"customers", "id = '{customer1}'", "id"},
			{"identities", "handle = 'case1@example.com'", "handle"},
			{"contacts", "handle = 'ann'", "handle"},
			{"canary_receipts", "id = '{canary}'", "id"},
		} {
			h.multiply(rows, c.table, c.where, strings.Fields(c.columns))
		}
		for _, analyzed := range []bool{false, true} {
			if analyzed {
				h.must(h.s.w.Exec("ANALYZE").Error)
			}
			for _, since := range []time.Time{{}, time.Now().Add(time.Hour)} {
				o := h.options()
				o.Blobs, o.Digest, o.Batch, o.Since = nil, false, batch, since
				for text, args := range h.asks(o) {
					for _, plan := range []string{"force_custom_plan", "force_generic_plan"} {
						for _, vars := range args {
							if n, steps := h.reads(plan, text, vars); n > rows/2 {
								t.Errorf("since %s, analyzed %t, %s: %d rows are read by\n%s\n%s", since, analyzed, plan, n, text, steps)
								break
							}
						}
					}
				}
			}
		}
	})
}

// multiply copies rows, with a number behind the values of some columns.
func (h *auditHouse) multiply(n int, table, where string, columns []string) {
	h.Helper()
	for name, id := range h.names {
		where = strings.ReplaceAll(where, "{"+name+"}", id)
	}
	var of []struct{ ColumnName, DataType string }
	h.must(h.s.w.Raw("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ? AND table_schema = current_schema()", table).Scan(&of).Error)
	var names, values []string
	for _, c := range of {
		value := "r." + c.ColumnName
		for _, other := range columns {
			if other != c.ColumnName {
				continue
			}
			if value += " || lpad(i::text, 6, '0')"; c.DataType != "text" {
				value = "1000 + i"
			}
		}
		names, values = append(names, c.ColumnName), append(values, value)
	}
	res := h.s.w.Exec(fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s r CROSS JOIN generate_series(1, %d) i WHERE %s", table, strings.Join(names, ", "),
		strings.Join(values, ", "), table, n, where))
	if h.must(res.Error); res.RowsAffected < int64(n) {
		h.Fatalf("%s: %d rows", table, res.RowsAffected)
	}
}

// asks runs the audit and returns its statements, with the arguments of the first
// few times and of the last.
func (h *auditHouse) asks(o AuditOptions) map[string][][]any {
	h.Helper()
	const most = 4
	var mu sync.Mutex
	statements := map[string][][]any{}
	a := newAuditor(h.s, h.Context(), o)
	h.must(a.snapshot(func(tx *gorm.DB) error {
		note := func(db *gorm.DB) {
			mu.Lock()
			defer mu.Unlock()
			text := db.Statement.SQL.String()
			list := append(statements[text], append([]any(nil), db.Statement.Vars...))
			if len(list) > most {
				list = append(list[:most-1], list[most])
			}
			statements[text] = list
		}
		c := tx.Callback()
		h.must(c.Query().After("gorm:query").Replace("growth", note))
		h.must(c.Raw().After("gorm:raw").Replace("growth", note))
		h.must(c.Row().After("gorm:row").Replace("growth", note))
		a.tx = tx
		return a.walks()
	}))
	if len(statements) < 20 {
		h.Fatalf("only %d statements", len(statements))
	}
	return statements
}

// planStep is a step of a plan that was carried out.
type planStep struct {
	Type     string     `json:"Node Type"`
	Rows     int        `json:"Actual Rows"` // by loop
	Loops    int        `json:"Actual Loops"`
	Filtered int        `json:"Rows Removed by Filter"`
	Checked  int        `json:"Rows Removed by Index Recheck"`
	Plans    []planStep `json:"Plans"`
}

func (s *planStep) read() (n int) {
	if strings.Contains(s.Type, "Scan") {
		n = (s.Rows + s.Filtered + s.Checked) * s.Loops
	}
	for i := range s.Plans {
		n += s.Plans[i].read()
	}
	return n
}

// reads is how many rows PostgreSQL reads for a statement, in tables, indexes and
// lists, with the steps.
func (h *auditHouse) reads(plan, text string, vars []any) (int, string) {
	h.Helper()
	pool, err := h.s.w.DB()
	h.must(err)
	var steps string
	h.must(func() error {
		c, err := pool.Conn(h.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return inTx(h.Context(), c, func(tx *sql.Tx) error {
			if _, err := tx.Exec("SET LOCAL plan_cache_mode = " + plan); err != nil {
				return err
			}
			return tx.QueryRow("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "+text, vars...).Scan(&steps)
		})
	}())
	var all []struct{ Plan planStep }
	h.must(json.Unmarshal([]byte(steps), &all))
	return all[0].Plan.read(), steps
}

func inTx(ctx context.Context, c *sql.Conn, do func(*sql.Tx) error) error {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return do(tx)
}

// auditPlans are the steps that read a table from end to end, on SQLite.
func auditPlans(t *testing.T, h *auditHouse) (found []string) {
	t.Helper()
	o := h.options()
	o.Blobs, o.Digest = nil, false
	for text, args := range h.asks(o) {
		if step := wholeTable[SQLite].FindString(planOf(t, h.s, text, args[0])); step != "" {
			found = append(found, step+": "+text)
		}
	}
	return found
}
