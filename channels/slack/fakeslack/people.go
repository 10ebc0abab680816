package fakeslack

import (
	"context"
	"encoding/json"
	"net/url"
	"time"
)

// View is a form the app opened.
type View struct {
	ID              string          `json:"id"`
	Type            string          `json:"type"`
	CallbackID      string          `json:"callback_id"`
	PrivateMetadata string          `json:"private_metadata"`
	Title           json.RawMessage `json:"title"`
	Submit          json.RawMessage `json:"submit"`
	Blocks          []Block         `json:"blocks"`
	User            string          `json:"-"`
}

// Block is an input of a form.
type Block struct {
	Type     string `json:"type"`
	BlockID  string `json:"block_id"`
	Optional bool   `json:"optional"`
	Element  struct {
		Type         string `json:"type"`
		ActionID     string `json:"action_id"`
		InitialValue string `json:"initial_value"`
		MaxLength    int    `json:"max_length"`
		Multiline    bool   `json:"multiline"`
	} `json:"element"`
}

// triggerFor is how long a trigger is good.
const triggerFor = 3 * time.Second

// openView opens a form. The lock is held.
func (f *Fake) openView(a args) reply {
	var call struct {
		Trigger string `json:"trigger_id"`
		View    View   `json:"view"`
	}
	if json.Unmarshal(a.body, &call) != nil {
		return no("invalid_arguments")
	}
	at, ok := f.triggers[call.Trigger]
	if !ok {
		return no("invalid_trigger_id")
	}
	delete(f.triggers, call.Trigger) // good once
	if f.o.Now().Sub(at) > triggerFor {
		return no("expired_trigger_id")
	}
	v := call.View
	var title struct{ Text string }
	_ = json.Unmarshal(v.Title, &title)
	if v.Type != "modal" || len(v.Blocks) == 0 || title.Text == "" || len(title.Text) > 24 || len(v.PrivateMetadata) > 3000 || len(v.CallbackID) > 255 {
		return no("invalid_arguments")
	}
	for _, b := range v.Blocks {
		if b.Type == "input" && len([]rune(b.Element.InitialValue)) > max(b.Element.MaxLength, 1) && b.Element.InitialValue != "" {
			return no("invalid_arguments")
		}
	}
	v.ID = f.id("V")
	f.views[v.ID] = &v
	f.opened = append(f.opened, v.ID)
	f.touch()
	return yes(object{"view": object{"id": v.ID, "type": v.Type, "callback_id": v.CallbackID, "private_metadata": v.PrivateMetadata}})
}

// Views are the forms that are open, oldest first.
func (f *Fake) Views() []View {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []View
	for _, id := range f.opened {
		if v, ok := f.views[id]; ok {
			out = append(out, *v)
		}
	}
	return out
}

// trigger makes a trigger. The lock is held.
func (f *Fake) trigger() string {
	t := f.id("trigger.")
	f.triggers[t] = f.o.Now()
	return t
}

// Command uses a slash command and returns what the app answered.
func (f *Fake) Command(ctx context.Context, user, channel, command, text string) (Response, error) {
	f.mu.Lock()
	form := url.Values{"token": {"unused"}, "team_id": {f.users[user].Team}, "team_domain": {"acme"}, "channel_id": {channel},
		"channel_name": {f.channels[channel].Name}, "user_id": {user}, "user_name": {f.users[user].Name}, "command": {command}, "text": {text},
		"api_app_id": {f.o.AppID}, "is_enterprise_install": {"false"}, "response_url": {f.base + "/commands/1"}, "trigger_id": {f.trigger()}}
	f.mu.Unlock()
	return f.request(ctx, "/commands", "application/x-www-form-urlencoded", []byte(form.Encode()), 0, "")
}

// Shortcut uses a shortcut on a message.
func (f *Fake) Shortcut(ctx context.Context, user, callback, channel, ts string) (Response, error) {
	f.mu.Lock()
	m := f.message(channel, ts)
	p := f.payload(user)
	p["type"], p["callback_id"], p["trigger_id"], p["message_ts"] = "message_action", callback, f.trigger(), ts
	p["channel"] = object{"id": channel, "name": f.channels[channel].Name}
	p["message"] = f.shape(m, false)
	f.mu.Unlock()
	return f.Interact(ctx, p)
}

// Answer is what somebody typed or chose.
type Answer struct {
	Text   string // of a text input
	Option string // of a choice
}

// Submit sends a form off. On 200 with no error in the answer it closes.
func (f *Fake) Submit(ctx context.Context, user, view string, answers map[string]Answer) (Response, error) {
	f.mu.Lock()
	v := f.views[view]
	values := object{}
	for _, b := range v.Blocks {
		x, given := answers[b.BlockID]
		state := object{"type": b.Element.Type}
		switch {
		case b.Element.Type == "static_select" && x.Option != "":
			state["selected_option"] = object{"value": x.Option, "text": object{"type": "plain_text", "text": x.Option}}
		case b.Element.Type == "static_select":
			state["selected_option"] = nil
		case given && x.Text != "":
			state["value"] = x.Text
		default:
			state["value"] = nil
		}
		values[b.BlockID] = object{b.Element.ActionID: state}
	}
	p := f.payload(user)
	p["type"] = "view_submission"
	p["view"] = object{"id": v.ID, "type": v.Type, "callback_id": v.CallbackID, "private_metadata": v.PrivateMetadata,
		"app_installed_team_id": f.o.TeamID, "team_id": f.o.TeamID, "hash": "1", "state": object{"values": values}}
	f.mu.Unlock()
	r, err := f.Interact(ctx, p)
	if err == nil && r.Status == 200 && len(r.Body) == 0 {
		f.mu.Lock()
		delete(f.views, view)
		f.touch()
		f.mu.Unlock()
	}
	return r, err
}

// payload is what every interaction says. The lock is held.
func (f *Fake) payload(user string) object {
	u := f.users[user]
	return object{"token": "unused", "team": object{"id": f.o.TeamID, "domain": "acme"}, "api_app_id": f.o.AppID,
		"user": object{"id": user, "username": u.Name, "name": u.Name, "team_id": u.Team}, "is_enterprise_install": false}
}

// Interact sends an interaction payload.
func (f *Fake) Interact(ctx context.Context, payload map[string]any) (Response, error) {
	b, err := json.Marshal(payload)
	if err != nil {
		return Response{}, err
	}
	return f.request(ctx, "/interactions", "application/x-www-form-urlencoded", []byte(url.Values{"payload": {string(b)}}.Encode()), 0, "")
}
