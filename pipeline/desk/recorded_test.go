package desk

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// A recorded draft is what is read from what was written, whatever is in it.
func TestARecordedDraftIsWhatIsReadBack(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	walked := 0
	for range 5000 {
		var d Draft
		v := reflect.ValueOf(&d).Elem()
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Kept" && (name != "Ask" || random.IntN(4) == 0) {
				wild(random, v.Field(i))
			}
		}
		if _, ok := d.recorded(); ok {
			walked++
		}
		text, err := d.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := ReadDraft(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.Recorded(); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\nrecorded %+v, %v\nwant     %+v", text, got, err, want)
		}
	}
	if walked < 100 {
		t.Errorf("%d of 5000 drafts were copied", walked)
	}
}

// The clock's reading goes, zones come back as offsets, and what no JSON holds is
// an error, as when it is written.
func TestARecordedDraftsTimes(t *testing.T) {
	now := time.Now()
	for _, at := range []time.Time{{}, now, now.UTC(), now.In(time.FixedZone("here", 3600)), time.Unix(0, 0), time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 0)), time.Date(2026, 7, 1, 0, 0, 0, 1, time.FixedZone("UTC", 0)),
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("seconds", 7))} {
		d := Draft{SentAt: at, ReceivedAt: at}
		text, err := d.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := ReadDraft(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.Recorded(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: recorded %+v, %v, want %+v", at, got, err, want)
		}
	}
	for _, d := range []Draft{{SentAt: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}, {Thread: Thread{Address: json.RawMessage("{")}}} {
		if _, err := d.Recorded(); err == nil {
			t.Errorf("%+v was recorded", d)
		}
	}
}

// Whoever goes on using the draft that was recorded changes nothing.
func TestARecordedDraftIsItsOwn(t *testing.T) {
	d := Draft{To: []Party{{Handle: "a"}}, Headers: map[string]string{"a": "b"}, References: []string{"r"}, Thread: Thread{Address: json.RawMessage(`{"a":1}`)}, Profile: &Profile{Name: "n"}}
	got, ok := d.recorded()
	if !ok {
		t.Fatal("not copied")
	}
	d.To[0].Handle, d.Headers["a"], d.References[0], d.Thread.Address[2], d.Profile.Name = "x", "x", "x", 'x', "x"
	want := &Draft{To: []Party{{Handle: "a"}}, Headers: map[string]string{"a": "b"}, References: []string{"r"}, Thread: Thread{Address: json.RawMessage(`{"a":1}`)}, Profile: &Profile{Name: "n"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
