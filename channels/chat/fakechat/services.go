package fakechat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Telegram sends an update to the desk: {"message": {...}} or another kind.
func (f *Fake) Telegram(ctx context.Context, hook string, update map[string]any) (int, string, error) {
	body, err := json.Marshal(update)
	if err != nil {
		return 0, "", err
	}
	return f.call(ctx, hook, body, map[string]string{"X-Telegram-Bot-Api-Secret-Token": TelegramSecret})
}

// TelegramMessage is a message of a person in a private chat with the bot.
func TelegramMessage(chat, id int64, name, text string, at int64) map[string]any {
	return map[string]any{"message_id": id, "date": at, "text": text,
		"from": map[string]any{"id": chat, "is_bot": false, "first_name": name, "language_code": "de"},
		"chat": map[string]any{"id": chat, "type": "private", "first_name": name}}
}

// WhatsApp sends messages of one person to the desk in one request.
func (f *Fake) WhatsApp(ctx context.Context, hook, from, name string, messages ...map[string]any) (int, string, error) {
	for _, m := range messages {
		m["from"] = from
	}
	body, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{"id": "1", "changes": []any{map[string]any{
		"field": "messages", "value": map[string]any{"messaging_product": "whatsapp",
			"metadata": map[string]any{"display_phone_number": "15550783881", "phone_number_id": Phone},
			"contacts": []any{map[string]any{"wa_id": from, "profile": map[string]any{"name": name}}},
			"messages": messages}}}}}})
	if err != nil {
		return 0, "", err
	}
	return f.call(ctx, hook, body, map[string]string{"X-Hub-Signature-256": HubSignature(AppSecret, body)})
}

// Subscribe asks the desk whether the address is its own, as WhatsApp does.
func (f *Fake) Subscribe(ctx context.Context, hook string) error {
	const challenge = "1158201444"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, hook+"?hub.mode=subscribe&hub.challenge="+challenge+"&hub.verify_token="+VerifyToken, nil)
	if err != nil {
		return err
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err != nil || resp.StatusCode != http.StatusOK || string(b) != challenge {
		return fmt.Errorf("fakechat: the desk answered %d to the subscription", resp.StatusCode)
	}
	return nil
}

var tag = regexp.MustCompile(`</?([a-zA-Z0-9-]+)[^>]*>`)

// telegramTags are what parse_mode HTML knows.
var telegramTags = map[string]bool{"b": true, "strong": true, "i": true, "em": true, "u": true, "s": true, "a": true, "code": true, "pre": true, "blockquote": true}

// entities checks that a text is one Telegram would parse: known tags, balanced.
func entities(text string) string {
	var open []string
	for _, m := range tag.FindAllStringSubmatch(text, -1) {
		if !telegramTags[m[1]] {
			return "can't parse entities: unsupported start tag " + m[1]
		}
		if !strings.HasPrefix(m[0], "</") {
			open = append(open, m[1])
			continue
		}
		if len(open) == 0 || open[len(open)-1] != m[1] {
			return "can't parse entities: unmatched end tag " + m[1]
		}
		open = open[:len(open)-1]
	}
	if len(open) > 0 {
		return "can't parse entities: can't find end tag " + open[0]
	}
	return ""
}

