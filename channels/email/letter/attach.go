package letter

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
)

// attach streams a part to the Sink and lists it. fallback is its name if the
// mail gives none.
func (w *reader) attach(p part, fallback string, r io.Reader) error {
	a := Attachment{Name: fileName(p), ContentType: p.typ.kind, ContentID: partID(p)}
	if a.Name == "" {
		a.Name = fallback
	}
	if a.Name == "" {
		a.Name = fmt.Sprintf("part-%d%s", p.number, extension(a.ContentType))
	}
	switch p.disp.kind {
	case "inline":
		a.Inline = true
	case "attachment":
	default:
		a.Inline = a.ContentID != "" && strings.HasPrefix(a.ContentType, "image/")
	}
	_, err := w.store(&a, r)
	return err
}

// store gives the bytes of r to the Sink and lists a.
func (w *reader) store(a *Attachment, r io.Reader) (ref string, err error) {
	m := &meter{r: r, sum: sha256.New(), left: w.limits.PartBytes}
	a.Ref, _, err = w.put(w.ctx, a.Name, a.ContentType, m)
	if w.src.failed != nil {
		return "", w.src.failed
	}
	if err != nil {
		return "", fmt.Errorf("keep attachment: %w", err)
	}
	if _, err := io.Copy(io.Discard, m); err != nil && w.src.failed != nil {
		return "", w.src.failed
	}
	if m.over {
		w.damage("the attachment %q was cut at %d bytes", a.Name, w.limits.PartBytes)
	}
	a.Ref = clean(a.Ref)
	a.Size, a.SHA256 = m.n, hex.EncodeToString(m.sum.Sum(nil))
	w.letter.Attachments = append(w.letter.Attachments, *a)
	return a.Ref, nil
}

// A meter counts, digests and bounds what is read through it.
type meter struct {
	r    io.Reader
	sum  hash.Hash
	n    int64
	left int64
	over bool
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		if !m.over {
			var one [1]byte
			n, _ := io.ReadFull(m.r, one[:])
			m.over = n > 0
		}
		return 0, io.EOF
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.sum.Write(p[:n])
	m.n += int64(n)
	m.left -= int64(n)
	return n, err
}

// enclosed keeps a whole mail as a file, named after its subject. What it says
// of itself may tell which of our mails came back.
func (w *reader) enclosed(p part) error {
	br := bufio.NewReaderSize(p.body, 8<<10)
	head, err := br.Peek(8 << 10)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) && w.src.failed != nil {
		return w.src.failed
	}
	subject, id := peekHeader(head)
	w.report.returned(id)
	p.typ.params = nil // a name parameter here is the subject, as a rule
	name := fileName(p)
	if name == "" {
		if name = baseName(strings.NewReplacer("/", "-", "\\", "-").Replace(subject)); name == "" {
			name = fmt.Sprintf("message-%d", p.number)
		}
		name = shorten(name, maxName-4)
	}
	if !strings.Contains(path.Ext(name), ".eml") && p.disp.get("filename") == "" {
		name += ".eml"
	}
	return w.attach(p, name, br)
}

// peekHeader finds subject and Message-ID in the beginning of a mail.
func peekHeader(head []byte) (subject, id string) {
	if i := bytes.Index(head, []byte("\r\n\r\n")); i >= 0 {
		head = head[:i]
	}
	if i := bytes.Index(head, []byte("\n\n")); i >= 0 {
		head = head[:i]
	}
	var name string
	var value []byte
	done := func() {
		switch name {
		case "subject":
			if subject == "" {
				subject = decodeText(string(value))
			}
		case "message-id":
			if id == "" {
				id = oneID(string(value))
			}
		}
		name, value = "", nil
	}
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, lf)
		line = bytes.TrimRight(line, "\r")
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			value = append(value, line...)
			continue
		}
		done()
		if isField(line) {
			key, v, _ := bytes.Cut(line, []byte{':'})
			name, value = strings.ToLower(string(bytes.TrimSpace(key))), bytes.Clone(v)
		}
	}
	done()
	return shorten(subject, maxSubject), id
}

// fileName is the name the mail gives a part: Content-Disposition before
// Content-Type (RFC 2183 2.3), without folders.
func fileName(p part) string {
	for _, s := range []string{p.disp.get("filename"), p.disp.get("name"), p.typ.get("name"), p.typ.get("filename")} {
		if s = baseName(s); s != "" {
			return s
		}
	}
	return ""
}

func baseName(s string) string {
	s = strings.ReplaceAll(s, "\\", "/")
	s = strings.TrimSpace(s[strings.LastIndexByte(s, '/')+1:])
	if strings.Trim(s, ".") == "" {
		return ""
	}
	if len(s) > maxName {
		ext := path.Ext(s)
		if len(ext) > 20 {
			ext = ""
		}
		s = shorten(s, maxName-len(ext)) + ext
	}
	return s
}

// partID is the Content-ID without angle brackets.
func partID(p part) string {
	if v := p.header.Get("Content-Id"); v != "" {
		return oneID(v)
	}
	return ""
}

// extension is the usual ending for a type; system tables differ by machine.
func extension(kind string) string {
	switch kind {
	case "text/plain":
		return ".txt"
	case "text/html":
		return ".html"
	case "text/calendar":
		return ".ics"
	case "text/csv":
		return ".csv"
	case "text/rfc822-headers", "message/global-headers":
		return ".txt"
	case "message/delivery-status", "message/feedback-report", "message/disposition-notification", "message/global-delivery-status":
		return ".txt"
	case "image/jpeg", "image/pjpeg":
		return ".jpg"
	case "image/png", "image/gif", "image/tiff", "image/bmp", "image/webp", "image/heic",
		"application/pdf", "application/zip", "application/rtf", "application/json", "application/xml":
		return "." + kind[strings.IndexByte(kind, '/')+1:]
	case "application/pgp-signature", "application/pgp-encrypted":
		return ".asc"
	case "application/pkcs7-signature", "application/x-pkcs7-signature":
		return ".p7s"
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return ".p7m"
	}
	return ".bin"
}
