//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"switchboard/channels/email/fakesmtp"
)

// chaosCount is what the books and the other sides hold in the end, beside what
// was sent.
type chaosCount struct {
	sent, acked, times int
	byDoor             map[string]int
	states             map[string]int // of the ledger
	tickets, entries   int
	lost, doubled      int
	wrong              int // conversations that are on more than one ticket, or share one
	empty              int
	answers, delivered int
	twice              map[string]int // answers the other side has more than once, by source
	leaked             int            // notes that left
	stuck              map[string]int // answers in a state that is no end
}

// entry is one row of messages.
type entry struct {
	id, ticket, direction, source, raw, body, state, failure string
	public                                                   bool
}

// settled waits until nothing is open: no mail unread, no receipt accepted, no
// answer on its way. A mail counts as acknowledged when it lies in its mailbox,
// so that of the last moment is still to be fetched when peace comes.
func (c *chaos) settled(ctx context.Context) error {
	var mails []string
	for _, m := range c.traffic.messages() {
		if m.digest != "" && m.acked.Load() != 0 {
			mails = append(mails, m.digest)
		}
	}
	unread := len(mails) // as far as the books have told
	for n := 0; ; n++ {
		var open, going int
		var which string
		err := c.books.QueryRow(ctx, `SELECT (SELECT count(*) FROM ledger WHERE state = 'accepted'),
			(SELECT count(*) FROM messages WHERE send_state IN ('queued', 'sending', 'unknown')),
			(SELECT coalesce(string_agg(id || ' ' || source || ' ' || attempts || ' ' || reason, '; '), '') FROM (SELECT * FROM ledger WHERE state = 'accepted' ORDER BY id LIMIT 5) x)
			|| (SELECT coalesce(string_agg(id || ' ' || source || ' ' || send_state || ' ' || send_tries || ' ' || send_error, '; '), '')
				FROM (SELECT * FROM messages WHERE send_state IN ('queued', 'sending', 'unknown') ORDER BY id LIMIT 5) x)`).Scan(&open, &going, &which)
		if err == nil && open == 0 && going == 0 {
			err = c.books.QueryRow(ctx, `SELECT count(*) FROM unnest($1::text[]) AS d WHERE d NOT IN (SELECT raw_digest FROM ledger)`, mails).Scan(&unread)
			if err == nil && unread == 0 {
				return nil
			}
		}
		if n%50 == 0 {
			c.note("settling", "", fmt.Sprintf("%d mails, %d receipts, %d answers: %s", unread, open, going, which))
		}
		if !chaosWait(ctx, 100*time.Millisecond) {
			return fmt.Errorf("%d mails are unread, %d receipts are open and %d answers on their way (%v): %s", unread, open, going, err, which)
		}
	}
}

// count compares what was sent with the books and with the other sides.
func (c *chaos) count(ctx context.Context) (*chaosCount, error) {
	n := &chaosCount{byDoor: map[string]int{}, states: map[string]int{}, twice: map[string]int{}, stuck: map[string]int{}}
	if err := c.countLedger(ctx, n); err != nil {
		return nil, err
	}
	entries, err := c.entries(ctx)
	if err != nil {
		return nil, err
	}
	n.entries = len(entries)
	if err := c.countTickets(ctx, n, entries); err != nil {
		return nil, err
	}
	c.countMessages(n, entries)
	c.countAnswers(n, entries)
	return n, c.countPeople(ctx)
}

func (c *chaos) countLedger(ctx context.Context, n *chaosCount) error {
	rows, err := c.books.Query(ctx, `SELECT state, count(*) FROM ledger GROUP BY state`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var many int
		if err := rows.Scan(&state, &many); err != nil {
			return err
		}
		n.states[state] = many
	}
	if err := rows.Err(); err != nil {
		return err
	}
	bad, err := c.books.Query(ctx, `SELECT id, source, external_id, state, attempts, reason FROM ledger WHERE state IN ('failed', 'held', 'accepted') LIMIT 20`)
	if err != nil {
		return err
	}
	defer bad.Close()
	for bad.Next() {
		var id, source, external, state, reason string
		var attempts int
		if err := bad.Scan(&id, &source, &external, &state, &attempts, &reason); err != nil {
			return err
		}
		c.fail("receipt %s of %s (%s) is %s after %d attempts: %s", id, source, external, state, attempts, reason)
	}
	return bad.Err()
}

