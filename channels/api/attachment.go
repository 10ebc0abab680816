package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"switchboard/pipeline/desk"
)

// attachmentView is a file of a message as clients see it. Name and type are the
// sender's words.
type attachmentView struct {
	Name        string `json:"name" doc:"As its sender named it."`
	ContentType string `json:"contentType" doc:"As its sender says."`
	Size        int64  `json:"size" doc:"Bytes."`
	SHA256      string `json:"sha256"`
	URL         string `json:"url,omitempty" doc:"Where its bytes are, for keys that may read the comment." example:"/v1/tickets/01K2Z7M3V0C9P4S8T6A1B2C3D4/comments/01K2Z7M3V0C9P4S8T6A1B2C3D5/attachments/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
}

func attachmentOf(m *desk.Message, a desk.Attachment) attachmentView {
	v := attachmentView{Name: a.Name, ContentType: a.ContentType, Size: a.Blob.Size, SHA256: a.Blob.Digest}
	if a.Blob.Valid() {
		v.URL = fmt.Sprintf("/v1/tickets/%s/comments/%s/attachments/%s", m.TicketID, m.ID, a.Blob.Digest)
	}
	return v
}

type attachmentInput struct {
	WhichMessage
	SHA256      string `path:"sha256" maxLength:"64" doc:"The file, by its sha256 in the comment." example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of a copy: 304 without a body while the key may still read it."`
	Range       string `header:"Range" doc:"A part of the file (RFC 9110 section 14): a download that was cut off goes on where it ended." example:"bytes=1048576-"`
}

func (s *server) routeAttachments() {
	text := func(doc string) *huma.Param {
		return &huma.Param{Description: doc, Schema: &huma.Schema{Type: "string"}}
	}
	headers := map[string]*huma.Param{
		"Content-Disposition": text("`attachment`, with the name made fit for a disk."),
		"ETag":                text("The sha256 in quotation marks."),
		"Accept-Ranges":       text("bytes"),
	}
	bytes := func(doc string) *huma.Response {
		return &huma.Response{Description: doc, Headers: headers,
			Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}
	}
	route(s, huma.Operation{
		OperationID: "getAttachment", Method: http.MethodGet, Path: "/v1/tickets/{id}/comments/{messageId}/attachments/{sha256}", Tags: []string{"comments"},
		Summary: "Read a file of a comment",
		Description: "The bytes as they came. Content-Type is what the sender says, or application/octet-stream where that is no media type: do not trust it. " +
			"404 when the comment is deleted, when the file is not on it, and when its bytes are gone; the detail says which.",
		Responses: map[string]*huma.Response{
			"200": bytes("The file."), "206": bytes("The part that Range asks for."), "304": {Description: "The copy is good."},
			"412": s.refusal("The file is not what If-Match says."), "416": s.refusal("The file has no such part."),
		},
	}, desk.ReadTickets, s.attachment)
}

// attachment opens a file of a comment. Which files there are the message says,
// never the digest alone: it must not open what another ticket has.
func (s *server) attachment(ctx context.Context, in *attachmentInput) (*huma.StreamResponse, error) {
	_, m, err := s.spoken(ctx, in.WhichMessage)
	if err != nil {
		return nil, err
	}
	if !m.DeletedAt.IsZero() {
		return nil, newProblem(http.StatusNotFound, "the comment is deleted: its attachments are hidden")
	}
	digest := strings.ToLower(in.SHA256)
	i := slices.IndexFunc(m.Attachments, func(a desk.Attachment) bool { return a.Blob.Valid() && a.Blob.Digest == digest })
	if i < 0 {
		return nil, newProblem(http.StatusNotFound, "there is no such file on this comment",
			FieldError{Field: "sha256", In: "path", Message: "names no file of this comment"})
	}
	a := m.Attachments[i]
	file, err := s.Files.OpenSeeker(ctx, a.Blob)
	if errors.Is(err, desk.ErrNotFound) {
		s.Log.ErrorContext(ctx, "api: the bytes of a file are gone", "ticket", m.TicketID, "message", m.ID, "file", a)
		return nil, newProblem(http.StatusNotFound, "the bytes of this file are gone: the comment has it, the store does not")
	}
	if err != nil {
		return nil, err
	}
	if err := whole(file, a.Blob.Size); err != nil {
		file.Close()
		return nil, fmt.Errorf("ticket %s, message %s: %w", m.TicketID, m.ID, err)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		s.stream(w, r, a, file)
	}}, nil
}

// whole refuses a file that a crash of the machine cut short: its digest would be
// a lie.
func whole(file io.Seeker, size int64) error {
	n, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("measure a file: %w", err)
	}
	if n != size {
		return fmt.Errorf("a file has %d bytes in the store, not %d", n, size)
	}
	return nil
}
