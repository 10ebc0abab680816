package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// What is replayed since or until a time goes by the clock of the books, as the times in
// them do: on a machine whose own is wrong others would be meant.
func TestReplayGoesByTheBooksClock(t *testing.T) {
	l := live(t, dropRule)
	r := l.mail(fmt.Sprintf(newsletter, 1), nil)
	l.later.Store(int64(time.Hour)) // this machine is an hour behind the books
	var out bytes.Buffer
	if err := (&replayCmd{State: "dropped", Until: "10m", DryRun: true}).on(t.Context(), l.house, streams{out: &out}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), string(r.ID)) {
		t.Errorf("what came an hour ago is no more than 10 minutes old:\n%s", out.String())
	}
}

// Somebody of the fleet may be faster than a replay that reads again: what he settled
// stays, and the others are read and run.
func TestReplayBesideWhoIsFaster(t *testing.T) {
	l := live(t, dropRule)
	dropped := l.mail(fmt.Sprintf(newsletter, 1), nil)
	filed := l.mail(strings.ReplaceAll(fmt.Sprintf(newsletter, 2), "per cent", "pounds"), nil)
	if dropped.State != desk.Dropped || filed.State != desk.Filed {
		t.Fatal(dropped.State, filed.State)
	}
	l.write("")
	l.reload(nil)
	if _, err := l.store.Reopen(t.Context(), desk.ReceiptFilter{IDs: []desk.ReceiptID{dropped.ID}}, l.now()); err != nil {
		t.Fatal(err)
	}
	if err := l.again(t.Context(), []desk.ReceiptID{filed.ID, dropped.ID}, true); err != nil {
		t.Error(err)
	}
	if r := l.receipt(dropped.ID); r.State != desk.Filed {
		t.Errorf("it is %s: %s", r.State, r.Reason)
	}
}
