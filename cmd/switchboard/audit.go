package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"switchboard/configs"
	"switchboard/store"
	"switchboard/store/blob"
)

var _ store.AuditBlobs = (*blob.Blobs)(nil)

// auditCmd checks the books: beside a live fleet, or at the end of a trial.
type auditCmd struct {
	place
	JSON         string        `name:"json" help:"Also write the result as JSON; - instead of the table." placeholder:"FILE"`
	Acknowledged string        `help:"What senders were told yes for, a JSON object a line: receipt, or source and externalId; and optionally at (when), ticket, thread (one name, one ticket), state." placeholder:"FILE" type:"existingfile"`
	Since        string        `help:"Only rows made since: an RFC 3339 time, a date, or a duration before now." placeholder:"TIME"`
	Blobs        bool          `help:"Compare the blobs with the rows that refer to them; --no-blobs leaves that out: it lists the whole store." default:"true" negatable:""`
	Digest       bool          `help:"Also read every blob that is referred to."`
	Grace        time.Duration `help:"What is younger may still be on its way." default:"15m"`
	Strict       bool          `help:"Bytes without a row are wrong when they are older than that, not only when the house had to take them away (retention.orphans)."`
	Skew         time.Duration `help:"How much the clocks of the fleet may differ." default:"5s"`
	Show         int           `help:"Examples shown of each check." default:"5"`
	Batch        int           `help:"Rows read at once." default:"500" hidden:""`
}

// auditResult is what --json writes.
type auditResult struct {
	At       time.Time      `json:"at"`
	Database string         `json:"database"`
	Seconds  float64        `json:"seconds"`
	Looked   int64          `json:"looked"`
	Wrong    int64          `json:"wrong"`
	LeftOut  []string       `json:"leftOut,omitempty"` // what was not looked at, and why
	Checks   []*store.Check `json:"checks"`
}

// Validate runs before Run; what it refuses is a wrong command line.
func (c *auditCmd) Validate() error {
	if c.Digest && !c.Blobs {
		return errors.New("--digest reads the blobs that --no-blobs leaves out")
	}
	return nil
}

// leftOut says what a run with these flags does not look at.
func (c *auditCmd) leftOut() (out []string) {
	if !c.Blobs {
		out = append(out, "blob.there and blob.orphan (--no-blobs)")
	} else if c.Since != "" {
		out = append(out, "blob.orphan (--since: older rows refer to blobs too)")
	}
	if !c.Digest {
		out = append(out, "blob.digest (reads every blob: --digest)")
	}
	if c.Acknowledged == "" {
		out = append(out, "acknowledged (needs a list: --acknowledged)")
	}
	return out
}

func (c *auditCmd) Run(ctx context.Context, s streams) error {
	result, err := c.audit(ctx, s)
	if err != nil {
		return trouble{err}
	}
	if c.JSON != "-" {
		c.print(plain{s.out}, result)
	}
	if err := c.write(s.out, result); err != nil {
		return trouble{err}
	}
	if result.Wrong > 0 {
		return errSaid
	}
	return nil
}

// audit looks, and changes nothing: not even the schema.
func (c *auditCmd) audit(ctx context.Context, s streams) (*auditResult, error) {
	r, err := loadThere(c.place, s)
	if err != nil {
		return nil, err
	}
	dir := blobDir(r.Config(), c.place)
	if _, err := os.Stat(dir); c.Blobs && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("audit: there are no blobs at %s: name the right folder with --data or blobs.dir, or leave them out with --no-blobs", dir)
	}
	h, err := booksOf(ctx, c.place, s, r, 0)
	if err != nil {
		return nil, err
	}
	defer h.store.Close()
	return c.of(ctx, h)
}

// of looks at the books of an open house, by their own clock: what the fleet wrote
// goes by it, and this machine's may be wrong.
func (c *auditCmd) of(ctx context.Context, h *house) (*auditResult, error) {
	started := time.Now()
	h.keepTime(ctx)
	if h.untime != nil {
		defer h.untime()
	}
	err := h.readable(ctx)
	if err != nil {
		return nil, err
	}
	begun := h.now()
	o := store.AuditOptions{Now: begun, Grace: c.Grace, Skew: c.Skew, Patience: delivery(h.config.Config()).Patience, Strict: c.Strict,
		Show: c.Show, Batch: c.Batch, Digest: c.Digest}
	if o.Since, err = moment(c.Since, begun); err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	if c.Blobs {
		o.Blobs = h.blobs
		o.Orphans, o.Freed = orphaned(h.config.Config().Retention)
	}
	if c.Acknowledged != "" {
		f, err := os.Open(c.Acknowledged)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if o.Acknowledged, err = listNow(f); err != nil {
			return nil, fmt.Errorf("--acknowledged: %w", err)
		}
	}
	checks, err := h.store.Audit(ctx, o)
	if err != nil {
		return nil, err
	}
	out := &auditResult{At: begun.UTC(), Database: h.store.Dialect(), Checks: checks, LeftOut: c.leftOut(), Seconds: time.Since(started).Seconds()}
	for _, check := range checks {
		out.Looked += check.Looked
		out.Wrong += check.Wrong
	}
	return out, nil
}

// print writes a line a check, and under it what is wrong.
func (c *auditCmd) print(out io.Writer, r *auditResult) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, check := range r.Checks {
		verdict := "ok"
		if check.Wrong > 0 {
			verdict = "WRONG"
		}
		fmt.Fprintf(w, "%s\t%s\t%d looked at\t%d wrong\t%s\n", verdict, check.Name, check.Looked, check.Wrong,
			cmp.Or(check.Note, check.Doc))
		for _, e := range check.Examples {
			fmt.Fprintf(w, "\t  %s\t%s\n", e.ID, e.Why)
		}
	}
	w.Flush()
	for _, what := range r.LeftOut {
		fmt.Fprintf(out, "not looked at: %s\n", what)
	}
	fmt.Fprintf(out, "audit of %s: %d checks, %d looked at, %d wrong, %.1f s\n", r.Database, len(r.Checks), r.Looked, r.Wrong, r.Seconds)
}

// write writes the JSON, when it was asked for.
func (c *auditCmd) write(out io.Writer, r *auditResult) error {
	if c.JSON == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if c.JSON == "-" {
		_, err = out.Write(text)
		return err
	}
	return os.WriteFile(c.JSON, text, 0o600)
}

// moment reads a time as a person gives it: RFC 3339, a date (UTC), or a duration
// before now. An empty one is the zero time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := configs.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-03-04T05:06:07Z, 2026-03-04, 36h or 7d", text)
}

// between reads the two ends of a time, each as moment does.
func between(since, until string, now time.Time) (from, to time.Time, err error) {
	from, err = moment(since, now)
	to, wrong := moment(until, now)
	return from, to, errors.Join(err, wrong)
}
