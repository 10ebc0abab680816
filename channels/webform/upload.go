package webform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// basket collects the files of one submission within the form's limits.
type basket struct {
	limits upload
	blobs  channels.Blobs
	files  map[string][]desk.Attachment // by field
	wrong  wrongs                       // by field; the first problem counts
	count  int
	bytes  int64
}

func newBasket(limits upload, blobs channels.Blobs) *basket {
	return &basket{limits: limits, blobs: blobs, files: map[string][]desk.Attachment{}, wrong: wrongs{}}
}

func (b *basket) held(field string) int { return len(b.files[field]) }

func (b *basket) refuse(field string, p *problem) {
	if b.wrong[field] == nil {
		b.wrong[field] = p
	}
}

// errClient wraps what went wrong on the side of whoever sends: a connection
// that broke, a body that ends early.
var errClient = errors.New("the body cannot be read")

// errUnread wraps what went wrong on ours: there is no room for the body.
var errUnread = errors.New("the body is not read")

// cutOff says whose fault it is that reading a body failed.
func cutOff(err error) error {
	if errors.Is(err, desk.ErrBusy) {
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	return fmt.Errorf("%w: %w", errClient, err)
}

// add streams a file into a blob, byte for byte, if the form takes it. What is
// refused becomes a problem of the field and leaves no blob; an error is one that
// ends the request.
func (b *basket) add(ctx context.Context, field, name string, r io.Reader) error {
	name = cleanName(name)
	if b.count >= b.limits.files {
		b.refuse(field, bad("too many files", fmt.Sprint(b.limits.files)))
		return nil
	}
	m := &meter{r: r, left: min(b.limits.fileBytes, b.limits.totalBytes-b.bytes)}
	head := make([]byte, headSize)
	n, err := io.ReadFull(m, head)
	head = head[:n]
	media, known := b.limits.types.media(name, head)
	switch {
	case m.over:
		b.tooLarge(field, name)
		return nil
	case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF || m.failed != nil:
		return cutOff(errors.Join(err, m.failed))
	case n == 0:
		b.refuse(field, bad("file empty", name))
		return nil
	case !known:
		b.refuse(field, bad("file type", name))
		return nil
	}
	ref, err := b.blobs.Put(ctx, io.MultiReader(bytes.NewReader(head), m))
	switch {
	case m.over:
		b.tooLarge(field, name)
		return nil
	case m.failed != nil:
		return cutOff(m.failed)
	case errors.Is(err, desk.ErrInvalid): // larger than any blob may be
		b.tooLarge(field, name)
		return nil
	case err != nil:
		return fmt.Errorf("webform: keep a file: %w", err)
	}
	b.take(field, desk.Attachment{Name: name, ContentType: media, Blob: ref})
	return nil
}

// again takes a file that is a blob already, and puts it again: bytes that no row
// refers to yet are kept for as long as they are young. Where they are gone the
// field asks for the file once more. The error is one that ends the request; the
// file is still offered on the page that says so.
func (b *basket) again(ctx context.Context, k keptFile) error {
	switch {
	case b.count >= b.limits.files:
		b.refuse(k.Field, bad("too many files", fmt.Sprint(b.limits.files)))
		return nil
	case k.File.Blob.Size > b.limits.totalBytes-b.bytes:
		b.tooLarge(k.Field, k.File.Name)
		return nil
	}
	err := b.renew(ctx, k.File.Blob)
	if errors.Is(err, desk.ErrNotFound) {
		b.refuse(k.Field, bad("file gone", k.File.Name))
		return nil
	}
	b.take(k.Field, k.File)
	return err
}

// renew puts a blob again, which makes it young. Bytes that are not there, or are
// others than they were, are desk.ErrNotFound.
func (b *basket) renew(ctx context.Context, ref desk.BlobRef) error {
	r, err := b.blobs.Open(ctx, ref)
	if err != nil {
		return fmt.Errorf("webform: a file that was kept: %w", err)
	}
	defer r.Close()
	now, err := b.blobs.Put(ctx, r)
	if err == nil && now != ref {
		err = desk.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("webform: keep a file again: %w", err)
	}
	return nil
}

func (b *basket) take(field string, a desk.Attachment) {
	b.files[field] = append(b.files[field], a)
	b.count++
	b.bytes += a.Blob.Size
}

func (b *basket) tooLarge(field, name string) {
	if b.limits.totalBytes-b.bytes < b.limits.fileBytes {
		b.refuse(field, bad("files too large", size(b.limits.totalBytes)))
		return
	}
	b.refuse(field, bad("file too large", name, size(b.limits.fileBytes)))
}

// meter lets left bytes through and tells why it ended.
type meter struct {
	r      io.Reader
	left   int64
	over   bool
	failed error
}

func (m *meter) Read(p []byte) (int, error) {
	if m.failed != nil {
		return 0, m.failed
	}
	n, err := m.r.Read(p)
	if m.left -= int64(n); m.left < 0 {
		m.over, m.failed = true, errors.New("too large")
		return 0, m.failed
	}
	if err != nil && err != io.EOF {
		m.failed = err
	}
	return n, err
}

// maxName bounds the name of a file, in bytes.
const maxName = 150

// cleanName makes a name that is only a name: no folder, nothing that controls,
// breaks or turns the writing around, no dot in front, no blanks at the ends. It
// keeps the ending when it cuts.
func cleanName(s string) string {
	s = desk.Clean(s)
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), unicode.Is(unicode.Cf, r) && r != '\u200d':
			return -1
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, s)
	s = strings.TrimRight(strings.TrimLeft(s, ". "), ". ")
	if len(s) > maxName {
		ext := path.Ext(s)
		if len(ext) > 20 {
			ext = ""
		}
		s = desk.Cut(strings.TrimSuffix(s, ext), maxName-len(ext)) + ext
	}
	if s == "" {
		return "file"
	}
	return s
}
