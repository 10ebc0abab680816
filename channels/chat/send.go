package chat

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// carrier brings one reply to its service and returns the ID the service gave
// it, as the service itself would name it in a webhook.
type carrier interface {
	carry(ctx context.Context, t *talker, to address, r *desk.Reply) (id string, err error)
}

// carrierKind is a way of sending: what it needs of the block, and where the
// service is when the config does not say.
type carrierKind struct {
	doc   string
	url   string
	needs []string
	files bool // files of a reply are sent, or named in the body of a callback
	make  func() carrier
}

// unnamed begins the ID of what a service took without naming it.
const unnamed = "sent:"

// viaCallback is the way of sending that is no service's.
const viaCallback = "callback"

var carriers = map[string]carrierKind{
	viaCallback:  {doc: "a secret of Standard Webhooks signs what is sent", needs: []string{"secret"}, files: true, make: func() carrier { return callback{} }},
	"telegram":   {doc: "the token of the bot", url: "https://api.telegram.org", needs: []string{"token"}, files: true, make: func() carrier { return telegramBot{} }},
	"whatsapp":   {doc: "an access token with whatsapp_business_messaging", url: "https://graph.facebook.com/v21.0", needs: []string{"token"}, make: func() carrier { return whatsappCloud{} }},
	"twilio-sms": {doc: "user is the account SID, token the auth token", url: "https://api.twilio.com/2010-04-01", needs: []string{"token", "user"}, make: func() carrier { return twilioSMS{} }},
	"intercom":   {doc: "an access token; sender is the ID of the admin who answers", url: "https://api.intercom.io", needs: []string{"token", "sender"}, make: func() carrier { return intercomReply{} }},
	"crisp":      {doc: "user is the identifier, token the key", url: "https://api.crisp.chat/v1", needs: []string{"token", "user"}, make: func() carrier { return crispReply{} }},
	"chatwoot":   {doc: "an agent's or bot's access token", needs: []string{"token"}, make: func() carrier { return chatwootReply{} }},
	"discord":    {doc: "the token of the bot", url: "https://discord.com/api/v10", needs: []string{"token"}, make: func() carrier { return discordBot{} }},
}

func carrierNames() []string { return slices.Sorted(maps.Keys(carriers)) }

// Send is part of [channels.Sender]. A long reply may take several messages (see
// [pieces]); one that was cut off in between is sent again from its beginning. One with files is
// refused for good, before anything is sent, when the service is not given files.
func (t *talker) Send(ctx context.Context, r *desk.Reply) (desk.Proof, error) {
	var to address
	if err := json.Unmarshal(r.Thread.Address, &to); err != nil || to.Thread == "" {
		return desk.Proof{}, desk.Permanent(errors.New("chat: the reply has no address"))
	}
	if strings.TrimSpace(r.Message.Text) == "" && len(r.Message.Attachments) == 0 {
		return desk.Proof{}, desk.Permanent(errors.New("chat: there is nothing to send"))
	}
	if len(r.Message.Attachments) > 0 && !t.settings.giveFiles {
		return desk.Proof{}, desk.Permanent(errors.New("chat: this service is not given files; send the text alone, or a link to the file"))
	}
	if err := t.pace.turn(ctx, t.settings.Send.Every, t.Now); err != nil {
		return desk.Proof{}, err
	}
	if err := r.Leaves(ctx); err != nil {
		return desk.Proof{}, err
	}
	id, err := t.settings.carry.carry(ctx, t, to, r)
	if err != nil {
		return desk.Proof{}, err
	}
	if id == "" {
		id = unnamed + string(r.Message.ID)
	}
	return desk.Proof{ExternalID: name(t.Source.Name, id), At: t.Now()}, nil
}

// more reads a member of what the mapping kept for the way back.
func (to address) more(key string) string {
	s, err := words(at(numbers(to.More), key))
	if err != nil {
		return ""
	}
	return s
}

// numbers makes whole numbers of what JSON made fractions of.
func numbers(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	out, err := decodeJSON(b, 20)
	if err != nil {
		return nil
	}
	return out
}

// pace keeps two sendings apart.
type pace struct {
	mu   sync.Mutex
	next time.Time
}

func (p *pace) turn(ctx context.Context, every time.Duration, now func() time.Time) error {
	if every <= 0 {
		return nil
	}
	p.mu.Lock()
	at := now()
	wait := max(p.next.Sub(at), 0)
	p.next = at.Add(wait + every)
	p.mu.Unlock()
	if wait == 0 {
		return nil
	}
	return channels.Sleep(ctx, wait)
}
