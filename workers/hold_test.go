package workers

import (
	"errors"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

func limitOf(err error) string {
	var r refusal
	errors.As(err, &r)
	return r.limit
}

func TestOneSourceNeverGetsAll(t *testing.T) {
	h := &hold{set: Settings{Pending: 10, PendingPerSource: 6, PendingBytes: 1000, PendingBytesPerSource: 300}}
	must := func(limit, source string, n int, bytes int64) {
		t.Helper()
		err := h.take(source, n, bytes)
		if limitOf(err) != limit || err != nil && !errors.Is(err, desk.ErrBusy) {
			t.Errorf("take %d of %s: %v, want %q", n, source, err, limit)
		}
	}
	give := func(source string, n int, bytes int64) { h.give(source, load{messages: n, writing: bytes}) }
	must("", "a", 6, 10)
	must(fullSource, "a", 1, 10)
	must("", "b", 4, 10)
	must(fullMessages, "c", 1, 10)
	give("b", 4, 10)
	must(fullBytes, "c", 1, 991)
	must("", "c", 1, 290)
	must(fullShare, "c", 1, 20)
	give("c", 1, 290)
	give("a", 6, 10)
	must("", "a", 50, 5000) // larger than all limits, and alone
	give("a", 50, 5000)
	if now := h.now(); now != (load{}) || len(h.by) != 0 {
		t.Errorf("%+v is left in hand", now)
	}
}

// The requests of one door take the room of no other, and those of all doors not
// the room of what was read and of mailboxes.
func TestRequestsTakeNobodysRoom(t *testing.T) {
	h := &hold{set: Settings{Pending: 10, PendingBytes: 1000, PendingBytesPerSource: 300}}
	read := func(limit, source string, has, more int64) {
		t.Helper()
		if err := h.read(source, has, more); limitOf(err) != limit {
			t.Errorf("%s has %d and wants %d: %v, want %q", source, has, more, err, limit)
		}
	}
	read("", "a", 0, 200)
	read("", "a", 0, 100)
	read(fullShare, "a", 0, 1)
	read(fullShare, "a", 200, 1)
	read("", "b", 0, 300)
	read("", "c", 0, 150)
	read(fullBytes, "c", 0, 1) // three quarters are full
	if err := h.take("mail", 1, 240); err != nil {
		t.Errorf("a mailbox: %v", err)
	}
	if err := h.take("mail", 1, 20); limitOf(err) != fullBytes {
		t.Errorf("beyond everything: %v", err)
	}
	if err := h.take("a", 1, 20); limitOf(err) != fullBytes {
		t.Errorf("beyond everything: %v", err)
	}
	h.give("mail", load{messages: 1, writing: 240})
	h.give("a", load{reading: 300})
	h.give("b", load{reading: 300})
	read("", "c", 150, 5000) // alone: what is larger than a limit must get in some time
	read(fullBytes, "a", 0, 1)
	if err := h.take("c", 1, 6000); err != nil {
		t.Errorf("what it brought: %v", err)
	}
	h.give("c", load{messages: 1, writing: 6000, reading: 5150})
	if now := h.now(); now != (load{}) || len(h.by) != 0 {
		t.Errorf("%+v is left in hand", now)
	}
	// Whatever the config says, a source has no more than half.
	h.set.PendingBytesPerSource = 5000
	read("", "a", 0, 400)
	read(fullShare, "a", 0, 200)
	read("", "b", 0, 200)
}

// One body counts as a request and, as the rows that are made of it, as a message:
// the first does not keep out the second.
func TestALargeRequestGetsInAlone(t *testing.T) {
	i := intake(t, openBooks(t), nil)
	i.hold.set.PendingBytes = 1 << 20
	v := i.Visit("support")
	for room := int64(64 << 10); room <= 3<<20; room += 64 << 10 {
		if err := v.Hold(room); err != nil {
			t.Fatal(err)
		}
	}
	d := mail("m1", "a@b.example", "large")
	d.Text = strings.Repeat("x", 3<<20)
	if _, err := i.Submit(t.Context(), nil, d); err != nil {
		t.Errorf("a message that is alone: %v", err)
	}
	other := i.Visit("other")
	if err := other.Hold(1); limitOf(err) != fullBytes {
		t.Errorf("beside it: %v", err)
	}
	other.End()
	v.End()
	if now := i.hold.now(); now != (load{}) {
		t.Errorf("%+v is left in hand", now)
	}
}
