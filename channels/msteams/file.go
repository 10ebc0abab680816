package msteams

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"

	"switchboard/pipeline/desk"
)

// typeDownload is a file a person sent in a chat: its content names an address
// from which it can be had for some minutes ("Receive files in personal chat").
const typeDownload = "application/vnd.microsoft.teams.file.download.info"

const maxRedirects = 3

// files fetches what the message refers to, at once: the addresses do not live
// long. What cannot be fetched is told in damage; an error means that our own
// blobs failed and the message must come again.
func (a *adapter) files(ctx context.Context, act *activity) (files []desk.Attachment, damage []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.settings.Timeouts.Files)
	defer cancel()
	seen := 0
	for _, f := range act.Attachments {
		address, inline := fileAddress(f)
		if address == "" {
			if words := leftOut(f); words != "" {
				damage = append(damage, words)
			}
			continue
		}
		name := fileName(string(f.Name), inline)
		if seen++; seen > a.settings.Files {
			damage = append(damage, fmt.Sprintf("the file %s was left out: more than %d files", name, a.settings.Files))
			continue
		}
		got, err := a.fetch(ctx, address, inline)
		var ours *blobError
		switch {
		case errors.As(err, &ours):
			return nil, nil, ours.err
		case err != nil:
			damage = append(damage, fmt.Sprintf("the file %s could not be fetched: %s", name, desk.Clean(err.Error())))
			continue
		}
		files = append(files, desk.Attachment{Name: name, ContentType: contentType(f, name, got.contentType, inline), Inline: inline, Blob: got.blob})
	}
	return files, damage, nil
}

// fileAddress is where an attachment's bytes are; "" when it is no file.
func fileAddress(f attachment) (address string, inline bool) {
	switch {
	case strings.EqualFold(string(f.ContentType), typeDownload):
		var content struct {
			DownloadURL loose `json:"downloadUrl"`
		}
		if json.Unmarshal(f.Content, &content) != nil || content.DownloadURL == "" {
			return "missing:", false
		}
		return string(content.DownloadURL), false
	case isPicture(f):
		return string(f.ContentURL), true
	}
	return "", false
}

func isPicture(f attachment) bool {
	return strings.HasPrefix(strings.ToLower(string(f.ContentType)), "image/") && f.ContentURL != ""
}

// leftOut says what of an attachment is not on the ticket; "" when nothing is
// missing.
func leftOut(f attachment) string {
	switch t := strings.ToLower(string(f.ContentType)); t {
	case "":
		if f.ContentURL == "" && f.Name == "" && !sets(f.Content) {
			return ""
		}
		return fmt.Sprintf("the attachment %s, of which no type is said, was left out; it is in the raw message", fileName(string(f.Name), false))
	case typeHTML, "messagereference":
		return ""
	case "reference":
		return fmt.Sprintf("the file %s is only linked, not sent: %s", fileName(string(f.Name), false), f.ContentURL)
	default:
		return "an attachment of the type " + desk.Cut(t, 100) + " was left out; it is in the raw message"
	}
}

// fetched are the bytes of a file.
type fetched struct {
	blob        desk.BlobRef
	contentType string
}

// blobError marks a failure of our own blobs.
type blobError struct{ err error }

func (e *blobError) Error() string { return e.err.Error() }

var errTooLarge = errors.New("it is larger than fileBytes")

// fetch gets one file into the blobs. Pictures lie with the Connector and need
// the bot's token, which goes to no other host; files do not.
func (a *adapter) fetch(ctx context.Context, address string, inline bool) (fetched, error) {
	if rest, ok := strings.CutPrefix(address, "data:"); ok && inline {
		return a.decode(ctx, rest)
	}
	for hop := 0; ; hop++ {
		withToken := inline
		u, err := a.settings.fileHosts.check(address)
		if inline {
			u, err = a.settings.serviceHosts.check(address)
			if err != nil {
				withToken = false
				u, err = a.settings.fileHosts.check(address)
			}
		}
		if err != nil {
			return fetched{}, fmt.Errorf("its address is refused: %w", err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return fetched{}, errors.New("its address is no web address")
		}
		if withToken {
			token, err := a.tokens.get(ctx)
			if err != nil {
				return fetched{}, err
			}
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := a.outside.Do(req)
		if err != nil {
			return fetched{}, brief(err)
		}
		if next, err := res.Location(); err == nil && res.StatusCode/100 == 3 && hop < maxRedirects {
			res.Body.Close()
			address = next.String()
			continue
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fetched{}, fmt.Errorf("the server answered %d", res.StatusCode)
		}
		if res.ContentLength > a.settings.FileBytes {
			return fetched{}, errTooLarge
		}
		blob, err := a.keep(ctx, res.Body)
		return fetched{blob, res.Header.Get("Content-Type")}, err
	}
}

// keep streams bytes into the blobs and tells a broken sender from broken blobs.
func (a *adapter) keep(ctx context.Context, r io.Reader) (desk.BlobRef, error) {
	in := &watched{r: r, left: a.settings.FileBytes}
	blob, err := a.Blobs.Put(ctx, in)
	switch {
	case in.err != nil:
		return desk.BlobRef{}, brief(in.err)
	case err != nil && (errors.Is(err, desk.ErrInvalid) || desk.IsPermanent(err)):
		return desk.BlobRef{}, err // too large for the house
	case err != nil:
		return desk.BlobRef{}, &blobError{fmt.Errorf("keep a file: %w", err)}
	}
	return blob, nil
}

// watched reads at most so many bytes and remembers what went wrong.
type watched struct {
	r    io.Reader
	left int64
	err  error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if w.left -= int64(n); w.left < 0 {
		err = errTooLarge
	}
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// decode reads a picture that is in its own address (RFC 2397).
func (a *adapter) decode(ctx context.Context, rest string) (fetched, error) {
	kind, data, ok := strings.Cut(rest, ",")
	kind, is64 := strings.CutSuffix(kind, ";base64")
	if !ok || !is64 {
		return fetched{}, errors.New("its data address cannot be read")
	}
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return fetched{}, errors.New("its data address cannot be read")
	}
	blob, err := a.keep(ctx, bytes.NewReader(b))
	return fetched{blob, kind}, err
}

// fileName makes a name fit to be shown and saved.
func fileName(s string, inline bool) string {
	s = path.Base(strings.ReplaceAll(strings.TrimSpace(desk.FileName(s)), `\`, "/"))
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	switch {
	case s != "" && s != "." && s != "/" && s != "..":
		return desk.Cut(s, 255)
	case inline:
		return "image"
	}
	return "file"
}

// contentType takes the most reliable word on what a file is: for pictures the
// server's, for files the name's, because servers call them all octet-stream.
func contentType(f attachment, name, served string, inline bool) string {
	if t, _, err := mime.ParseMediaType(served); err == nil && (inline && strings.HasPrefix(t, "image/")) {
		return t
	}
	var content struct {
		FileType loose `json:"fileType"`
	}
	if json.Unmarshal(f.Content, &content) == nil && content.FileType != "" && path.Ext(name) == "" {
		name += "." + string(content.FileType)
	}
	if t, _, err := mime.ParseMediaType(mime.TypeByExtension(path.Ext(name))); err == nil {
		return t
	}
	if t, _, err := mime.ParseMediaType(served); err == nil {
		return t
	}
	return "application/octet-stream"
}
