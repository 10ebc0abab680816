package bench

import (
	"bufio"
	"bytes"
	"context"
	"strconv"
	"strings"
)

// tally is a sum over a number of observations.
type tally struct{ sum, count float64 }

// groups sums the sizes of the groups that the roles have formed, by border.
func (f *fleet) groups(ctx context.Context) (map[string]tally, error) {
	all := map[string]tally{}
	for _, at := range f.ops {
		text, err := fetch(ctx, "http://"+at+"/metrics")
		if err != nil {
			return nil, err
		}
		addGroups(all, text)
	}
	return all, nil
}

// addGroups reads the sums and counts of switchboard_group_size from the text
// format (Prometheus, "Exposition formats").
func addGroups(all map[string]tally, text []byte) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), "switchboard_group_size_")
		if !ok {
			continue
		}
		kind, rest, _ := strings.Cut(rest, `{border="`)
		border, rest, _ := strings.Cut(rest, `"} `)
		value, err := strconv.ParseFloat(rest, 64)
		if err != nil {
			continue
		}
		m := all[border]
		switch kind {
		case "sum":
			m.sum += value
		case "count":
			m.count += value
		default:
			continue
		}
		all[border] = m
	}
}

// sizes reports the mean sizes of the groups formed since before.
func (r *ingest) sizes(ctx context.Context, f *fleet, name, label string, before map[string]tally) error {
	after, err := f.groups(ctx)
	if err != nil {
		return err
	}
	for _, border := range sortedKeys(after) {
		if n := after[border].count - before[border].count; n > 0 {
			r.report.add(name+".group."+border, label+"mean size of a group, "+border, "messages", (after[border].sum-before[border].sum)/n)
		}
	}
	return nil
}
