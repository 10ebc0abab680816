package fakeslack

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The methods; the lock is held.

func (f *Fake) authTest(args) reply {
	return yes(object{"team_id": f.o.TeamID, "user_id": BotUser, "bot_id": BotID, "team": "Acme", "user": "switchboard", "url": f.base + "/"})
}

// mayWrite says why the app may not write in a channel.
func (f *Fake) mayWrite(id string) string {
	if strings.HasPrefix(id, "D") {
		return ""
	}
	switch c, ok := f.channels[id]; {
	case !ok:
		return "channel_not_found"
	case c.Archived:
		return "is_archived"
	case c.Alone:
		return "not_in_channel"
	}
	return ""
}

// maxText is where Slack cuts a text.
const maxText = 40000

func (f *Fake) postMessage(a args) reply {
	channel := a.Get("channel")
	if strings.HasPrefix(channel, "U") {
		if _, ok := f.users[channel]; !ok {
			return no("channel_not_found")
		}
		channel = "D" + channel[1:]
	}
	if why := f.mayWrite(channel); why != "" {
		return no(why)
	}
	if strings.TrimSpace(a.Get("text")) == "" {
		return no("no_text")
	}
	if !utf8.ValidString(a.Get("text")) {
		return no("invalid_charset")
	}
	m := Message{Channel: channel, User: BotUser, BotID: BotID, Text: a.Get("text")}
	if r := []rune(m.Text); len(r) > maxText {
		m.Text = string(r[:maxText])
	}
	if raw := a.Get("metadata"); raw != "" {
		if json.Unmarshal([]byte(raw), &m.Metadata) != nil || m.Metadata["event_type"] == "" {
			return no("invalid_metadata_format")
		}
	}
	if secs := f.tooFast(channel); secs != "" {
		return limited(secs)
	}
	if root := f.message(channel, a.Get("thread_ts")); root != nil { // else the thread is gone
		m.ThreadTS = a.Get("thread_ts")
	}
	kept := f.add(m)
	f.echo(kept)
	return yes(object{"channel": channel, "ts": kept.TS, "message": f.shape(kept, true)})
}

// tooFast keeps the app to one message a channel in the time set.
func (f *Fake) tooFast(channel string) string {
	now := f.o.Now()
	if last, ok := f.lastPost[channel]; ok && f.o.PostEvery > 0 && now.Sub(last) < f.o.PostEvery {
		return strconv.Itoa(max(1, int(f.o.PostEvery/time.Second)))
	}
	f.lastPost[channel] = now
	return ""
}

// echo tells the app of its own message.
func (f *Fake) echo(m *Message) {
	if !f.o.Echo || f.app == "" {
		return
	}
	inner := f.eventShape(m)
	f.wg.Go(func() { f.Event(f.ctx, inner) })
}

func (f *Fake) ownMessage(a args) (*Message, reply) {
	m := f.message(a.Get("channel"), a.Get("ts"))
	if m == nil {
		return nil, no("message_not_found")
	}
	if m.BotID != BotID {
		return nil, no("cant_update_message")
	}
	return m, reply{}
}

func (f *Fake) updateMessage(a args) reply {
	m, r := f.ownMessage(a)
	if m == nil {
		return r
	}
	if strings.TrimSpace(a.Get("text")) == "" {
		return no("no_text")
	}
	m.Text, m.Edited = a.Get("text"), f.ts()
	f.touch()
	return yes(object{"channel": m.Channel, "ts": m.TS, "text": m.Text, "message": f.shape(m, true)})
}

func (f *Fake) deleteMessage(a args) reply {
	m, r := f.ownMessage(a)
	if m == nil {
		return r
	}
	f.remove(m)
	f.touch()
	return yes(object{"channel": m.Channel, "ts": m.TS})
}

func (f *Fake) replies(a args) reply {
	root := f.message(a.Get("channel"), a.Get("ts"))
	if why := f.mayRead(a.Get("channel")); why != "" {
		return no(why)
	}
	if root == nil {
		return no("thread_not_found")
	}
	var out []*Message
	for _, m := range f.messages {
		if m == root || m.Channel == root.Channel && m.ThreadTS == root.TS && within(m, a) {
			out = append(out, m)
		}
	}
	return f.page(out, a)
}

func (f *Fake) history(a args) reply {
	if why := f.mayRead(a.Get("channel")); why != "" {
		return no(why)
	}
	var out []*Message
	for _, m := range f.messages {
		if m.Channel == a.Get("channel") && (m.ThreadTS == "" || m.ThreadTS == m.TS) && within(m, a) {
			out = append([]*Message{m}, out...)
		}
	}
	return f.page(out, a)
}

func (f *Fake) mayRead(id string) string {
	if c, ok := f.channels[id]; !strings.HasPrefix(id, "D") && (!ok || c.Alone) {
		return map[bool]string{true: "not_in_channel", false: "channel_not_found"}[ok]
	}
	return ""
}

// within applies oldest and latest, inclusive or not.
func within(m *Message, a args) bool {
	inclusive := a.Get("inclusive") == "true" || a.Get("inclusive") == "1"
	ts, _ := strconv.ParseFloat(m.TS, 64)
	if o := a.Get("oldest"); o != "" {
		if x, _ := strconv.ParseFloat(o, 64); ts < x || ts == x && !inclusive {
			return false
		}
	}
	if l := a.Get("latest"); l != "" {
		if x, _ := strconv.ParseFloat(l, 64); ts > x || ts == x && !inclusive {
			return false
		}
	}
	return true
}

func (f *Fake) page(all []*Message, a args) reply {
	limit, _ := strconv.Atoi(a.Get("limit"))
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	from, _ := strconv.Atoi(strings.TrimPrefix(a.Get("cursor"), "next:"))
	from = min(max(from, 0), len(all))
	to := min(from+limit, len(all))
	metadata := a.Get("include_all_metadata") == "true" || a.Get("include_all_metadata") == "1"
	list := []any{}
	for _, m := range all[from:to] {
		s := f.shape(m, metadata)
		delete(s, "channel") // Slack leaves it out here
		list = append(list, s)
	}
	next := ""
	if to < len(all) {
		next = "next:" + strconv.Itoa(to)
	}
	return yes(object{"messages": list, "has_more": next != "", "response_metadata": object{"next_cursor": next}})
}

func (f *Fake) info(a args) reply {
	c, ok := f.channels[a.Get("channel")]
	if !ok {
		return no("channel_not_found")
	}
	return yes(object{"channel": object{"id": c.ID, "name": c.Name, "is_channel": true, "is_archived": c.Archived, "is_ext_shared": c.Shared, "is_member": !c.Alone}})
}

func (f *Fake) openDirect(a args) reply {
	if _, ok := f.users[a.Get("users")]; !ok {
		return no("user_not_found")
	}
	return yes(object{"channel": object{"id": "D" + a.Get("users")[1:]}})
}

func (f *Fake) userByEmail(a args) reply {
	for _, u := range f.users {
		if u.Team == f.o.TeamID && u.Email != "" && strings.EqualFold(u.Email, a.Get("email")) {
			return yes(object{"user": f.userShape(u)})
		}
	}
	return no("users_not_found")
}

func (f *Fake) userInfo(a args) reply {
	u, ok := f.users[a.Get("user")]
	if !ok {
		return no("user_not_found")
	}
	return yes(object{"user": f.userShape(u)})
}
