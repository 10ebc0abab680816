package desk

import (
	"encoding/hex"
	"log/slog"
)

// BlobRef names bytes in the blob store by the lower-case hex SHA-256 of their
// content. The zero BlobRef names nothing.
type BlobRef struct {
	Digest string `json:"sha256"`
	Size   int64  `json:"size"`
}

// IsZero reports whether the reference names nothing.
func (b BlobRef) IsZero() bool { return b.Digest == "" }

// Valid reports whether the digest has the form of a SHA-256 in lower-case hex;
// only such references may touch a path.
func (b BlobRef) Valid() bool {
	if len(b.Digest) != 64 {
		return false
	}
	for _, c := range b.Digest {
		if c >= 'A' && c <= 'F' {
			return false
		}
	}
	_, err := hex.DecodeString(b.Digest)
	return err == nil
}

// Attachment is a file of a message. Its bytes are a blob.
type Attachment struct {
	Name        string  `json:"name"`
	ContentType string  `json:"contentType"`
	ContentID   string  `json:"contentId,omitempty"` // without angle brackets, RFC 2392
	Inline      bool    `json:"inline,omitempty"`
	Blob        BlobRef `json:"blob"`
}

// LogValue keeps file names out of logs.
func (a Attachment) LogValue() slog.Value {
	return slog.GroupValue(slog.String("type", a.ContentType), slog.Int64("size", a.Blob.Size))
}
