package msteams

import (
	"context"
	"fmt"

	"switchboard/pipeline/desk"
)

// Inspect says, in words, what an activity (the JSON the Connector sent) is taken
// for: a message, a change of one, or news of whom the bot can write to first. It
// checks no token and changes nothing.
func (a *adapter) Inspect(_ context.Context, body []byte) []string {
	act, err := parseActivity(body)
	if err != nil {
		return []string{"it cannot be read: " + err.Error(), "it is refused with 400"}
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, o := range act.odd {
		say("%s", o)
	}
	if act.tenant() == "" {
		say("it names no tenant")
	}
	if _, err := a.settings.serviceHosts.check(string(act.ServiceURL)); err != nil {
		say("its serviceUrl is refused: %v", err)
	}
	what, ok := act.act()
	switch {
	case act.Type == "invoke" && act.Name == invokeConsent:
		say("somebody answers a card that offers a file")
	case act.Type == "invoke":
		say("an invoke that is not answered here (501)")
	case what != "":
		say("it changes an earlier message: %s", what)
	case ok:
		d := draftFrom(act, origin{source: a.Source, window: a.settings.Window, at: a.Now()})
		say("a message in a %s conversation", orWord(string(act.Conversation.Type), "nameless"))
		if d.Auto.Kind != "" {
			say("no person wrote it: %s", d.Auto.Reason)
		}
		if d.Group != "" {
			say("it joins what was said in the chat within %s", d.Window)
		} else {
			say("its thread is %s", d.Thread.Key)
		}
	default:
		say("an event that is no message: it is counted")
	}
	for _, h := range act.tells() {
		switch {
		case h.gone != "":
			say("the bot can not write to the %s %s any more: %s", h.kind, h.handle, h.gone)
		case h.kind == desk.Person && h.to.Conversation == "":
			say("the bot can open a chat with the person %s", h.handle)
		case h.kind == desk.Person:
			say("the bot can write to the person %s in %s", h.handle, h.to.Conversation)
		default:
			say("the bot can write to the members of the team %s", h.handle)
		}
	}
	return out
}

func orWord(s, other string) string {
	if s == "" {
		return other
	}
	return desk.Cut(s, 40)
}
