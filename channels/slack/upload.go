package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	slackgo "github.com/slack-go/slack"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// outfile is a file that goes along with a reply: a blob or a text.
type outfile struct {
	name string
	size int64
	blob desk.BlobRef
	text string
}

func (a *adapter) open(ctx context.Context, f outfile) (io.ReadCloser, error) {
	if f.text != "" {
		return io.NopCloser(strings.NewReader(f.text)), nil
	}
	return a.Blobs.Open(ctx, f.blob)
}

// upload brings files to Slack, where nobody sees them until they are shared
// ("Working with files", files.getUploadURLExternal). Until then a failure has
// no effect.
func (a *adapter) upload(ctx context.Context, files []outfile) ([]slackgo.FileSummary, error) {
	var out []slackgo.FileSummary
	for _, f := range files {
		u, err := a.api.GetUploadURLExternalContext(ctx, slackgo.GetUploadURLExternalParameters{FileName: f.name, FileSize: int(f.size)})
		if err != nil {
			return nil, classify("files.getUploadURLExternal", noURL(err), false)
		}
		if u.UploadURL == "" || u.FileID == "" {
			return nil, errors.New("slack: files.getUploadURLExternal: no address in the answer")
		}
		r, err := a.open(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("slack: open a file: %w", err)
		}
		err = a.files.UploadToURL(ctx, slackgo.UploadToURLParameters{UploadURL: u.UploadURL, Reader: r, Filename: f.name})
		_ = r.Close()
		if err != nil {
			return nil, classify("upload", noURL(err), false)
		}
		out = append(out, slackgo.FileSummary{ID: u.FileID, Title: f.name})
	}
	return out, nil
}

// share shows uploaded files in the thread. When the reply began a thread of its
// own, they go below it.
func (a *adapter) share(ctx context.Context, to address, ts string, r *desk.Reply, uploads []slackgo.FileSummary) error {
	if len(uploads) == 0 {
		return nil
	}
	root := to.ThreadTS
	if root == "" {
		root = ts
	}
	if err := a.pace.turn(ctx, to.Channel); err != nil {
		return err
	}
	if err := r.Leaves(ctx); err != nil {
		return err
	}
	traced, left := traced(ctx)
	answer, err := a.api.CompleteUploadExternalContext(traced, slackgo.CompleteUploadExternalParameters{
		Files: uploads, Channel: to.Channel, ThreadTimestamp: root})
	if err != nil {
		return classify("files.completeUploadExternal", noURL(err), left.Load())
	}
	if len(answer.Files) != len(uploads) {
		return fmt.Errorf("slack: files.completeUploadExternal: %w: %d of %d files in the answer", channels.ErrCutOff, len(answer.Files), len(uploads))
	}
	return nil
}