func (c *chaos) entries(ctx context.Context) ([]entry, error) {
	rows, err := c.books.Query(ctx, `SELECT id, ticket_id, direction, source, raw_digest, body, send_state, send_error, public FROM messages`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.id, &e.ticket, &e.direction, &e.source, &e.raw, &e.body, &e.state, &e.failure, &e.public); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// countTickets: none is empty, and each counts right.
func (c *chaos) countTickets(ctx context.Context, n *chaosCount, entries []entry) error {
	of := map[string]int{}
	for _, e := range entries {
		of[e.ticket]++
	}
	rows, err := c.books.Query(ctx, `SELECT id, number, message_count FROM tickets`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var number int64
		var says int
		if err := rows.Scan(&id, &number, &says); err != nil {
			return err
		}
		n.tickets++
		if of[id] == 0 {
			n.empty++
		}
		if of[id] == 0 || of[id] != says {
			c.fail("ticket %d says it has %d messages and has %d", number, says, of[id])
		}
		delete(of, id)
	}
	for id, many := range of {
		c.fail("%d messages are on ticket %s, which is not there", many, id)
	}
	return rows.Err()
}

var chaosWord = regexp.MustCompile(`word\d+x\d+x\d+`)

// countMessages: what was acknowledged is one entry, what was not is at most
// one, and a conversation is one ticket with nothing else on it.
func (c *chaos) countMessages(n *chaosCount, entries []entry) {
	found := map[string][]entry{}
	inbound := map[string]int{} // of a ticket
	for _, e := range entries {
		if e.direction != "INBOUND" {
			continue
		}
		inbound[e.ticket]++
		if word := chaosWord.FindString(e.body); word != "" {
			found[word] = append(found[word], e)
		} else {
			found[e.raw] = append(found[e.raw], e)
		}
	}
	talks, members := map[int]map[string]int{}, map[int]int{}
	for _, m := range c.traffic.messages() {
		n.sent++
		n.times += m.times
		n.byDoor[m.door]++
		acked := m.acked.Load() > 0
		if acked {
			n.acked++
		}
		if m.copied { // the same mail to our other address
			continue
		}
		have := found[m.token]
		switch {
		case m.auto:
			if len(have) > 0 {
				n.doubled++
				c.fail("the automatic mail %s became an entry", m.id)
			}
			continue
		case len(have) == 0 && acked:
			n.lost++
			c.fail("LOST: %s message %s (%s), acknowledged at %s", m.door, m.token, m.id, time.Unix(0, m.acked.Load()).UTC().Format("15:04:05.000"))
		case len(have) > 1:
			n.doubled++
			c.fail("DOUBLED: %s message %s (%s) is %d entries: %s", m.door, m.token, m.id, len(have), ids(have))
		}
		if len(have) > 0 {
			if talks[m.talk] == nil {
				talks[m.talk] = map[string]int{}
			}
			talks[m.talk][have[0].ticket]++
			members[m.talk]++
		}
	}
	for talk, tickets := range talks {
		good := len(tickets) == 1
		for id := range tickets {
			good = good && inbound[id] == members[talk]
		}
		if !good {
			n.wrong++
			c.fail("conversation %d of %d messages is on %d tickets: %v, with %v customers' messages on them", talk, members[talk], len(tickets), tickets,
				slices.Collect(func(yield func(int) bool) {
					for id := range tickets {
						if !yield(inbound[id]) {
							return
						}
					}
				}))
		}
	}
}

func ids(list []entry) string {
	var out []string
	for _, e := range list {
		out = append(out, e.id+" on "+e.ticket)
	}
	return strings.Join(out, ", ")
}

// countPeople: a handle is one customer, and every ticket took a turn of its own
// of its team.
func (c *chaos) countPeople(ctx context.Context) error {
	rows, err := c.books.Query(ctx, `SELECT team_id, agent_id, count(*) FROM tickets GROUP BY team_id, agent_id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	turns, least, most := 0, 1<<30, 0
	for rows.Next() {
		var team, agent string
		var n int
		if err := rows.Scan(&team, &agent, &n); err != nil {
			return err
		}
		if team != "support" || agent == "" {
			c.fail("%d tickets are %q's of team %q", n, agent, team)
		}
		turns, least, most = turns+n, min(least, n), max(most, n)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var taken int
	if err := c.books.QueryRow(ctx, `SELECT n FROM turns WHERE team_id = 'support'`).Scan(&taken); err != nil {
		return err
	}
	// A filing that fails after it took its turn leaves the turn out; none is given
	// twice.
	if taken < turns || most-least > 1+taken-turns {
		c.fail("%d turns were taken for %d tickets; an agent has %d to %d", taken, turns, least, most)
	}
	var twice int
	var who string
	err = c.books.QueryRow(ctx, `SELECT count(*), coalesce(min(email), '') FROM (SELECT email FROM customers
		WHERE email <> '' AND merged_into = '' GROUP BY email HAVING count(*) > 1) x`).Scan(&twice, &who)
	if err == nil && twice > 0 {
		c.fail("%d people are more than one customer, such as %s", twice, who)
	}
	return err
}

var chaosAnswer = regexp.MustCompile(`answer\d+x\d+`)

// arrived counts, by its word, how often the other sides have each answer, and
// what tells two copies of a mail apart.
func (c *chaos) arrived() (times map[string]int, mails map[string]map[string]bool) {
	times, mails = map[string]int{}, map[string]map[string]bool{}
	for _, m := range c.slack.Posts() {
		times[chaosAnswer.FindString(m.Text)]++
	}
	for _, s := range c.teams.Sent() {
		if s.Method == "POST" {
			times[chaosAnswer.FindString(s.Text())]++
		}
	}
	for _, s := range c.chat.Sent() {
		times[chaosAnswer.FindString(s.Text)]++
	}
	for _, m := range c.post.Mails() {
		word := chaosAnswer.FindString(string(m.Data))
		times[word]++
		if mails[word] == nil {
			mails[word] = map[string]bool{}
		}
		mails[word][messageID(m)] = true
	}
	return times, mails
}

func messageID(m fakesmtp.Mail) string {
	read, err := mail.ReadMessage(strings.NewReader(string(m.Data)))
	if err != nil {
		return err.Error()
	}
	return read.Header.Get("Message-Id")
}

// countAnswers: an answer is one entry and left once. Where the other side lets
// us see whether it has one (Slack), or takes one only once (our own chat), it
// has it once; elsewhere an answer that was cut off may be there twice, and a
// mail then has the same Message-ID, by which mail programs show it once.
func (c *chaos) countAnswers(n *chaosCount, entries []entry) {
	rows := map[string][]entry{}
	for _, e := range entries {
		if e.direction != "INBOUND" {
			rows[chaosAnswer.FindString(e.body)] = append(rows[chaosAnswer.FindString(e.body)], e)
		}
	}
	times, mails := c.arrived()
	for _, k := range c.traffic.comments {
		n.answers++
		have, there := rows[k.token], times[k.token]
		if len(have) != 1 && (k.acked.Load() || len(have) > 1) {
			c.fail("the comment %s on %s is %d entries", k.token, k.source, len(have))
			continue
		}
		if len(have) == 0 {
			continue
		}
		e := have[0]
		switch {
		case !k.public:
			if there > 0 {
				n.leaked++
				c.fail("the internal note %s on a ticket of %s left", k.token, k.source)
			}
		case e.state != "sent":
			n.stuck[e.state]++
			c.fail("the answer %s on a ticket of %s is %q: %s", k.token, k.source, e.state, e.failure)
		case there == 0:
			c.fail("the answer %s on a ticket of %s is sent, and nobody has it", k.token, k.source)
		default:
			n.delivered++
			if there > 1 {
				n.twice[k.source]++
			}
			if there > 1 && (k.source == "acme-slack" || k.source == "shop") {
				c.fail("the answer %s stands %d times at %s", k.token, there, k.source)
			}
			if len(mails[k.token]) > 1 {
				c.fail("the answer %s was mailed as %v", k.token, slices.Sorted(maps.Keys(mails[k.token])))
			}
		}
	}
	for _, p := range c.teams.Problems() {
		c.fail("Microsoft complains: %s", p)
	}
}

// audit asks the product itself. The clocks were up to two minutes wrong, and
// nothing is on its way any more.
func (c *chaos) audit(ctx context.Context) (verdict string) {
	out, err := c.command(ctx, c.roles[0].bin, "audit", "--acknowledged", c.in("acknowledged.jsonl"), "--digest", "--grace", "0s", "--strict", "--skew", "5m", "--show", "20")
	_ = os.WriteFile(c.in("audit.txt"), []byte(out), 0o600)
	if err != nil {
		c.fail("audit: %v\n%s", err, out)
	}
	return lastLines(out, 1)
}

var goroutineCount = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)

// goroutines asks every process how many it has; the largest counts.
func (c *chaos) goroutines(ctx context.Context) (most int, of string, err error) {
	for _, r := range c.roles {
		status, text, ask := r.get(ctx, "/metrics")
		m := goroutineCount.FindStringSubmatch(text)
		if ask != nil || m == nil {
			err = errors.Join(err, fmt.Errorf("%s: metrics: %d %v", r.name, status, ask))
			continue
		}
		if n, _ := strconv.Atoi(m[1]); n > most {
			most, of = n, r.name
		}
	}
	return most, of, err
}

// left lists processes of the fleet that still run.
func (c *chaos) left() (list []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, l := range links {
		if exe, err := os.Readlink(l); err == nil && (exe == c.binNow || exe == c.binNext) {
			list = append(list, filepath.Base(filepath.Dir(l)))
		}
	}
	return list
}

// chaosBadLine is what no log may hold; readLogs looks for it, and counts who met
// the full disk.
var chaosBadLine = regexp.MustCompile(`(?m)^.*(^panic: |^fatal error: |DATA RACE|a hook panicked|a deadlock, which).*$`)

func (c *chaos) readLogs() (full, waited int) {
	for _, r := range c.roles {
		log, err := os.ReadFile(r.log())
		if err != nil {
			c.fail("%v", err)
		}
		for _, bad := range chaosBadLine.FindAll(log, 5) {
			c.fail("%s logged: %s", r.name, bad)
		}
		full += bytes.Count(log, []byte("no space left on device"))
		waited += bytes.Count(log, []byte(`msg="PostgreSQL answers"`))
	}
	if full == 0 && c.faults["full disk"] > 0 {
		c.fail("the disk was full and nobody noticed")
	}
	return full, waited
}
