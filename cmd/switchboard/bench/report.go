package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a run found out.
type Report struct {
	Kind    string    `json:"kind"` // ingest, imap, flood or seed
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Version string    `json:"version"`
	Machine Machine   `json:"machine"`
	Setup   any       `json:"setup"` // the options of the run
	// Units says what each reading is counted in.
	Units map[string]string `json:"units"`
	// Rounds are the raw readings; Medians are over the rounds that have them.
	Rounds  []Round            `json:"rounds"`
	Medians map[string]float64 `json:"medians"`
	// Ratios are medians of the ratios within each round.
	Ratios map[string]float64 `json:"ratios"`
	Goals  []Goal             `json:"goals"`
	// Complaints are warnings and errors the roles logged.
	Complaints []string `json:"complaints,omitempty"`

	catalogue []line
}

// Machine is where the figures were taken.
type Machine struct {
	System     string `json:"system"`
	Processor  string `json:"processor,omitempty"`
	Cores      int    `json:"cores"`
	Memory     int64  `json:"memoryBytes,omitempty"`
	Go         string `json:"go"`
	Redis      string `json:"redis,omitempty"`
	PostgreSQL string `json:"postgresql,omitempty"`
}

// Round is one round's readings by name.
type Round struct {
	Load     string             `json:"load"` // load average when it began
	Readings map[string]float64 `json:"readings"`
}

// Goal is a bar and where the run stands to it.
type Goal struct {
	Name string  `json:"name"`
	Bar  float64 `json:"bar"`
	Aim  float64 `json:"aim,omitempty"`
	Most bool    `json:"most,omitempty"` // the bar is a ceiling, not a floor
	// Exact: it must be met exactly, in every round.
	Exact bool    `json:"exact,omitempty"`
	Got   float64 `json:"got"`
	Met   bool    `json:"met"`
}

// line is one row of the printed table.
type line struct{ name, label, unit string }

// ratio is one reading over another, and the goal there is for it, if any.
type ratio struct {
	name, over, under string
	bar, aim          float64
	most, exact       bool
}

// limit is a goal for a reading itself.
type limit struct {
	reading string
	label   string
	bar     float64
	most    bool
}

func newReport(kind string, c Common, setup any) *Report {
	return &Report{Kind: kind, Began: time.Now().UTC().Truncate(time.Second), Version: c.Version, Setup: setup,
		Units: map[string]string{}, Medians: map[string]float64{}, Ratios: map[string]float64{}}
}

// round begins a round.
func (r *Report) round() { r.Rounds = append(r.Rounds, Round{loadAverage(), map[string]float64{}}) }

// add keeps a reading of the round that runs. The first of a name gives it its
// place in the table.
func (r *Report) add(name, label, unit string, value float64) {
	if _, ok := r.Units[name]; !ok {
		r.Units[name] = unit
		r.catalogue = append(r.catalogue, line{name, label, unit})
	}
	r.Rounds[len(r.Rounds)-1].Readings[name] = value
}

// finish computes medians, ratios and goals. A ratio or goal whose readings were
// not taken is left out.
func (r *Report) finish(ratios []ratio, limits []limit) {
	r.Seconds = math.Round(10*time.Since(r.Began).Seconds()) / 10
	for _, l := range r.catalogue {
		r.Medians[l.name] = median(r.readings(func(m map[string]float64) (float64, bool) { v, ok := m[l.name]; return v, ok }))
	}
	for _, q := range ratios {
		values := r.readings(func(m map[string]float64) (float64, bool) {
			over, a := m[q.over]
			under, b := m[q.under]
			return over / under, a && b && under != 0
		})
		if len(values) == 0 {
			continue
		}
		got := median(values)
		r.Ratios[q.name] = got
		if q.bar != 0 {
			ok := met(got, q.bar, q.most)
			if q.exact {
				ok = !slices.ContainsFunc(values, func(v float64) bool { return v != q.bar })
			}
			r.Goals = append(r.Goals, Goal{Name: q.name, Bar: q.bar, Aim: q.aim, Most: q.most, Exact: q.exact, Got: got, Met: ok})
		}
	}
	for _, l := range limits {
		if got, ok := r.Medians[l.reading]; ok {
			r.Goals = append(r.Goals, Goal{Name: l.label, Bar: l.bar, Most: l.most, Got: got, Met: met(got, l.bar, l.most)})
		}
	}
}

func met(got, bar float64, most bool) bool {
	if most {
		return got <= bar
	}
	return got >= bar
}

// readings collects a value of every round that has it.
func (r *Report) readings(of func(map[string]float64) (float64, bool)) (out []float64) {
	for _, round := range r.Rounds {
		if v, ok := of(round.Readings); ok {
			out = append(out, v)
		}
	}
	return out
}

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Clone(v)
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// Print writes the report for people.
func (r *Report) Print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "switchboard bench %s, %s, %d cores, %s", r.Kind, r.Machine.System, r.Machine.Cores, r.Machine.Go)
	if r.Machine.PostgreSQL != "" {
		fmt.Fprintf(w, ", PostgreSQL %s", r.Machine.PostgreSQL)
	}
	if r.Machine.Redis != "" {
		fmt.Fprintf(w, ", Redis %s", r.Machine.Redis)
	}
	fmt.Fprintf(w, "; rounds: %d, %.0f s\n\n", len(r.Rounds), r.Seconds)
	fmt.Fprintln(w, "READING\tMEDIAN\tLEAST\tMOST\tUNIT")
	for _, l := range r.catalogue {
		all := r.readings(func(m map[string]float64) (float64, bool) { v, ok := m[l.name]; return v, ok })
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.label, short(r.Medians[l.name]), short(slices.Min(all)), short(slices.Max(all)), l.unit)
	}
	if len(r.Goals) > 0 {
		fmt.Fprintln(w, "\nGOAL\tGOT\tWANTED\t\t")
	}
	for _, g := range r.Goals {
		sign, verdict := ">=", "met"
		if g.Most {
			sign = "<="
		}
		if g.Exact {
			sign = "="
		}
		if !g.Met {
			verdict = "not met"
		}
		aim := ""
		if g.Aim != 0 {
			aim = ", aim " + short(g.Aim)
		}
		fmt.Fprintf(w, "%s\t%s\t%s %s%s\t%s\t\n", g.Name, short(g.Got), sign, short(g.Bar), aim, verdict)
	}
	loads := make([]string, len(r.Rounds))
	for i, round := range r.Rounds {
		loads[i] = round.Load
	}
	fmt.Fprintf(w, "\nload average when each round began: %s\n", strings.Join(loads, ", "))
	for _, c := range r.Complaints {
		fmt.Fprintln(w, "logged:", c)
	}
	return w.Flush()
}

// short writes a figure with three digits that mean something.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// Write saves the report as JSON.
func (r *Report) Write(file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
