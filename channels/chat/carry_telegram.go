package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// telegramBot is sendMessage and sendDocument of the Bot API.
type telegramBot struct{}

// telegramText is what one message holds (sendMessage: 4096 characters after
// entities), with room for the tags.
const telegramText = 3500

// telegramFileBytes is what sendDocument takes.
const telegramFileBytes = 50 << 20

func (telegramBot) carry(ctx context.Context, t *talker, to address, r *desk.Reply) (string, error) {
	chat := to.more("chat")
	if chat == "" {
		return "", lost("telegram")
	}
	base := map[string]any{"chat_id": chat}
	if topic := to.more("topic"); topic != "" {
		base["message_thread_id"] = number(topic)
	}
	if business := to.more("business"); business != "" {
		base["business_connection_id"] = business
	}
	if err := telegramTakes(ctx, t, r.Message.Attachments); err != nil {
		return "", err
	}
	all := pieces{t: t}
	for i, part := range markup.Split(r.Message.Text, telegramText) {
		if strings.TrimSpace(part) == "" {
			continue
		}
		body := telegramBody(part)
		for k, v := range base {
			body[k] = v
		}
		if answered := to.more("message"); i == 0 && answered != "" {
			body["reply_parameters"] = map[string]any{"message_id": number(answered), "allow_sending_without_reply": true}
		}
		if err := all.send(ctx, func() (string, error) {
			got, err := t.post(ctx, telegramCall(t, "sendMessage"), body)
			return sentID(chat, got), err
		}); err != nil {
			return "", err
		}
	}
	for _, a := range r.Message.Attachments {
		if err := all.send(ctx, func() (string, error) {
			got, err := sendDocument(ctx, t, base, a)
			return sentID(chat, got), err
		}); err != nil {
			return "", err
		}
	}
	return all.first, nil
}

// telegramTakes finds out, before anything is sent, whether every file can be
// read and is small enough.
func telegramTakes(ctx context.Context, t *talker, files []desk.Attachment) error {
	for _, a := range files {
		if a.Blob.Size > telegramFileBytes {
			return desk.Permanent(errors.New("chat: telegram: a file is larger than Telegram takes"))
		}
		file, err := t.Blobs.Open(ctx, a.Blob)
		if err != nil {
			return fmt.Errorf("chat: telegram: open a file: %w", err)
		}
		_ = file.Close() // nothing was written
	}
	return nil
}

func telegramBody(part string) map[string]any {
	return map[string]any{"text": orElse(telegramHTML(part), telegramEscape.Replace(part)), "parse_mode": "HTML", "link_preview_options": map[string]any{"is_disabled": true}}
}

// telegramPlace reads back what sentID made.
func telegramPlace(to address, id string) (map[string]any, error) {
	chat, message, _ := strings.Cut(id, ":")
	if chat == "" || chat != to.more("chat") || !digits(message) {
		return nil, lost("telegram")
	}
	return map[string]any{"chat_id": chat, "message_id": number(message)}, nil
}

// edit is editMessageText, of the first message when there were several.
func (telegramBot) edit(ctx context.Context, t *talker, to address, id string, r *desk.Reply) error {
	body, err := telegramPlace(to, id)
	if err != nil {
		return err
	}
	text, err := onePart("telegram", markup.Split(r.Message.Text, telegramText), r)
	if err != nil {
		return err
	}
	maps.Copy(body, telegramBody(text))
	if business := to.more("business"); business != "" {
		body["business_connection_id"] = business
	}
	c := telegramCall(t, "editMessageText")
	c.again = true
	if _, err = t.post(ctx, c, body); refusedFor(err, http.StatusBadRequest, "message is not modified") {
		return nil
	}
	return err
}

// remove is deleteMessage. Telegram lets a bot do so for two days.
func (telegramBot) remove(ctx context.Context, t *talker, to address, id string, r *desk.Reply) error {
	body, err := telegramPlace(to, id)
	if err != nil {
		return err
	}
	if to.more("business") != "" {
		return desk.Permanent(errors.New("chat: telegram: deleteMessage does not reach what was sent for a business account"))
	}
	c := telegramCall(t, "deleteMessage")
	c.again = true
	if _, err = t.post(ctx, c, body); err != nil && !refusedFor(err, http.StatusBadRequest, "message to delete not found") {
		return err
	}
	sent := len(r.Message.Attachments)
	if strings.TrimSpace(r.Message.Text) != "" {
		sent += len(markup.Split(r.Message.Text, telegramText))
	}
	return othersStay("telegram", sent)
}

func sentID(chat string, got any) string {
	if id := idOf(at(at(got, "result"), "message_id")); id != "" {
		return chat + ":" + id
	}
	return ""
}

func telegramCall(t *talker, method string) call {
	return call{what: "telegram: " + method, url: t.settings.Send.URL + "/bot" + t.settings.Send.Token + "/" + method,
		retryIn: func(body any) time.Duration {
			return time.Duration(number(at(at(body, "parameters"), "retry_after"))) * time.Second
		}}
}

func sendDocument(ctx context.Context, t *talker, base map[string]any, a desk.Attachment) (any, error) {
	file, err := t.Blobs.Open(ctx, a.Blob)
	if err != nil {
		return nil, fmt.Errorf("chat: telegram: open a file: %w", err)
	}
	defer file.Close()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range base {
		s, _ := words(v)
		_ = w.WriteField(k, s) // a buffer takes everything
	}
	part, err := w.CreateFormFile("document", fileName(a.Name, a.ContentType))
	if err == nil {
		_, err = io.Copy(part, file)
	}
	if err = orErr(err, w.Close()); err != nil {
		return nil, fmt.Errorf("chat: telegram: read a file: %w", err)
	}
	c := telegramCall(t, "sendDocument")
	c.kind, c.body = w.FormDataContentType(), b.Bytes()
	return t.do(ctx, c)
}

func orErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// telegramFile opens a file by getFile.
func telegramFile(ctx context.Context, a *adapter, f *fileRef) (*http.Response, error) {
	s := a.settings.Send
	resp, err := a.get(ctx, a.media, s.URL+"/bot"+s.Token+"/getFile?file_id="+url.QueryEscape(f.ID), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out struct {
		Result struct {
			FilePath string `json:"file_path"`
		}
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&out) != nil || out.Result.FilePath == "" {
		return nil, fmt.Errorf("getFile answered %d", resp.StatusCode)
	}
	path := out.Result.FilePath
	if strings.Contains(path, "..") || strings.ContainsAny(path, "?#\\") {
		return nil, errElsewhere
	}
	if f.Name == "" {
		f.Name = path[strings.LastIndexByte(path, '/')+1:]
	}
	return a.get(ctx, a.media, s.URL+"/file/bot"+s.Token+"/"+strings.TrimPrefix(path, "/"), nil)
}
