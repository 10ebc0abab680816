package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// filesWithin bounds fetching all files of a message, shorter than workWithin, so
// that the message itself is still taken.
const filesWithin = 40 * time.Second

// maxFiles bounds the files of one message; Slack's own limit is ten.
const maxFiles = 50

// collected are the files of a message: those fetched, links to those kept
// elsewhere, and what went wrong in words.
type collected struct {
	files  []desk.Attachment
	links  []string
	damage []string
}

// collect fetches the files of a message into blobs. What cannot be fetched is
// told as damage; the message goes on without it. The error is that of ctx or of
// our own blobs: then nothing may be accepted.
func (a *adapter) collect(ctx context.Context, files []file) (collected, error) {
	var c collected
	within, cancel := context.WithTimeout(ctx, filesWithin)
	defer cancel()
	for i, f := range files {
		if i == maxFiles {
			c.damage = append(c.damage, fmt.Sprintf("%d more files were left out", len(files)-maxFiles))
			break
		}
		f, ref, err := a.fetch(within, f)
		name := desk.FileName(desk.Cut(cmp.Or(string(f.Name), string(f.Title), string(f.ID), "file"), 255))
		var ours *blobError
		switch {
		case ctx.Err() != nil:
			return collected{}, ctx.Err()
		case errors.As(err, &ours):
			return collected{}, err
		case errors.Is(err, errLink):
			c.links = append(c.links, "["+strings.NewReplacer("[", "(", "]", ")").Replace(name)+"]("+string(f.ExternalURL)+")")
		case err != nil:
			a.Log.Warn("slack: file not fetched", "file", string(f.ID), "err", err)
			c.damage = append(c.damage, fmt.Sprintf("the file %q could not be fetched: %v", name, errText(err)))
		default:
			kind := desk.Clean(cmp.Or(string(f.Mimetype), "application/octet-stream"))
			c.files = append(c.files, desk.Attachment{Name: name, ContentType: kind, Blob: ref})
		}
	}
	return c, nil
}

// Why a file is not here.
var (
	errLink    = errors.New("it is kept elsewhere")
	errGone    = errors.New("it was deleted in Slack")
	errHidden  = errors.New("it is hidden by Slack beyond the limit of the workspace's plan")
	errTooBig  = errors.New("it is larger than the limit fileBytes")
	errNoPlace = errors.New("no address was given for it by Slack")
)

// blobError is a failure of our own side.
type blobError struct{ err error }

func (e *blobError) Error() string { return "slack: keep a file: " + e.err.Error() }
func (e *blobError) Unwrap() error { return e.err }

// fetch brings one file, and gives it back with what Slack tells of it only when
// asked.
func (a *adapter) fetch(ctx context.Context, f file) (file, desk.BlobRef, error) {
	none := desk.BlobRef{}
	if f.Mode != "tombstone" && (f.Access == "check_file_info" || f.Private == "" && f.ID != "") {
		full, err := a.fileInfo(ctx, string(f.ID))
		if err != nil {
			return f, none, err
		}
		f = full
	}
	f.ExternalURL = cmp.Or(f.ExternalURL, f.Private)
	size, _ := strconv.ParseInt(string(f.Size), 10, 64)
	from := cmp.Or(string(f.Download), string(f.Private))
	switch {
	case f.Mode == "tombstone":
		return f, none, errGone
	case f.Mode == "hidden_by_limit":
		return f, none, errHidden
	case f.Mode == "external" && harmless(string(f.ExternalURL)):
		return f, none, errLink
	case size > a.settings.FileBytes:
		return f, none, errTooBig
	case from == "":
		return f, none, errNoPlace
	}
	u, err := url.Parse(from)
	if err != nil || !mayFetch(a.settings.APIURL, u) {
		return f, none, errElsewhere
	}
	for _, wait := range []time.Duration{0, 300 * time.Millisecond, 2 * time.Second} {
		if channels.Sleep(ctx, wait) != nil {
			return f, none, ctx.Err()
		}
		var ref desk.BlobRef
		if ref, err = a.download(ctx, from); err == nil {
			return f, ref, nil
		}
		if !again(err) {
			break
		}
	}
	return f, none, err
}

// download streams one address into a blob. slack-go checks once more that the
// token goes only to Slack or to apiURL.
func (a *adapter) download(ctx context.Context, from string) (desk.BlobRef, error) {
	r, w := io.Pipe()
	got := make(chan error, 1)
	go func() {
		err := a.files.GetFileContext(ctx, from, &capped{w: w, left: a.settings.FileBytes})
		if err != nil {
			err = &fetchError{noURL(err)}
		}
		_ = w.CloseWithError(err) // nil is the end of the file
		got <- err
	}()
	ref, err := a.Blobs.Put(ctx, r)
	_ = r.CloseWithError(io.ErrClosedPipe)
	theirs := <-got
	var fetched *fetchError
	switch {
	case err == nil:
		return ref, nil
	case errors.As(err, &fetched):
		return desk.BlobRef{}, fetched.err
	case errors.As(theirs, &fetched) && !errors.Is(theirs, io.ErrClosedPipe):
		return desk.BlobRef{}, fetched.err
	}
	return desk.BlobRef{}, &blobError{err}
}

// fetchError is a failure of Slack's side.
type fetchError struct{ err error }

func (e *fetchError) Error() string { return e.err.Error() }
func (e *fetchError) Unwrap() error { return e.err }

// capped refuses to pass on more than left bytes.
type capped struct {
	w    io.Writer
	left int64
}

func (c *capped) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		return 0, errTooBig
	}
	n, err := c.w.Write(p)
	c.left -= int64(n)
	return n, err
}

// again reports whether a second try may help.
func again(err error) bool {
	var status slackgo.StatusCodeError
	var limited *slackgo.RateLimitedError
	var ours *blobError
	switch {
	case errors.As(err, &ours), errors.Is(err, errTooBig), errors.Is(err, errElsewhere):
		return false
	case errors.As(err, &limited):
		return limited.RetryAfter <= 2*time.Second
	case errors.As(err, &status):
		return status.Code >= 500
	}
	return !strings.Contains(err.Error(), "sign-in page")
}

// errText keeps addresses out of what people read.
func errText(err error) string {
	var status slackgo.StatusCodeError
	switch {
	case errors.As(err, &status):
		return fmt.Sprintf("Slack answered %d %s", status.Code, http.StatusText(status.Code))
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long"
	}
	return desk.Clean(desk.Cut(noURL(err).Error(), 300))
}

// fileInfo asks for a file of which the event tells only the ID, as happens in
// channels shared with other workspaces.
func (a *adapter) fileInfo(ctx context.Context, id string) (file, error) {
	var answer struct {
		File file `json:"file"`
	}
	if err := a.call(ctx, "files.info", url.Values{"file": {id}}, &answer); err != nil {
		return file{}, err
	}
	return answer.File, nil
}

// harmless reports whether an address may stand in a text as a link.
func harmless(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(raw, "()<> \n\t")
}