func (f *Fake) bot(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("bot") != "bot"+TelegramToken {
		refuse(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	var s Sent
	switch r.PathValue("method") {
	case "editMessageText", "deleteMessage":
		f.revise(w, r)
		return
	case "sendMessage":
		var in struct {
			ChatID   string `json:"chat_id"`
			Topic    int64  `json:"message_thread_id"`
			Text     string `json:"text"`
			Mode     string `json:"parse_mode"`
			Answered struct {
				ID int64 `json:"message_id"`
			} `json:"reply_parameters"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.ChatID == "" || in.Text == "" {
			refuse(w, http.StatusBadRequest, "Bad Request: message text is empty")
			return
		}
		if why := unfit(in.Text, in.Mode); why != "" {
			refuse(w, http.StatusBadRequest, "Bad Request: "+why)
			return
		}
		s = Sent{Via: "telegram", To: in.ChatID, Text: in.Text}
		if in.Topic != 0 {
			s.Topic = strconv.FormatInt(in.Topic, 10)
		}
		if in.Answered.ID != 0 {
			s.Answers = strconv.FormatInt(in.Answered.ID, 10)
		}
	case "sendDocument":
		if err := r.ParseMultipartForm(60 << 20); err != nil {
			refuse(w, http.StatusBadRequest, "Bad Request: no form")
			return
		}
		file, head, err := r.FormFile("document")
		if err != nil || r.FormValue("chat_id") == "" {
			refuse(w, http.StatusBadRequest, "Bad Request: there is no document in the request")
			return
		}
		defer file.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(file)
		s = Sent{Via: "telegram", To: r.FormValue("chat_id"), Topic: r.FormValue("message_thread_id"), Files: map[string][]byte{head.Filename: b.Bytes()}}
	default:
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	if s.To == "403" {
		refuse(w, http.StatusForbidden, "Forbidden: bot was blocked by the user")
		return
	}
	s = f.took(s)
	n, _ := strconv.Atoi(s.ID)
	tell(w, http.StatusOK, map[string]any{"ok": true, "result": map[string]any{"message_id": n}})
}

// unfit says why Telegram would not take a text, or "".
func unfit(text, mode string) string {
	if utf8.RuneCountInString(tag.ReplaceAllString(text, "")) > 4096 {
		return "message is too long"
	}
	if mode == "HTML" {
		return entities(text)
	}
	return ""
}

// revise is editMessageText and deleteMessage of what the bot sent.
func (f *Fake) revise(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ChatID string `json:"chat_id"`
		ID     int64  `json:"message_id"`
		Text   string `json:"text"`
		Mode   string `json:"parse_mode"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.ChatID == "" || in.ID == 0 {
		refuse(w, http.StatusBadRequest, "Bad Request: message identifier is not specified")
		return
	}
	remove := r.PathValue("method") == "deleteMessage"
	f.mu.Lock()
	defer f.mu.Unlock()
	var s *Sent
	for i := range f.sent {
		if x := &f.sent[i]; x.Via == "telegram" && x.To == in.ChatID && x.ID == strconv.FormatInt(in.ID, 10) && !x.Removed {
			s = x
		}
	}
	why := ""
	switch {
	case s == nil && remove:
		why = "message to delete not found"
	case s == nil:
		why = "message to edit not found"
	case remove:
		s.Removed = true
		tell(w, http.StatusOK, map[string]any{"ok": true, "result": true})
		return
	case in.Text == "":
		why = "message text is empty"
	case s.Files != nil:
		why = "there is no text in the message to edit"
	case in.Text == s.Text:
		why = "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"
	default:
		why = unfit(in.Text, in.Mode)
	}
	if why != "" {
		refuse(w, http.StatusBadRequest, "Bad Request: "+why)
		return
	}
	s.Text, s.Edited = in.Text, true
	tell(w, http.StatusOK, map[string]any{"ok": true, "result": map[string]any{"message_id": in.ID}})
}

func (f *Fake) getFile(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("file_id")
	if _, ok := f.file(id); !ok || r.PathValue("bot") != "bot"+TelegramToken {
		refuse(w, http.StatusBadRequest, "Bad Request: wrong file_id")
		return
	}
	tell(w, http.StatusOK, map[string]any{"ok": true, "result": map[string]any{"file_id": id, "file_path": "documents/" + id}})
}

func (f *Fake) download(w http.ResponseWriter, r *http.Request) {
	b, ok := f.file(strings.TrimPrefix(r.PathValue("name"), "documents/"))
	if !ok || r.PathValue("bot") != "bot"+TelegramToken {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(b)
}

func (f *Fake) cloud(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+AccessToken {
		refuse(w, http.StatusUnauthorized, "Invalid OAuth access token")
		return
	}
	var in struct {
		Product string `json:"messaging_product"`
		To      string `json:"to"`
		Type    string `json:"type"`
		Text    struct {
			Body string `json:"body"`
		} `json:"text"`
		Context struct {
			ID string `json:"message_id"`
		} `json:"context"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Product != "whatsapp" || in.Type != "text" || in.Text.Body == "" || in.To == "" || r.PathValue("phone") != Phone {
		refuse(w, http.StatusBadRequest, "Invalid parameter")
		return
	}
	if utf8.RuneCountInString(in.Text.Body) > 4096 {
		refuse(w, http.StatusBadRequest, "Param text['body'] must be at most 4096 characters long.")
		return
	}
	s := f.took(Sent{Via: "whatsapp", To: in.To, Answers: in.Context.ID, Text: in.Text.Body, ID: "wamid.OUT"})
	tell(w, http.StatusOK, map[string]any{"messaging_product": "whatsapp", "contacts": []any{map[string]any{"wa_id": in.To}}, "messages": []any{map[string]any{"id": s.ID}}})
}

func (f *Fake) media(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+AccessToken {
		refuse(w, http.StatusUnauthorized, "Invalid OAuth access token")
		return
	}
	id := r.PathValue("id")
	if raw, ok := strings.CutPrefix(id, "bytes-"); ok {
		if b, ok := f.file(raw); ok {
			_, _ = w.Write(b)
			return
		}
	}
	if _, ok := f.file(id); !ok {
		refuse(w, http.StatusNotFound, "Object does not exist")
		return
	}
	tell(w, http.StatusOK, map[string]any{"id": id, "url": f.base + "/whatsapp/bytes-" + id})
}
