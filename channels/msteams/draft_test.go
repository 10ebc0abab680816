package msteams

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"switchboard/pipeline/desk"
)

var update = flag.Bool("update", false, "write the golden files")

var goldenOrigin = origin{
	source: desk.Source{Name: "chat", Channel: desk.MSTeams, Addresses: []string{"28:another-bot-of-ours"}},
	at:     time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	raw:    desk.BlobRef{Digest: strings.Repeat("ab", 32), Size: 7},
}

// TestGolden reads testdata/NAME.activity and compares with NAME.json.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.activity")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d golden activities: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			a, err := parseActivity(raw)
			if err != nil {
				t.Fatal(err)
			}
			o := goldenOrigin
			if strings.Contains(file, "window") {
				o.window = 2 * time.Hour
			}
			got, err := json.MarshalIndent(draftFrom(a, o), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := strings.TrimSuffix(file, ".activity") + ".json"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("draft differs from %s (see -update):\n%s", golden, got)
			}
		})
	}
}

// FuzzActivity: whatever the bytes, nothing panics, and what comes out can be
// kept by every store, twice the same.
func FuzzActivity(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.activity")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"type":"message","from":{"id":1},"entities":[{"type":"mention","mentioned":5}],"attachments":[{"contentType":"text/html","content":"<at id=0>"}]}`))
	f.Add([]byte(`{"type":"message","id":"` + strings.Repeat("1", 600) + `","conversation":{"id":"c"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := parseActivity(raw)
		if err != nil {
			return
		}
		o := goldenOrigin
		o.window = time.Duration(len(raw)%2) * time.Hour
		d := draftFrom(a, o)
		if d.ExternalID == "" || d.Fingerprint == "" || d.Source == "" || d.Scope == "" || d.Thread.Key == "" {
			t.Errorf("incomplete: %+v", d)
		}
		if len(d.ExternalID) > 2*maxID+100 {
			t.Errorf("an external ID of %d bytes", len(d.ExternalID))
		}
		if d.Act != "" && d.Target == "" {
			t.Error("an act without a target")
		}
		out, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(d.Thread.Address, []byte(`\u0000`)) || strings.Contains(d.Text, "\x00") || !utf8.Valid([]byte(d.Text+d.ExternalID+d.From.Name)) {
			t.Errorf("not clean: %s", out)
		}
		again, err := parseActivity(raw)
		if err != nil {
			t.Fatal(err)
		}
		if second, _ := json.Marshal(draftFrom(again, o)); !bytes.Equal(out, second) {
			t.Error("another draft the second time")
		}
		if json.Valid(a.forLibrary()) == false {
			t.Error("the library cannot read it")
		}
		for _, f := range a.Attachments {
			fileAddress(f)
			leftOut(f)
			contentType(f, fileName(string(f.Name), false), "", true)
		}
	})
}
