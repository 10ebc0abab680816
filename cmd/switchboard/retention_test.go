package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// TestKnownAfterTheLedger: a message that is on a ticket is still the same one
// when it comes again after its receipt was kept long enough, by any of its
// sources; one that was dropped is dropped again.
func TestKnownAfterTheLedger(t *testing.T) {
	l := live(t, dropRule)
	const mail = "From: Ann <ann@shop.example>\nTo: support@desk.example\nSubject: it broke\nMessage-ID: <broke@shop.example>\nDate: Mon, 2 Mar 2026 09:00:00 +0100\n\nHelp.\n"
	first := l.mail(mail, nil)
	spam := strings.Replace(mail, "it broke", "ten per cent off", 1)
	spam = strings.Replace(spam, "<broke@", "<off@", 1)
	if first.State != desk.Filed || l.mail(spam, nil).State != desk.Dropped {
		t.Fatalf("%s: %s", first.State, first.Reason)
	}
	ago := time.Now().Add(time.Hour) // both were settled before that
	for _, kind := range []func() (int64, bool, error){
		func() (int64, bool, error) { return l.store.RetireDrafts(t.Context(), ago, 100) },
		func() (int64, bool, error) { return l.store.RetireLedger(t.Context(), ago, 100) },
	} {
		if n, _, err := kind(); n != 2 || err != nil {
			t.Fatalf("%d rows, %v", n, err)
		}
	}
	again := l.mail(mail, nil)
	if again.ID == first.ID || again.State != desk.Duplicate || again.TicketID != first.TicketID || !strings.Contains(again.Reason, string(first.MessageID)) {
		t.Errorf("it is %s on ticket %s: %s", again.State, again.TicketID, again.Reason)
	}
	if again := l.mail(spam, nil); again.State != desk.Dropped {
		t.Errorf("the other is %s: %s", again.State, again.Reason)
	}
	if receipts, tickets, messages := l.kept(); receipts != 2 || tickets != 1 || messages != 1 {
		t.Errorf("%d receipts, %d tickets, %d messages", receipts, tickets, messages)
	}
	code, out, err := command(t, nil, "audit", "--config", l.place.Config, "--data", l.place.Data, "--digest", "--grace", "0s")
	if code != 0 {
		t.Errorf("exit code %d\n%s%s", code, out, err)
	}
}

// A folder for sorting that is not there stops the walk for bytes without a row, in
// words that name the folder and the key, and no other retention.
func TestRetentionWithoutRoomToSort(t *testing.T) {
	l := live(t, dropRule)
	c := &l.config.Config().Retention
	c.Temp = filepath.Join(t.TempDir(), "missing")
	jobs := l.retention()
	if len(jobs) != 2 {
		t.Fatalf("%d jobs", len(jobs))
	}
	var failed []string
	for _, j := range jobs {
		if err := j.Once(t.Context(), time.Now()); err != nil {
			failed = append(failed, j.Name()+": "+err.Error())
		}
	}
	if len(failed) != 1 || !strings.HasPrefix(failed[0], "orphans: ") || !strings.Contains(failed[0], c.Temp) || !strings.Contains(failed[0], "retention.temp") {
		t.Errorf("%v", failed)
	}
	l = live(t, dropRule)
	l.config.Config().Retention.Temp = t.TempDir()
	if err := l.retention()[1].Once(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
	if at, err := l.store.RetiredAt(t.Context(), "orphans"); err != nil || at.IsZero() {
		t.Errorf("no walk was noted: %v", err)
	}
}

// A reload leaves the retention at work as it is, which a restart changes: above
// all, a walk for bytes without a row keeps its grace when the config says that
// there shall be none, or what was brought a moment before its row would go.
func TestReloadLeavesRetentionAlone(t *testing.T) {
	l := live(t, dropRule)
	jobs := l.retention()
	ref, err := l.blobs.Put(t.Context(), strings.NewReader(strings.Repeat("an attachment on its way ", 1000)))
	if err != nil {
		t.Fatal(err)
	}
	l.write(dropRule + "retention: { orphans: 0 }\n")
	l.reload(nil)
	if l.config.Config().Retention.Orphans != 0 {
		t.Fatal("the config was not reloaded")
	}
	if err := jobs[1].Once(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if at, err := l.store.RetiredAt(t.Context(), "orphans"); err != nil || at.IsZero() {
		t.Fatalf("no walk was noted: %v", err)
	}
	r, err := l.blobs.Open(t.Context(), ref)
	if err != nil {
		t.Fatalf("bytes that were brought an hour before the walk are gone: %v", err)
	}
	r.Close()
}
