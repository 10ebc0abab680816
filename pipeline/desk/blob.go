package desk

import (
	"crypto/sha256"
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

// Kept are bytes small enough to be written with the ledger row that needs them,
// in its own transaction, instead of into a blob before it.
type Kept struct {
	Ref   BlobRef
	Bytes []byte
}

// Keep returns bytes, never nil, with the reference that names them.
func Keep(b []byte) Kept {
	if b == nil {
		b = []byte{}
	}
	return Kept{BlobRef{Digest: digestOf(b), Size: int64(len(b))}, b}
}

// digestOf is the SHA-256 of bytes in hex.
func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum[:])
	return string(text[:])
}

// List is what [Draft.Kept] of a message that refers to k is: nothing when its
// bytes are a blob already.
func (k Kept) List() []Kept {
	if k.Bytes == nil {
		return nil
	}
	return []Kept{k}
}
