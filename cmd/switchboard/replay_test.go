package main

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"switchboard/pipeline/desk"
)

const newsletter = `From: News <news@shop.example>
To: support@desk.example
Subject: Ten per cent off
Message-ID: <off.%d@shop.example>
Date: Mon, 2 Mar 2026 09:00:00 +0100
Content-Type: text/plain

Everything must go.
`

const dropRule = `rules:
  - { name: newsletters, when: 'subject contains "per cent"', then: { drop: a newsletter } }
`

// TestReplayDropped: what a rule dropped comes back when the rule is gone, and
// stays dropped while it is there.
func TestReplayDropped(t *testing.T) {
	dir := t.TempDir()
	l := liveIn(t, dir, dropRule)
	r := l.mail(fmt.Sprintf(newsletter, 1), nil)
	if r.State != desk.Dropped || !strings.Contains(r.Reason, "a newsletter") {
		t.Fatalf("%s: %s", r.State, r.Reason)
	}
	l.close()
	replay := func(more ...string) string {
		t.Helper()
		code, out, err := command(t, nil, append([]string{"replay", "--config", l.place.Config, "--data", l.place.Data}, more...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, err)
		}
		return out
	}
	id := string(r.ID)
	if out := replay(id); out != id+" dropped "+r.Reason+"\n1 messages replayed: 1 dropped\n" {
		t.Error(out)
	}
	l.write("")
	if out := replay(strings.ToLower(id)); out != id+" filed\n1 messages replayed: 1 filed\n" {
		t.Error(out)
	}
	if out := replay(id); out != id+" not replayed, stays filed\n0 messages replayed\n" {
		t.Error(out)
	}
	if out := replay("--state", "dropped"); out != "0 messages replayed\n" {
		t.Error(out)
	}
	code, out, err := command(t, nil, "replay", id, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", "--config", l.place.Config, "--data", l.place.Data)
	if code != 1 || out != "" || !strings.Contains(err, "there is no receipt 01ARZ3NDEKTSV4RRFFQ69G5FAV") || !strings.Contains(err, "there is no receipt nonsense") {
		t.Errorf("exit code %d\n%s%s", code, out, err)
	}
	code, out, err = command(t, nil, "explain", id, "--config", l.place.Config, "--data", l.place.Data)
	if code != 0 || !strings.HasPrefix(out, "receipt "+id+" from support: filed\n") {
		t.Errorf("exit code %d\n%s%s", code, out, err)
	}
}

// TestReplayFailed: a failed message is filed by a replay; with --parse it is
// read again from its raw bytes first, and keeps its identity.
func TestReplayFailed(t *testing.T) {
	dir := t.TempDir()
	l := liveIn(t, dir, dropRule)
	older := func(d *desk.Draft) {
		d.Text, d.Subject = "as an older reader read it, ten per cent", "An older subject"
	}
	var ids []string
	for n := range 2 {
		// Dropped by the rule, then failed by hand, as a bug would have.
		r := l.mail(fmt.Sprintf(newsletter, n), func(d *desk.Draft) { older(d); d.Subject += " per cent" })
		if r.State != desk.Dropped {
			t.Fatal(r.State)
		}
		if _, err := l.store.Reopen(t.Context(), desk.ReceiptFilter{IDs: []desk.ReceiptID{r.ID}}, l.now()); err != nil {
			t.Fatal(err)
		}
		if err := l.store.Fail(t.Context(), r.ID, "a bug", l.now()); err != nil {
			t.Fatal(err)
		}
		if got := l.receipt(r.ID); got.State != desk.Failed || got.Reason != "a bug" {
			t.Fatalf("%s: %s", got.State, got.Reason)
		}
		ids = append(ids, string(r.ID))
	}
	l.close()
	l.write("")
	where := []string{"--config", l.place.Config, "--data", l.place.Data}
	if code, out, err := command(t, nil, append([]string{"replay", ids[0]}, where...)...); code != 0 || !strings.HasPrefix(out, ids[0]+" filed\n") {
		t.Fatalf("exit code %d\n%s%s", code, out, err)
	}
	if code, out, err := command(t, nil, append([]string{"replay", "--state", "failed", "--parse"}, where...)...); code != 0 || out != ids[1]+" filed\n1 messages replayed: 1 filed\n" {
		t.Fatalf("exit code %d\n%s%s", code, out, err)
	}
	l = liveIn(t, dir, "")
	defer l.close()
	for i, want := range []string{"as an older reader read it, ten per cent", "Everything must go."} {
		r := l.receipt(desk.ReceiptID(ids[i]))
		tk, err := l.store.Ticket(t.Context(), string(r.TicketID))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(tk.Description) != want {
			t.Errorf("ticket %d says %q, want %q", tk.Number, tk.Description, want)
		}
		if r.ExternalID != fmt.Sprintf("off.%d@shop.example", i) {
			t.Errorf("external ID %s", r.ExternalID)
		}
	}
	// The same mail, coming in once more, is still the same message.
	if r := l.mail(fmt.Sprintf(newsletter, 1), func(d *desk.Draft) { d.Fingerprint = l.receipt(desk.ReceiptID(ids[1])).Fingerprint }); string(r.ID) != ids[1] {
		t.Errorf("it got another receipt, %s", r.ID)
	}
}

// TestReplayMany: a state is replayed as a whole, however many pages it has.
func TestReplayMany(t *testing.T) {
	dir := t.TempDir()
	l := liveIn(t, dir, dropRule)
	const n = desk.MaxPage + 3
	var mails errgroup.Group
	mails.SetLimit(32)
	for i := range n {
		mails.Go(func() error {
			r, err := l.tryMail(fmt.Sprintf(newsletter, i), nil)
			if err == nil && r.State != desk.Dropped {
				err = fmt.Errorf("mail %d is %s", i, r.State)
			}
			return err
		})
	}
	if err := mails.Wait(); err != nil {
		t.Fatal(err)
	}
	l.close()
	for _, c := range []struct{ config, state string }{{dropRule, "dropped"}, {"", "filed"}} {
		l.write(c.config)
		code, out, err := command(t, nil, "replay", "--state", "dropped", "--config", l.place.Config, "--data", l.place.Data)
		if code != 0 || strings.Count(out, " "+c.state) != n+1 || !strings.HasSuffix(out, fmt.Sprintf("\n%d messages replayed: %d %s\n", n, n, c.state)) {
			t.Errorf("exit code %d, %d became %s\n%s", code, strings.Count(out, " "+c.state), c.state, err)
		}
	}
}

// TestReplayWithoutRaw: a mail whose raw bytes are gone cannot be read again: it
// ends as failed and says why, and the others go on.
func TestReplayWithoutRaw(t *testing.T) {
	l := live(t, dropRule)
	whole := l.mail(fmt.Sprintf(newsletter, 2), nil)
	r := l.mail(fmt.Sprintf(newsletter, 1), func(d *desk.Draft) { d.Raw = desk.BlobRef{Digest: strings.Repeat("0", 64), Size: 1} })
	l.write("")
	code, out, err := command(t, nil, "replay", "--parse", "--state", "dropped", "--config", l.place.Config, "--data", l.place.Data)
	if code != 0 || !strings.Contains(out, string(r.ID)+" failed read "+string(r.ID)+" again: ") || !strings.Contains(out, string(whole.ID)+" filed\n") {
		t.Errorf("exit code %d\n%s%s", code, out, err)
	}
	if got := l.receipt(r.ID); got.State != desk.Failed || got.Draft == nil {
		t.Errorf("%+v", got)
	}
	if code, out, err := command(t, nil, "replay", string(r.ID), "--config", l.place.Config, "--data", l.place.Data); code != 0 || !strings.HasPrefix(out, string(r.ID)+" filed\n") {
		t.Errorf("without --parse: exit code %d\n%s%s", code, out, err)
	}
}

// TestReplayDrop: a person can be done with what failed or is held and will never be a
// ticket: it is dropped, with their reason, and waits for nobody any more.
func TestReplayDrop(t *testing.T) {
	l := live(t, dropRule)
	mail := func(n int, kind desk.AutoKind) string {
		return string(l.mail(fmt.Sprintf(newsletter, n), func(d *desk.Draft) { d.Auto.Kind = kind }).ID)
	}
	held, other, dropped := mail(1, desk.AutoUnread), mail(2, desk.AutoUnread), mail(3, "")
	replay := func(want int, more ...string) string {
		t.Helper()
		code, out, err := command(t, nil, append([]string{"replay", "--config", l.place.Config, "--data", l.place.Data}, more...)...)
		if code != want {
			t.Fatalf("%v: exit code %d: %s", more, code, err)
		}
		return out
	}
	if out := replay(0, "--state", "held"); !strings.HasSuffix(out, "2 messages replayed: 2 held\n") {
		t.Error(out)
	}
	if out := replay(0, held, dropped, "--drop", "noise", "--dry-run"); !strings.HasPrefix(out, held+" would be dropped, is held ") ||
		!strings.Contains(out, dropped+" not dropped, stays dropped ") || !strings.HasSuffix(out, "\n1 messages would be dropped\n") {
		t.Error(out)
	}
	if out := replay(0, held, "--drop", "noise"); out != held+" dropped by hand: noise\n1 messages dropped\n" {
		t.Error(out)
	}
	if out := replay(0, "--state", "held", "--drop", "noise"); out != other+" dropped by hand: noise\n1 messages dropped\n" {
		t.Error(out)
	}
	if r := l.receipt(desk.ReceiptID(dropped)); !strings.Contains(r.Reason, "newsletter") {
		t.Error(r.Reason)
	}
	for _, args := range [][]string{{held, "--drop", "x", "--parse"}, {held, "--drop", " "}, {held, "--drop", ""}, {"--state", "dropped", "--drop", "x"}, {"--drop", "x"}} {
		replay(2, args...)
	}
	code, out, err := command(t, nil, "audit", "--config", l.place.Config, "--data", l.place.Data, "--grace", "0s")
	if code != 0 {
		t.Errorf("exit code %d: %s%s", code, out, err)
	}
}

// TestReplayByFilter: which messages are run again can be said by source, reason,
// time and number, tried without effect first; and what is filed is never doubled.
func TestReplayByFilter(t *testing.T) {
	l := live(t, dropRule)
	replay := func(more ...string) string {
		t.Helper()
		code, out, err := command(t, nil, append([]string{"replay", "--config", l.place.Config, "--data", l.place.Data}, more...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, err)
		}
		return out
	}
	var ids []string
	for n := range 4 {
		r := l.mail(fmt.Sprintf(newsletter, n), nil)
		if r.State != desk.Dropped {
			t.Fatal(r.State)
		}
		if n < 2 {
			if _, err := l.store.Reopen(t.Context(), desk.ReceiptFilter{IDs: []desk.ReceiptID{r.ID}}, l.now()); err != nil {
				t.Fatal(err)
			}
			if err := l.store.Fail(t.Context(), r.ID, fmt.Sprintf("100%% broken by Bug_%d", n), l.now()); err != nil {
				t.Fatal(err)
			}
		}
		ids = append(ids, string(r.ID))
	}
	l.write("")
	for _, c := range []struct {
		want int
		args string
	}{
		{2, "--state failed"}, {2, "--state dropped"}, {0, "--state held"},
		{1, "--state failed --reason bug_1"}, {2, "--state failed --reason 100%"}, {0, "--state failed --reason 0%b"}, {0, "--state failed --reason bug__"},
		{2, "--state failed --source support"}, {0, "--state failed --source sales"},
		{2, "--state failed --since 1h"}, {0, "--state failed --until 1h"}, {0, "--state failed --since 2999-01-01"}, {2, "--state failed --until 2999-01-01T00:00:00Z"},
		{1, "--state dropped --limit 1"}, {1, ids[0]}, {2, ids[0] + " " + ids[2]}, {0, ids[0] + " --state dropped"},
	} {
		out := replay(append(strings.Fields(c.args), "--dry-run")...)
		if !strings.HasSuffix(out, fmt.Sprintf("%d messages would be replayed\n", c.want)) || strings.Count(out, " would be replayed, is ") != c.want {
			t.Errorf("%s: %s", c.args, out)
		}
	}
	if receipts, tickets, _ := l.kept(); receipts != 4 || tickets != 0 {
		t.Errorf("a dry run left %d receipts and %d tickets", receipts, tickets)
	}
	if out := replay("--state", "failed", "--reason", "BUG_1"); out != ids[1]+" filed\n1 messages replayed: 1 filed\n" {
		t.Error(out)
	}
	if out := replay("--state", "dropped", "--limit", "1"); out != ids[2]+" filed\n1 messages replayed: 1 filed\n" {
		t.Error(out)
	}
	if out := replay(ids...); !strings.HasSuffix(out, "\n2 messages replayed: 2 filed\n") || strings.Count(out, "not replayed, stays filed") != 2 {
		t.Error(out)
	}
	if out := replay(ids...); !strings.HasSuffix(out, "\n0 messages replayed\n") {
		t.Error(out)
	}
	if receipts, tickets, messages := l.kept(); receipts != 4 || tickets != 4 || messages != 4 {
		t.Errorf("%d receipts, %d tickets, %d messages", receipts, tickets, messages)
	}
	for _, args := range [][]string{{"--source", "support"}, {"--state", "failed", "--limit", "-1"}, {"--state", "filed"}} {
		if code, _, _ := command(t, nil, append([]string{"replay"}, args...)...); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if code, _, err := command(t, nil, "replay", "--state", "failed", "--since", "soon", "--data", l.place.Data); code != 1 || !strings.Contains(err, `"soon" is no time`) {
		t.Errorf("exit code %d: %s", code, err)
	}
}

// TestReplayOvertaken: what the workers file while a replay reads the mails before it
// is theirs; the replay goes on to the next.
func TestReplayOvertaken(t *testing.T) {
	dir := t.TempDir()
	l := liveIn(t, dir, dropRule)
	var ids []desk.ReceiptID
	for n := range 3 {
		ids = append(ids, l.mail(fmt.Sprintf(newsletter, n), func(d *desk.Draft) { d.Text = "as an older reader read it" }).ID)
	}
	l.close()
	l = liveIn(t, dir, "")
	defer l.close()
	if _, err := l.store.Reopen(t.Context(), desk.ReceiptFilter{IDs: ids}, l.now()); err != nil {
		t.Fatal(err)
	}
	if err := l.intake.Process(t.Context(), ids[1:2]); err != nil {
		t.Fatal(err)
	}
	if err := l.again(t.Context(), ids, true); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"Everything must go.", "as an older reader read it", "Everything must go."} {
		r := l.receipt(ids[i])
		m, err := l.store.Message(t.Context(), r.MessageID)
		if err != nil || r.State != desk.Filed || strings.TrimSpace(m.Text) != want {
			t.Errorf("%s: %+v, %v", r.State, m, err)
		}
	}
}
