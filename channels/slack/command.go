package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// command answers the slash command ("Enabling interactivity with Slash
// Commands"): it opens the form. Slack shows what we answer to the user alone.
func (a *adapter) command(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		a.unreadable(w, r, body, "A slash command of Slack", err)
		return
	}
	if form.Get("ssl_check") == "1" { // Slack looks whether the certificate is good
		w.WriteHeader(http.StatusOK)
		return
	}
	a.counts.add("command")
	if name := form.Get("command"); a.settings.Command == "" || name != a.settings.Command {
		whisper(w, "This command is not known here.")
		return
	}
	p := purpose{Kind: purposeForm, Team: form.Get("team_id"), Channel: form.Get("channel_id"), User: form.Get("user_id")}
	title, description := split(form.Get("text"))
	if err := a.openForm(r.Context(), form.Get("trigger_id"), p, title, description); err != nil {
		a.Log.Warn("slack: the form could not be opened", "err", err)
		whisper(w, "The form could not be opened. Please try again in a moment.")
		return
	}
	w.WriteHeader(http.StatusOK)
}

// split makes a title of the first line of what stands behind the command.
func split(text string) (title, description string) {
	text = strings.TrimSpace(text)
	title, _, more := strings.Cut(text, "\n")
	if r := []rune(title); len(r) > maxTitle {
		return string(r[:maxTitle]), text
	}
	if more {
		return strings.TrimSpace(title), text
	}
	return title, ""
}

// whisper answers a command with words only its user sees.
func whisper(w http.ResponseWriter, words string) {
	writeJSON(w, map[string]string{"response_type": "ephemeral", "text": words})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	b, err := json.Marshal(v)
	if err != nil { // maps of strings always marshal
		panic(err)
	}
	_, _ = w.Write(b)
}

// openWithin is how long opening a form may take: the trigger is good for three
// seconds.
const openWithin = 2300 * time.Millisecond

func (a *adapter) openForm(ctx context.Context, trigger string, p purpose, title, description string) error {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	_, err := a.api.OpenViewContext(ctx, trigger, modal(p, title, description))
	return noURL(err)
}
