package webform

import (
	"errors"
	"testing"
	"time"
)

// A form is fetched from one process and sent to another, whose clock may be
// wrong.
func TestTokenAcrossClocks(t *testing.T) {
	s := newSigner([]byte("secret"), "site")
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	token := s.token("contact", made)
	for after, want := range map[time.Duration]error{
		0: errFast, 2 * time.Second: errFast, 3 * time.Second: nil, 24 * time.Hour: nil, 24*time.Hour + time.Second: errOldToken,
		-time.Second: nil, -4 * time.Minute: nil, -6 * time.Minute: errToken,
	} {
		id, err := s.readToken("contact", token, made.Add(after), spam{minTime: 3 * time.Second, tokenLife: 24 * time.Hour})
		if !errors.Is(err, want) || want == nil && (err != nil || id == "") {
			t.Errorf("%s after it was made: %q, %v; want %v", after, id, err, want)
		}
	}
}
