package msteams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	turns "github.com/infracloudio/msbotbuilder-go/core/activity"
	"github.com/infracloudio/msbotbuilder-go/schema"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// Send says a reply in its conversation, or begins one; see [channels.Sender] and
// [channels.Starter]. In a channel it joins the thread. When the message answered is gone, it is said in the thread
// without answering anything. Files go as pictures in the message where they are
// small pictures, else as cards by which the customer agrees to receive them,
// which Teams has in personal chats only: elsewhere such a reply is refused
// before anything of it is sent.
func (a *adapter) Send(ctx context.Context, r *desk.Reply) (desk.Proof, error) {
	if r.Begins() {
		return a.begin(ctx, r)
	}
	to, err := a.destination(r)
	if err != nil {
		return desk.Proof{}, err
	}
	return a.sendTo(ctx, r, to)
}

// sendTo says a reply in a conversation.
func (a *adapter) sendTo(ctx context.Context, r *desk.Reply, to address) (desk.Proof, error) {
	c := &call{ctx: ctx, adapter: a, text: markup.ToTeams(r.Message.Text)}
	var err error
	if c.attachments, err = a.cards(ctx, to, r.Message.Attachments, len(c.text)); err != nil {
		return desk.Proof{}, err
	}
	if strings.TrimSpace(c.text) == "" && len(c.attachments) == 0 {
		return desk.Proof{}, desk.Permanent(errors.New("msteams: there is nothing to send"))
	}
	if err := r.Leaves(ctx); err != nil {
		return desk.Proof{}, err
	}
	err = a.say(c, to)
	var g *gone
	if errors.As(err, &g) && to.ReplyTo != "" {
		to.ReplyTo = ""
		err = a.say(c, to)
	}
	if err != nil {
		return desk.Proof{}, err
	}
	proof := desk.Proof{At: a.Now()}
	if c.id != "" {
		proof.ExternalID = externalID(baseConversation(to.Conversation), c.id)
	}
	return proof, nil
}

// say posts by way of the library: its adapter makes the answer to a turn out of
// the conversation reference and hands it to the call.
func (a *adapter) say(c *call, to address) error {
	turn := to.activity()
	c.id, c.err = "", nil
	err := a.botAdapter(c).ProcessActivity(c.ctx, turn, turns.HandlerFuncs{
		OnMessageFunc: func(t *turns.TurnContext) (schema.Activity, error) {
			return t.SendActivity(turns.MsgOptionText(c.text))
		},
	})
	if c.err != nil {
		return c.err
	}
	return err
}

// Edit replaces what was sent as externalID, files included; see
// [channels.Editor].
func (a *adapter) Edit(ctx context.Context, r *desk.Reply, externalID string) error {
	to, id, err := a.sent(r, externalID)
	if err != nil {
		return err
	}
	act := to.activity()
	act.ID, act.From, act.Recipient = id, act.Recipient, act.From
	c := &call{ctx: ctx, adapter: a, text: markup.ToTeams(r.Message.Text)}
	if c.attachments, err = a.cards(ctx, to, r.Message.Attachments, len(c.text)); err != nil {
		return err
	}
	if strings.TrimSpace(c.text) == "" && len(c.attachments) == 0 {
		return desk.Permanent(errors.New("msteams: there is nothing to send"))
	}
	if err := a.botAdapter(c).UpdateActivity(ctx, act); c.err == nil {
		return err
	}
	return c.err
}

// Remove takes back what was sent as externalID. What is gone already is no
// error.
func (a *adapter) Remove(ctx context.Context, r *desk.Reply, externalID string) error {
	to, id, err := a.sent(r, externalID)
	if err != nil {
		return err
	}
	act := to.activity()
	c := &call{ctx: ctx, adapter: a}
	err = a.botAdapter(c).DeleteActivity(ctx, id, schema.ConversationReference{
		User: act.From, Bot: act.Recipient, Conversation: act.Conversation, ChannelID: act.ChannelID, ServiceURL: act.ServiceURL})
	var g *gone
	switch {
	case errors.As(c.err, &g):
		return nil
	case c.err != nil:
		return c.err
	}
	return err
}

// errStays refuses what is not for the customer.
var errStays = desk.Permanent(errors.New("msteams: only public answers leave the house"))

func leaves(r *desk.Reply) bool { return r.Message.Public && r.Message.Direction == desk.Outbound }

// destination reads where a reply goes. Only public outbound messages have one.
func (a *adapter) destination(r *desk.Reply) (address, error) {
	var to address
	switch {
	case !leaves(r):
		return to, errStays
	case json.Unmarshal(r.Thread.Address, &to) != nil || to.ServiceURL == "" || to.Conversation == "":
		return to, desk.Permanent(errors.New("msteams: the ticket has no Teams conversation to answer in"))
	}
	if _, err := a.settings.serviceHosts.check(to.ServiceURL); err != nil {
		return to, desk.Permanent(fmt.Errorf("msteams: the conversation's address is refused: %w", err))
	}
	return to, nil
}

// sent finds a message of ours in the reply's conversation.
func (a *adapter) sent(r *desk.Reply, external string) (address, string, error) {
	to, err := a.destination(r)
	if err != nil {
		return to, "", err
	}
	id, ok := strings.CutPrefix(external, externalID(baseConversation(to.Conversation), ""))
	if !ok || id == "" {
		return to, "", desk.Permanent(errors.New("msteams: the message was sent in another conversation"))
	}
	return to, id, nil
}

// activity is the turn of the customer that is answered: what the library turns
// around.
func (to address) activity() schema.Activity {
	return schema.Activity{
		Type: schema.Message, ID: to.ReplyTo, ServiceURL: to.ServiceURL, ChannelID: to.ChannelID,
		From:         schema.ChannelAccount{ID: to.User.ID, Name: to.User.Name, AadObjectID: to.User.AAD},
		Recipient:    schema.ChannelAccount{ID: to.Bot.ID, Name: to.Bot.Name},
		Conversation: schema.ConversationAccount{ID: to.Conversation, ConversationType: to.Type, TenantID: to.Tenant},
	}
}
