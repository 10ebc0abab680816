package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"switchboard/pipeline/desk"
)

// interaction is what Slack sends when somebody uses a shortcut or a form
// ("Interaction payloads"), decoded leniently like events.
type interaction struct {
	Type       loose `json:"type"`
	CallbackID loose `json:"callback_id"`
	Trigger    loose `json:"trigger_id"`
	AppID      loose `json:"api_app_id"`
	Team       struct {
		ID loose `json:"id"`
	} `json:"team"`
	User struct {
		ID   loose `json:"id"`
		Team loose `json:"team_id"`
	} `json:"user"`
	Channel struct {
		ID loose `json:"id"`
	} `json:"channel"`
	MessageTS loose   `json:"message_ts"`
	Message   message `json:"message"`
	View      view    `json:"view"`
}

// view is a form that came back.
type view struct {
	ID         loose `json:"id"`
	CallbackID loose `json:"callback_id"`
	Metadata   loose `json:"private_metadata"`
	Team       loose `json:"app_installed_team_id"`
	State      struct {
		Values map[string]map[string]struct {
			Value    loose `json:"value"`
			Selected struct {
				Value loose `json:"value"`
			} `json:"selected_option"`
		} `json:"values"`
	} `json:"state"`
}

// decodeInteraction reads the body of a request: a form with one field, payload.
func decodeInteraction(body []byte) (interaction, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return interaction{}, err
	}
	var i interaction
	_, err = lenient([]byte(form.Get("payload")), &i)
	if err == nil && i.Type == "" {
		err = errors.New("it has no type")
	}
	return i, err
}

// interaction answers shortcuts and forms. Slack does not send these again, so
// whoever pressed the button hears what went wrong.
func (a *adapter) interaction(w http.ResponseWriter, r *http.Request, body []byte) {
	i, err := decodeInteraction(body)
	if err != nil {
		a.unreadable(w, r, body, "An interaction of Slack", err)
		return
	}
	a.counts.add("interaction: " + kindOf(i))
	switch {
	case i.Type == "view_submission" && i.View.CallbackID == formCallback:
		a.submitted(w, r, body, &i)
	case i.Type == "message_action" && string(i.CallbackID) == a.settings.Shortcut:
		a.openFor(w, r, &i, purpose{Kind: purposeMessage, Team: a.home(&i), Channel: string(i.Channel.ID),
			TS: cmp.Or(string(i.Message.TS), string(i.MessageTS)), ThreadTS: string(i.Message.ThreadTS),
			User: cmp.Or(string(i.Message.User), string(i.Message.BotID)), Text: desk.Clean(string(i.Message.Text))})
	case i.Type == "shortcut" && string(i.CallbackID) == a.settings.Shortcut:
		a.openFor(w, r, &i, purpose{Kind: purposeForm, Team: a.home(&i), User: string(i.User.ID)})
	default: // a button, a cancelled form, a view of another part of the app
		w.WriteHeader(http.StatusOK)
	}
}

// kindOf names a payload for the counts: only names we know, not a stranger's.
func kindOf(i interaction) string {
	switch t := string(i.Type); t {
	case "view_submission", "view_closed", "message_action", "shortcut", "block_actions", "interactive_message",
		"dialog_submission", "dialog_cancellation", "dialog_suggestion", "block_suggestion":
		return t
	}
	return "other"
}

// home is the workspace that names our messages.
func (a *adapter) home(i *interaction) string {
	return cmp.Or(a.settings.TeamID, string(i.View.Team), string(i.Team.ID))
}

func (a *adapter) openFor(w http.ResponseWriter, r *http.Request, i *interaction, p purpose) {
	title := ""
	if p.Kind == purposeMessage {
		o := origin{names: a.names(r.Context(), &i.Message)}
		title, _ = split(text(&i.Message, o))
	}
	if err := a.openForm(r.Context(), string(i.Trigger), p, title, ""); err != nil {
		a.Log.Warn("slack: the form could not be opened", "err", err)
	}
	w.WriteHeader(http.StatusOK) // Slack shows nothing of what we would say here
}

// submitted makes a ticket of a form. It says yes, which closes the form, only
// when the ledger has it. Pressing again joins the work that goes on, unless the
// answers are others: those have their turn after it.
func (a *adapter) submitted(w http.ResponseWriter, r *http.Request, body []byte, i *interaction) {
	x, wrong := i.View.read()
	var p purpose
	if len(wrong) == 0 && json.Unmarshal([]byte(i.View.Metadata), &p) != nil {
		wrong[inputTitle] = "This form is not known any more. Please open it again."
	}
	if len(wrong) > 0 {
		refuseForm(w, wrong)
		return
	}
	id := string(i.View.ID)
	err := a.inflight.do(r.Context(), "view/"+id+"/"+x.digest(), a.answerWithin, a.workWithin, func(ctx context.Context) error {
		done, err := a.views.turn(ctx, id)
		if err != nil {
			return err
		}
		defer done()
		return a.file(ctx, body, i, p, x)
	})
	switch {
	case errors.Is(err, errWorking):
		refuseForm(w, map[string]string{inputTitle: "It is still being saved. Please wait a moment and press Create again."})
	case errors.Is(err, errKnown):
		refuseForm(w, map[string]string{inputTitle: "This message is on a ticket already."})
	case err != nil:
		a.Log.Warn("slack: a form could not be taken", "err", err)
		refuseForm(w, map[string]string{inputTitle: "This could not be saved just now. Please press Create again."})
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// refuseForm shows what is wrong beside the inputs.
func refuseForm(w http.ResponseWriter, wrong map[string]string) {
	writeJSON(w, map[string]any{"response_action": "errors", "errors": wrong})
}
