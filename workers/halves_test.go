package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
)

// A message for which the books cannot be read costs the others of its task
// nothing, and fails in the end like any other that cannot be filed.
func TestAMessageTheBooksCannotBeReadForCostsOnlyItself(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("bad words") },
		"panic": func() error { panic("bad words") },
	} {
		t.Run(name, func(t *testing.T) {
			w := openBooks(t)
			i := intake(t, w, nil)
			i.view = func(ctx context.Context, ds []*desk.Draft) (pipeline.Books, error) {
				if slices.ContainsFunc(ds, func(d *desk.Draft) bool { return d.Subject == "bad" }) {
					if err := fail(); err != nil {
						return nil, err
					}
				}
				return w.View(ctx, ds)
			}
			const all, bad = 9, 4
			ids := make([]desk.ReceiptID, all)
			for n := range ids {
				subject := "fine"
				if n == bad {
					subject = "bad"
				}
				got, err := i.accept(t.Context(), nil, []*desk.Draft{mail(fmt.Sprint(n), fmt.Sprintf("p%d@b.example", n), subject)})
				if err != nil {
					t.Fatal(err)
				}
				ids[n] = got[0]
			}
			if err := i.gather(t.Context(), Normal, task{Receipts: ids, Fresh: true}); err != nil {
				t.Error(err)
			}
			if n := counts(t, w)[desk.Filed]; n != all-1 {
				t.Errorf("%d filed, want %d", n, all-1)
			}
			for range i.set.Attempts - 1 {
				if err := i.Process(t.Context(), ids); err != nil {
					t.Error(err)
				}
			}
			if r, err := w.Receipt(t.Context(), ids[bad]); err != nil || r.State != desk.Failed || !strings.Contains(r.Reason, "bad words") {
				t.Errorf("the bad one: %s %q, %v", r.State, r.Reason, err)
			}
		})
	}
}

// Books that do not answer are no message's fault, however few are read.
func TestBooksThatDoNotAnswerAreNoMessagesFault(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	i.view = func(context.Context, []*desk.Draft) (pipeline.Books, error) { return nil, desk.ErrUnavailable }
	ids, err := i.accept(t.Context(), nil, []*desk.Draft{mail("1", "a@b.example", "x")})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Process(t.Context(), ids); !errors.Is(err, desk.ErrUnavailable) {
		t.Error(err)
	}
	if r, err := w.Receipt(t.Context(), ids[0]); err != nil || r.Attempts != 0 {
		t.Errorf("%d attempts, %v", r.Attempts, err)
	}
}

// A lane that takes nothing more, since the process ends, is no message's fault.
func TestAProcessThatEndsIsNoMessagesFault(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	ids, err := i.accept(t.Context(), nil, []*desk.Draft{mail("1", "a@b.example", "x")})
	if err != nil {
		t.Fatal(err)
	}
	i.filing.stop()
	if err := i.Process(t.Context(), ids); !errors.Is(err, errStopped) {
		t.Error(err)
	}
	if r, err := w.Receipt(t.Context(), ids[0]); err != nil || r.State != desk.Accepted || r.Attempts != 0 {
		t.Errorf("%s after %d attempts, %v", r.State, r.Attempts, err)
	}
}
