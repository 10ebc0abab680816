package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// canaryDoors are the sources of the demo, one for each channel and one more
// mailbox.
var canaryDoors = []string{"acme-slack", "api", "billing", "site", "support", "teams", "telegram"}

// flying opens the demo's house with canaries.
func flying(t *testing.T, section string) *street {
	t.Helper()
	s := openStreetOn(t, string(demoConfig)+"\ncanary: "+section+"\n")
	s.run()
	return s
}

// metric reads one metric of GET /metrics by source.
func (l *lived) metric(name string) map[string]float64 {
	l.t.Helper()
	resp, err := http.Get(l.url + "/metrics")
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		l.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^`+name+`\{source="([^"]+)"\} (\S+)$`).FindAllStringSubmatch(b.String(), -1) {
		if out[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			l.t.Fatal(err)
		}
	}
	return out
}

// TestCanaries: through every door of a whole house a canary comes home again and
// again, is a metric, and leaves nothing: no ticket, no customer, no mail, no row
// and no blob.
func TestCanaries(t *testing.T) {
	s := openStreetOn(t, string(demoConfig)+"\ncanary: { every: 8s, timeout: 8s, keep: 0s }\n")
	s.config.First().Canary.Timeout = scriptPatience // none fails because the machine is slow
	s.run()
	first := map[string]time.Time{}
	s.until(func() string {
		all, err := s.store.Canaries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		missing := slices.Clone(canaryDoors)
		for _, c := range all {
			if first[c.Source].IsZero() {
				first[c.Source] = c.HeardAt
			}
			if c.HeardAt.After(first[c.Source]) { // its second
				missing = slices.DeleteFunc(missing, func(name string) bool { return name == c.Source })
			}
		}
		if len(missing) > 0 {
			return fmt.Sprintf("no second canary of %v", missing)
		}
		return ""
	})
	var ages map[string]float64
	s.until(func() string { // asked of the books once a second
		ages = s.metric("switchboard_canary_age_seconds")
		if got := slices.Sorted(maps.Keys(ages)); !slices.Equal(got, canaryDoors) {
			return fmt.Sprintf("ages of %v", got)
		}
		return ""
	})
	failures := s.metric("switchboard_canary_failures_total")
	if got := slices.Sorted(maps.Keys(failures)); !slices.Equal(got, canaryDoors) {
		t.Errorf("failures of %v", got)
	}
	shown, documented := s.families(), documented(t)
	for _, name := range []string{"switchboard_canary_age_seconds", "switchboard_canary_failures_total"} {
		if f, d := shown[name], documented[name]; f.kind != d.kind || !slices.Equal(f.labels, d.labels) {
			t.Errorf("%s is a %s with %v, docs/metrics.md says a %s with %v", name, f.kind, f.labels, d.kind, d.labels)
		}
	}
	for name := range ages {
		if ages[name] > scriptPatience.Seconds() || failures[name] > 0 {
			t.Errorf("%s: %.1f s old, %v failures", name, ages[name], failures[name])
		}
	}
	if tickets, _, err := s.store.Tickets(t.Context(), desk.TicketFilter{Limit: 10}); err != nil || len(tickets) > 0 {
		t.Errorf("%d tickets, %v", len(tickets), err)
	}
	rows, err := s.store.ReceiptList(t.Context(), desk.ReceiptFilter{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.State != desk.Accepted && (r.State != desk.Dropped || r.Reason != "canary" || r.MessageID != "") {
			t.Errorf("a row of %s is %s: %q", r.Source, r.State, r.Reason)
		}
	}
}

// TestCanariesLeaveNothing: when no more are sent, none are left.
func TestCanariesLeaveNothing(t *testing.T) {
	s := openStreetOn(t, string(demoConfig)+"\ncanary: { every: 24h, timeout: 3m, keep: 0s }\n")
	s.run()
	s.until(func() string {
		all, err := s.store.Canaries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		heard := 0
		for _, c := range all {
			if !c.HeardAt.IsZero() {
				heard++
			}
		}
		if heard < len(canaryDoors) {
			return fmt.Sprintf("%d canaries came home", heard)
		}
		return ""
	})
	s.until(func() string {
		if n := len(s.box("support@desk.example")) + len(s.box("billing@desk.example")); n > 0 {
			return fmt.Sprintf("%d mails lie in the mailboxes", n)
		}
		return ""
	})
	// What the next round will do.
	s.later.Add(int64(time.Second))
	raw, _, err := s.store.ForgetCanaries(t.Context(), s.now().Add(time.Minute), 100)
	if err != nil || len(raw) > 2 { // fewer where the first round came late
		t.Fatalf("%d raw messages left behind, %v", len(raw), err)
	}
	for _, ref := range raw {
		if err := s.blobs.Remove(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if receipts, tickets, messages := s.kept(); receipts+tickets+messages > 0 {
		t.Errorf("%d receipts, %d tickets, %d messages are left", receipts, tickets, messages)
	}
	err = filepath.WalkDir(filepath.Join(s.place.Data, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			text, _ := os.ReadFile(path)
			t.Errorf("a blob is left: %.200s", text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// box lists the Message-IDs in a mailbox.
func (s *street) box(user string) (ids []string) {
	s.t.Helper()
	c, err := imapclient.DialInsecure(s.mailbox.addr, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(user, s.mailbox.password).Wait(); err != nil {
		s.t.Fatal(err)
	}
	data, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		s.t.Fatal(err)
	}
	if data.NumMessages == 0 {
		return nil
	}
	all := imap.SeqSet{}
	all.AddRange(1, data.NumMessages)
	mails, err := c.Fetch(all, &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range mails {
		if m.Envelope != nil { // else it was taken away meanwhile
			ids = append(ids, m.Envelope.MessageID)
		}
	}
	return ids
}

// TestForgedCanaries: what looks like a canary and is none of this house, or of
// another source, is a message like any other, through every door.
func TestForgedCanaries(t *testing.T) {
	s := flying(t, "{ every: 24h, timeout: 3m, keep: 1h }")
	forged := desk.NewCanary([]byte("not the secret of this house"), "x", time.Now())
	stolen := desk.NewCanary(s.secret, "somewhere-else", time.Now())
	for i, text := range []string{forged, stolen} {
		tr := demoTraffic{s.demoDoors, s.url, ""}
		if _, d := s.slack.Say(t.Context(), slackMessage("", text)); !d.OK {
			t.Fatal("Slack was not heard")
		}
		gina := s.teams.Person("Gina Green", "gina@oscorp.example")
		if err := tr.toTeams(t.Context(), s.teams.Message(s.teams.Channel(), gina, text)); err != nil {
			t.Fatal(err)
		}
		tg := newTelegramSide(s).(*telegramSide)
		tg.send("message", tg.message(int64(100+i), text))
		mail := "From: eve@example.org\r\nTo: support@desk.example\r\nSubject: x\r\nMessage-ID: <" + text + "@canary.invalid>\r\n\r\n" + text + "\r\n"
		if err := s.mailbox.deliver("support@desk.example", []byte(mail)); err != nil {
			t.Fatal(err)
		}
		body, _ := json.Marshal(map[string]string{"title": "Canary", "description": text})
		s.ask(s.key, "POST", "/v1/tickets", string(body)).want(t, 201)
		s.forgedForm(text)
	}
	s.until(func() string {
		tickets, _, err := s.store.Tickets(t.Context(), desk.TicketFilter{Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]int{}
		for _, x := range tickets {
			for _, m := range s.said(x) {
				if strings.Contains(m.Text, "switchboard-canary-") || x.Source == "site" {
					told[x.Source]++
				}
			}
		}
		for _, name := range []string{"acme-slack", "teams", "telegram", "support", "api", "site"} {
			if told[name] < 2 {
				return fmt.Sprintf("of two forged canaries through each door came %v", told)
			}
		}
		return ""
	})
	// The tidying leaves what it cannot prove to be ours.
	adapter := s.opened.opened["support"].(channels.Tidier)
	if err := adapter.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := s.box("support@desk.example"); len(left) < 2 || !slices.ContainsFunc(left, func(id string) bool { return strings.Contains(id, forged) }) ||
		!slices.ContainsFunc(left, func(id string) bool { return strings.Contains(id, stolen) }) {
		t.Errorf("the mailbox holds %q", left)
	}
	// The key of the house's own canaries is not one a stranger can make.
	s.ask("sb_"+strings.Repeat("0", 64), "POST", "/v1/tickets", `{"title":"x"}`).want(t, 401)
}

// forgedForm sends the form with a forged canary in the header.
func (s *street) forgedForm(text string) {
	s.t.Helper()
	var form struct {
		Token string `json:"token"`
	}
	at := s.url + "/forms/site/contact.json"
	if err := exchange(s.t.Context(), http.MethodGet, at, nil, http.StatusOK, &form); err != nil {
		s.t.Fatal(err)
	}
	body, _ := json.Marshal(map[string]any{"token": form.Token, "values": map[string]string{"name": "Eve", "email": "eve@example.org", "subject": "x", "message": "My lamp is broken"}})
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(channels.CanaryHeader, text)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted || resp.Header.Get("Location") == "" {
		s.t.Fatalf("the form answers %s", resp.Status)
	}
}

// TestCanaryFails: a house that stops filing is seen by it.
func TestCanaryFails(t *testing.T) {
	l := live(t, "canary: { every: 400ms, timeout: 200ms }\n")
	l.answer() // and nobody works
	deadline := time.Now().Add(scriptPatience)
	for l.metric("switchboard_canary_failures_total")["api"] < 2 || l.metric("switchboard_canary_age_seconds")["api"] < 1 {
		if time.Now().After(deadline) {
			t.Fatal("no failure is counted, or canaries that never came do not age")
		}
	}
}
