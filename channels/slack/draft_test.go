package slack

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

var update = flag.Bool("update", false, "write the golden drafts anew")

// TestGoldenDrafts: each event in testdata becomes the draft beside it.
func TestGoldenDrafts(t *testing.T) {
	events, err := filepath.Glob("testdata/*.json")
	if err != nil || len(events) == 0 {
		t.Fatal("no events", err)
	}
	s, err := load(block("signingSecret: a\nbotToken: b\nbots: [BMON00001]\nchannels: [{id: CHELP0001, team: field}]"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range events {
		if strings.HasSuffix(name, ".draft.json") {
			continue
		}
		n++
		t.Run(filepath.Base(name), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			e, odd, err := decode(raw)
			if err != nil || odd != "" {
				t.Fatal(err, odd)
			}
			d := decide(s, &e, facts{bot: "UBOT00001"})
			o := origin{source: desk.Source{Name: "acme", Channel: desk.Slack}, team: e.team(), bot: "UBOT00001", event: string(e.EventID), at: time.Unix(1700000100, 0).UTC(),
				raw: desk.BlobRef{Digest: strings.Repeat("ab", 32), Size: 9}, shared: e.Shared, links: nil,
				who:   person{Home: d.msg.home(), Full: true, Profile: desk.Profile{Name: "Ada", Email: "ada@example.com", EmailVerified: true}},
				names: func(id string) string { return map[string]string{"UCLEO0001": "Cleo *the* Great"}[id] }}
			x := draftFrom(d, o)
			if d.verdict == toEdit || d.verdict == toDelete {
				x = changeFrom(d, o)
			} else if d.verdict != toTicket {
				t.Fatalf("%s: %q", d.verdict, d.reasons)
			}
			got, err := json.MarshalIndent(x, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := strings.TrimSuffix(name, ".json") + ".draft.json"
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
				t.Errorf("%s\nwant\n%s", got, want)
			}
		})
	}
	if n != 10 {
		t.Errorf("%d events", n)
	}
}
