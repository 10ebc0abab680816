package msteams

import (
	"encoding/json"
	"strings"
	"testing"

	"switchboard/channels/msteams/faketeams"
)

func TestInspect(t *testing.T) {
	h := newHouse(t, options{})
	f := h.fake
	chat, channel := f.Personal(h.person), f.Channel()
	message := f.Message(chat, h.person, "hello")
	foreign := f.Message(chat, h.person, "hello")
	foreign["serviceUrl"] = "https://evil.example/"
	bare := f.Event("invoke", chat, h.person)
	for name, c := range map[string]struct {
		a    faketeams.Activity
		says string
	}{
		"message":   {message, "a message in a personal conversation; its thread is " + chat.ID + "; the bot can write to the person " + h.person.AAD + " in " + chat.ID},
		"edit":      {f.Edited(message, "x"), "it changes an earlier message: edit"},
		"foreign":   {foreign, "its serviceUrl is refused"},
		"invoke":    {bare, "501"},
		"installed": {f.Installed(channel, h.person)[1], "it is counted; the bot can write to the members of the team " + channel.Team + "; the bot can open a chat with the person " + h.person.AAD},
		"removed":   {f.Uninstalled(chat, h.person)[0], "can not write to the person " + h.person.AAD + " any more: the app was removed"},
		"typing":    {f.Event("typing", chat, h.person), "it is counted"},
	} {
		raw, err := json.Marshal(c.a)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(h.Inspect(t.Context(), raw), "; "); !strings.Contains(got, c.says) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := h.Inspect(t.Context(), []byte("[]")); len(got) != 2 {
		t.Errorf("%q", got)
	}
	if h.ledger.calls != 0 || len(h.book.by) != 0 {
		t.Error("to look changed something")
	}
}
