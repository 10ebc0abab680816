package pipeline

import (
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// TestCanary: only what is a canary as a whole, of this house and this source,
// leaves the line.
func TestCanary(t *testing.T) {
	secret := []byte("the secret of the house")
	now := time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)
	good := desk.NewCanary(secret, "mail", now)
	flip := func(s string, i int) string {
		c := byte('a')
		if s[i] == c {
			c = 'b'
		}
		return s[:i] + string(c) + s[i+1:]
	}
	for name, x := range map[string]struct {
		draft desk.Draft
		drops bool
	}{
		"a canary":                     {desk.Draft{Source: "mail", Text: good}, true},
		"with blanks around it":        {desk.Draft{Source: "mail", Text: "\n " + good + "\r\n"}, true},
		"of another source":            {desk.Draft{Source: "form", Text: good}, false},
		"of another house":             {desk.Draft{Source: "mail", Text: desk.NewCanary([]byte("another"), "mail", now)}, false},
		"with another MAC":             {desk.Draft{Source: "mail", Text: flip(good, len(good)-1)}, false},
		"with another ID":              {desk.Draft{Source: "mail", Text: strings.Replace(good, good[19:45], desk.NewID[string](now), 1)}, false},
		"with words beside it":         {desk.Draft{Source: "mail", Text: "Please help me\n" + good}, false},
		"with words behind it":         {desk.Draft{Source: "mail", Text: good + " x"}, false},
		"twice":                        {desk.Draft{Source: "mail", Text: good + "\n" + good}, false},
		"with a file":                  {desk.Draft{Source: "mail", Text: good, Attachments: []desk.Attachment{{Name: "x"}}}, false},
		"an edit":                      {desk.Draft{Source: "mail", Text: good, Act: desk.ActEdit}, false},
		"in the subject":               {desk.Draft{Source: "mail", Subject: good, Text: "x"}, false},
		"nothing":                      {desk.Draft{Source: "mail"}, false},
		"in lower case, as one quotes": {desk.Draft{Source: "mail", Text: strings.ToLower(good)}, false},
	} {
		p := NewPass(desk.Receipt{ID: "r", Draft: &x.draft}, desk.NewPolicy(), nil, now)
		if err := (&Line{Stages: []Stage{Canary(secret)}}).Run(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if p.Ended() != x.drops {
			t.Errorf("%s: ended %v", name, p.Ended())
			continue
		}
		if f := p.verdict; x.drops && (f != desk.Dropped || p.reason != "canary" || !p.Filing().Canary.Equal(now)) {
			t.Errorf("%s: %s %q %s", name, f, p.reason, p.Filing().Canary)
		}
	}
	if _, ok := desk.ReadCanary(nil, "mail", desk.NewCanary(nil, "mail", now)); ok {
		t.Error("a house without a secret has canaries")
	}
}
