package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"switchboard/pipeline/desk"
)

// What the stages usually say is in the books in a third of its length, and comes
// back word for word.
func TestUsualTrailsAreShort(t *testing.T) {
	stages := (&Line{Standard()}).Stages
	for _, c := range []struct{ name, subject, body string }{{"a rule and a route", "Question about my invoice", ""}, {"no rule", "Hello", ""}, {"first line", "", "Where is it?"}} {
		d := benchDraft(c.subject)
		if c.body != "" {
			d.Text = c.body
		}
		pass := NewPass(desk.NewReceipt(d, noon), busyHouse(t), newShelf(), noon)
		if err := (&Line{stages}).Run(context.Background(), pass); err != nil {
			t.Fatal(err)
		}
		f := pass.Filing()
		f.Take(3)
		long, err := json.Marshal(f.Trail)
		if err != nil {
			t.Fatal(err)
		}
		short, err := desk.AppendTrail(nil, f.Trail)
		if err != nil {
			t.Fatal(err)
		}
		if len(short)*3 > len(long) {
			t.Errorf("%s: %d bytes of %d: %s", c.name, len(short), len(long), short)
		}
		if bytes.Contains(short, []byte(`"stage"`)) {
			t.Errorf("%s: something said is no phrase: %s", c.name, short)
		}
		var want []desk.Note
		if err := json.Unmarshal(long, &want); err != nil {
			t.Fatal(err)
		}
		got, err := desk.ReadTrail(string(short))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\nread %+v\nwant %+v", c.name, err, got, want)
		}
		for _, n := range got {
			if !slices.ContainsFunc(stages, func(s Stage) bool { return s.Name == n.Stage }) {
				t.Errorf("%s: there is no stage %s", c.name, n.Stage)
			}
		}
	}
}
