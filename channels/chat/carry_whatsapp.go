package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// whatsappCloud is POST /PHONE/messages of the Cloud API. It works within a day
// of the customer's last message; later the service refuses, for good.
type whatsappCloud struct{}

const whatsappText = 4000 // of 4096

func (whatsappCloud) carry(ctx context.Context, t *talker, to address, r *desk.Reply) (string, error) {
	phone, who := to.more("phone"), to.more("to")
	if !digits(phone) || who == "" {
		return "", lost("whatsapp")
	}
	all := pieces{t: t}
	for i, part := range markup.Split(r.Message.Text, whatsappText) {
		if strings.TrimSpace(part) == "" {
			continue
		}
		body := map[string]any{"messaging_product": "whatsapp", "recipient_type": "individual", "to": who, "type": "text",
			"text": map[string]any{"body": orElse(whatsappMarks(part), part), "preview_url": false}}
		if answered := to.more("message"); i == 0 && answered != "" {
			body["context"] = map[string]any{"message_id": answered}
		}
		if err := all.send(ctx, func() (string, error) {
			got, err := t.post(ctx, call{what: "whatsapp: messages", url: t.settings.Send.URL + "/" + phone + "/messages",
				header: map[string]string{"Authorization": "Bearer " + t.settings.Send.Token}}, body)
			return idOf(at(at(at(got, "messages"), 0), "id")), err
		}); err != nil {
			return "", err
		}
	}
	return all.first, nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// whatsappFile opens a file by its media ID: the service tells an address that
// only the access token opens.
func whatsappFile(ctx context.Context, a *adapter, f *fileRef) (*http.Response, error) {
	s := &a.settings
	if strings.ContainsAny(f.ID, "/?#.\\") {
		return nil, errElsewhere
	}
	auth := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s.Send.Token) }
	resp, err := a.get(ctx, a.media, s.Send.URL+"/"+url.PathEscape(f.ID), auth)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out struct{ URL string }
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&out) != nil {
		return nil, fmt.Errorf("the service answered %d", resp.StatusCode)
	}
	u, err := url.Parse(out.URL)
	if err != nil {
		return nil, errElsewhere
	}
	own, _ := url.Parse(s.Send.URL)
	switch {
	case u.Scheme == own.Scheme && u.Host == own.Host && u.User == nil:
		return a.get(ctx, a.media, u.String(), auth)
	case s.mayFetch(u):
		return a.get(ctx, a.files, u.String(), auth)
	}
	return nil, errElsewhere
}
