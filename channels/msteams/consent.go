package msteams

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"switchboard/pipeline/desk"
)

// The cards by which a bot sends a file in a personal chat ("Send and receive
// files through a bot"): it asks, the customer agrees, it uploads to the
// customer's drive, it shows the file.
const (
	typeConsent = "application/vnd.microsoft.teams.card.file.consent"
	typeInfo    = "application/vnd.microsoft.teams.card.file.info"

	invokeConsent = "fileConsent/invoke"
)

// uploadBytes is the most one request of an upload session may carry.
const uploadBytes = 60 << 20

// ticket is what a consent card gives back: which of our files was meant. Its
// MAC keeps a customer from asking for another.
type ticket struct {
	Blob string `json:"blob"`
	Size int64  `json:"size"`
	Name string `json:"name"`
	MAC  string `json:"mac"`
}

type consentCard struct {
	Description    string `json:"description,omitempty"`
	SizeInBytes    int64  `json:"sizeInBytes"`
	AcceptContext  ticket `json:"acceptContext"`
	DeclineContext ticket `json:"declineContext"`
}

// cards makes what carries the files of a reply. used is how much of the message
// its text takes.
func (a *adapter) cards(ctx context.Context, to address, files []desk.Attachment, used int) ([]outgoingAttachment, error) {
	var out []outgoingAttachment
	for _, f := range files {
		name := fileName(f.Name, false)
		if size := int(f.Blob.Size) * 4 / 3; showable(f.ContentType) && f.Blob.Size > 0 && size < a.settings.MessageBytes/2-used {
			data, err := a.load(ctx, f.Blob)
			if err != nil {
				return nil, err
			}
			used += size
			out = append(out, outgoingAttachment{ContentType: f.ContentType, Name: name,
				ContentURL: "data:" + f.ContentType + ";base64," + base64.StdEncoding.EncodeToString(data)})
			continue
		}
		switch {
		case to.Type != typePersonal:
			return nil, desk.Permanent(fmt.Errorf("msteams: Teams takes files of a bot only in a personal chat; nothing was sent. Send it without %s", name))
		case f.Blob.Size == 0:
			return nil, desk.Permanent(fmt.Errorf("msteams: the file %s is empty and cannot be sent", name))
		case f.Blob.Size > min(a.settings.FileBytes, uploadBytes):
			return nil, desk.Permanent(fmt.Errorf("msteams: the file %s is larger than fileBytes", name))
		}
		t := ticket{Blob: f.Blob.Digest, Size: f.Blob.Size, Name: name}
		t.MAC = a.seal(t, to.Conversation)
		out = append(out, outgoingAttachment{ContentType: typeConsent, Name: name,
			Content: consentCard{SizeInBytes: t.Size, AcceptContext: t, DeclineContext: t}})
	}
	return out, nil
}

// showable are the pictures a message of a bot may hold.
func showable(contentType string) bool {
	return contentType == "image/png" || contentType == "image/jpeg" || contentType == "image/gif"
}

func (a *adapter) load(ctx context.Context, ref desk.BlobRef) ([]byte, error) {
	r, err := a.Blobs.Open(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("msteams: open a file: %w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("msteams: read a file: %w", err)
	}
	return b, nil
}

func (a *adapter) seal(t ticket, conversation string) string {
	m := hmac.New(sha256.New, a.Secret)
	m.Write([]byte(desk.Fingerprint("msteams file consent", a.Source.Name, baseConversation(conversation), t.Blob, fmt.Sprint(t.Size), t.Name)))
	return hex.EncodeToString(m.Sum(nil))
}

// consent is what an invoke of a consent card carries.
type consent struct {
	Action  loose           `json:"action"`
	Context json.RawMessage `json:"context"`
	Upload  struct {
		ContentURL loose `json:"contentUrl"`
		Name       loose `json:"name"`
		UploadURL  loose `json:"uploadUrl"`
		UniqueID   loose `json:"uniqueId"`
		FileType   loose `json:"fileType"`
	} `json:"uploadInfo"`
}

// invoked handles the customer's answer to a consent card and returns the status
// for the Connector. The card stays and can be answered again when it failed.
func (a *adapter) invoked(ctx context.Context, act *activity) (int, error) {
	if act.Name != invokeConsent {
		return http.StatusNotImplemented, nil
	}
	var c consent
	if err := json.Unmarshal(act.Value, &c); err != nil {
		return http.StatusBadRequest, errors.New("the invoke has no value that can be read")
	}
	if c.Action != "accept" {
		return http.StatusOK, nil
	}
	var t ticket
	context := c.Context
	var text string
	if json.Unmarshal(context, &text) == nil { // JSON in a JSON string
		context = json.RawMessage(text)
	}
	if json.Unmarshal(context, &t) != nil || !hmac.Equal([]byte(t.MAC), []byte(a.seal(t, string(act.Conversation.ID)))) {
		return http.StatusForbidden, errors.New("the consent is for no file of ours")
	}
	if err := a.upload(ctx, t, string(c.Upload.UploadURL)); err != nil {
		return http.StatusBadGateway, fmt.Errorf("upload: %w", err)
	}
	to := address{ServiceURL: string(act.ServiceURL), ChannelID: string(act.ChannelID), Conversation: string(act.Conversation.ID),
		Type: string(act.Conversation.Type), Tenant: act.tenant(),
		Bot:  identity{ID: string(act.Recipient.ID), Name: string(act.Recipient.Name)},
		User: identity{ID: string(act.From.ID), Name: string(act.From.Name), AAD: string(act.From.AADObjectID)}}
	info := map[string]string{"uniqueId": string(c.Upload.UniqueID), "fileType": string(c.Upload.FileType)}
	if info["fileType"] == "" {
		info["fileType"] = strings.TrimPrefix(path.Ext(t.Name), ".")
	}
	err := a.say(&call{ctx: ctx, adapter: a, attachments: []outgoingAttachment{
		{ContentType: typeInfo, ContentURL: string(c.Upload.ContentURL), Name: t.Name, Content: info}}}, to)
	if err != nil { // the file is there; only its card is not
		a.Log.Warn("msteams: show an uploaded file", "error", err)
	}
	return http.StatusOK, nil
}

// upload puts a file of ours into the customer's drive, in one piece
// (createUploadSession of Microsoft Graph). The address carries its own right.
func (a *adapter) upload(ctx context.Context, t ticket, address string) error {
	u, err := a.settings.fileHosts.check(address)
	if err != nil {
		return fmt.Errorf("its address is refused: %w", err)
	}
	ref := desk.BlobRef{Digest: t.Blob, Size: t.Size}
	if !ref.Valid() || t.Size < 1 {
		return errors.New("the file is not one of ours")
	}
	r, err := a.Blobs.Open(ctx, ref)
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(ctx, a.settings.Timeouts.Files)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, u.String(), io.NopCloser(io.LimitReader(r, t.Size)))
	if err != nil {
		return err
	}
	req.ContentLength = t.Size
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", t.Size-1, t.Size))
	res, err := a.outside.Do(req)
	if err != nil {
		return brief(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, answerBytes)); err != nil {
		return brief(err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the drive answered %d", res.StatusCode)
	}
	return nil
}
