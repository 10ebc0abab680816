package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"switchboard/pipeline/desk"
)

// draw makes the lines of a frame, none wider than width and no more than
// height. Columns that do not fit are left out from the right, and of the lines
// that do not fit the last say how many they are. It is pure.
func (f *frame) draw(width, height int, order string) []string {
	d := &drawing{width: max(width, 20)}
	up := 0
	for _, x := range f.Dependencies {
		if x.Up {
			up++
		}
	}
	d.line("switchboard top  %s  %d processes  %d/%d dependencies up", f.At.Format("15:04:05"), len(f.Processes), up, len(f.Dependencies))
	for _, x := range f.Dependencies {
		if x.Up {
			d.line("  %-9s up    %s", x.Name, x.Took)
		} else {
			d.line("! %-9s DOWN  %s", x.Name, x.Error)
		}
	}
	d.line("ledger   %s  oldest %s", states(f.Ledger, desk.Accepted, desk.Held, desk.Failed), ago(f.At, f.LedgerOldest))
	d.line("answers  %s", states(f.Answers, desk.SendQueued, desk.SendSending, desk.SendUnknown, desk.SendFailed))

	rows := [][]string{}
	for _, s := range f.Sources {
		rows = append(rows, []string{s.Name, perSecond(s.Accepted), perSecond(s.Settled), capped(s.Waiting), ago(f.At, s.Oldest), seconds(s.Lag),
			ago(f.At, s.Canary), ago(f.At, s.LastAt), fmt.Sprint(s.Failed), string(s.Channel)})
	}
	d.table("SOURCES by "+order, []string{"SOURCE", "ACC/S", "DONE/S", "WAITING", "OLDEST", "LAG", "CANARY", "LAST", "FAILED", "CHANNEL"}, rows)

	rows = [][]string{}
	for _, q := range f.Queues {
		row := []string{q.Name}
		for _, state := range []string{"pending", "active", "retry", "scheduled"} {
			row = append(row, fmt.Sprint(q.Tasks[state]))
		}
		rows = append(rows, append(row, ago(f.At, q.Oldest), fmt.Sprint(q.Tasks["archived"])))
	}
	d.table("QUEUES", []string{"QUEUE", "PENDING", "ACTIVE", "RETRY", "LATER", "OLDEST", "ARCHIVED"}, rows)

	rows = [][]string{}
	for _, p := range f.Processes {
		rows = append(rows, []string{strings.Join(p.Roles, "+"), p.Host, fmt.Sprint(p.PID), ago(f.At, p.Since), fmt.Sprintf("%.0f%%", 100*p.CPU), bytesIn(p.Memory),
			fmt.Sprint(p.InHand), p.Version})
	}
	d.table("PROCESSES", []string{"ROLE", "HOST", "PID", "UP", "CPU", "MEMORY", "IN HAND", "VERSION"}, rows)

	rows = [][]string{}
	for _, m := range f.Mailboxes {
		holder := m.Holder
		if holder == "" {
			holder = "NOBODY"
		}
		for _, p := range f.Processes {
			if p.Holder != "" && p.Holder == m.Holder {
				holder = fmt.Sprintf("%s/%d", p.Host, p.PID)
			}
		}
		rows = append(rows, []string{m.Source, ago(f.At, m.LastAt), holder})
	}
	if len(rows) > 0 {
		d.table("MAILBOXES", []string{"MAILBOX", "LAST", "READ BY"}, rows)
	}
	if height > 0 && len(d.lines) > height {
		more := len(d.lines) - height + 1
		d.lines = append(d.lines[:height-1], cutTo(fmt.Sprintf("... %d more lines: make the window higher", more), d.width))
	}
	return d.lines
}

type drawing struct {
	width int
	lines []string
}

func (d *drawing) line(format string, args ...any) {
	d.lines = append(d.lines, cutTo(fmt.Sprintf(format, args...), d.width))
}

// table writes a heading, the names of the columns and the rows: the first column
// to the left, numbers to the right. What does not fit in the width is left out,
// whole columns at a time.
func (d *drawing) table(title string, head []string, rows [][]string) {
	d.lines = append(d.lines, "")
	d.line("%s (%d)", title, len(rows))
	if len(rows) == 0 {
		return
	}
	wide := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
		}
	}
	wide[0] = min(wide[0], max(8, d.width/3))
	columns, used := 1, wide[0]
	for columns < len(head) && used+2+wide[columns] <= d.width {
		used += 2 + wide[columns]
		columns++
	}
	texts := []string{"HOST", "VERSION", "CHANNEL", "READ BY"}
	for _, row := range append([][]string{head}, rows...) {
		var b strings.Builder
		for i, cell := range row[:columns] {
			cell = cutTo(cell, wide[i])
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				b.WriteString("  ")
			}
			if i == 0 || slices.Contains(texts, head[i]) {
				b.WriteString(cell + pad)
			} else {
				b.WriteString(pad + cell)
			}
		}
		d.lines = append(d.lines, strings.TrimRight(b.String(), " "))
	}
}

// cutTo shortens a text to some characters. Whatever moves a terminal's cursor is
// left out: a host's or source's name is somebody else's text.
func cutTo(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if moves(r) {
			return -1
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:max(n-1, 0)]) + "…"
}

func states[T ~string](counts map[T]int, of ...T) string {
	var out []string
	for _, state := range of {
		out = append(out, string(state)+" "+capped(counts[state]))
	}
	return strings.Join(out, "  ")
}

// capped is a count that ended at the limit of a pulse.
func capped(n int) string {
	if n >= desk.PulseLimit {
		return fmt.Sprintf("%d+", desk.PulseLimit)
	}
	return fmt.Sprint(n)
}

func perSecond(x float64) string {
	if x >= 100 || x == 0 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

func seconds(x float64) string {
	if x <= 0 {
		return "-"
	}
	return short(time.Duration(x * float64(time.Second)))
}

// ago is how long before now an instant was, in two digits or three.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return short(max(now.Sub(t), 0))
}

func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	}
	return fmt.Sprintf("%.0fd", d.Hours()/24)
}

func bytesIn(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%dG", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%dM", n>>20)
	case n > 0:
		return fmt.Sprintf("%dK", n>>10)
	}
	return "-"
}
