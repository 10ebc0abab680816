package chat

import (
	"context"
	"maps"
	"net/http"
	"slices"
)

// preset is a service we know: how it signs, where its messages are, how it is
// answered. Everything in it can be replaced in the config.
type preset struct {
	doc     string
	scheme  string // of the signature
	header  string // of the schemes hmac and token
	space   string // whose handles these are; empty: the source's
	mail    bool   // its messages are mails
	hosts   []string
	mapping mapping
	carry   string // how answers leave
	// ping reports that a request is only a question whether we are there.
	ping func(body any) bool
	// shake answers a request that is part of the setup; done says it did.
	shake func(w http.ResponseWriter, body any) (done bool)
	// reply answers a request whose messages were taken.
	reply func(w http.ResponseWriter, messages int)
	// prepare repairs a body before it is mapped.
	prepare func(d *decoded)
	// media opens a file by the ID the service gave it.
	media func(ctx context.Context, a *adapter, f *fileRef) (*http.Response, error)
}

// presets lists every service, "" being none.
func presets() map[string]preset {
	return map[string]preset{
		"":            {},
		"telegram":    telegram(),
		"whatsapp":    whatsapp(),
		"twilio-sms":  twilio(),
		"intercom":    intercom(),
		"crisp":       crisp(),
		"chatwoot":    chatwoot(),
		"discord":     discord(),
		"mailgun":     mailgun(),
		"postmark":    postmark(),
		"sendgrid":    sendgrid(),
		"mandrill":    mandrill(),
		"cloudmailin": cloudmailin(),
	}
}

func presetNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(presets())), func(s string) bool { return s == "" })
}
