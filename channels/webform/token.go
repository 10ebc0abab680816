package webform

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// signer makes and reads what we hand to strangers and want back unchanged
// (HMAC-SHA256, RFC 2104): a form's token, the address of a receipt, a file that
// is here already. Each has a key of its own, tied to the source.
type signer struct{ form, receipt, file []byte }

func newSigner(secret []byte, source string) signer {
	key := func(use string) []byte { return sum(secret, []byte("webform "+use+" 1\x00"+source)) }
	return signer{key("form"), key("receipt"), key("file")}
}

// sum is the HMAC of parts, each with its length.
func sum(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return h.Sum(nil)
}

var (
	errToken    = errors.New("the token is not ours, or too old")
	errNoToken  = fmt.Errorf("%w: there is none", errToken)
	errOldToken = fmt.Errorf("%w: its time is over", errToken)
	errFast     = errors.New("it came faster than people write")
	errBait     = errors.New("the field people do not see was filled in")
)

const (
	macSize = 16
	// skew is how far the clocks of two of our processes may be apart: each may
	// be wrong by two minutes, and a little is left.
	skew = 5 * time.Minute
)

var encoding = base64.RawURLEncoding

// token makes a form's token: when it was made and a number that is used once,
// signed for this form of this source.
func (s signer) token(form string, now time.Time) string {
	body := make([]byte, 8+16, 8+16+macSize)
	binary.BigEndian.PutUint64(body, uint64(now.UnixMilli()))
	rand.Read(body[8:])
	return encoding.EncodeToString(append(body, sum(s.form, []byte(form), body)[:macSize]...))
}

// readToken checks a form's token and returns its number, which names what is
// sent with it: sending it twice is the same message. age bounds how old and how
// young it may be. On errFast the token is good and the number is returned too.
func (s signer) readToken(form, token string, now time.Time, age spam) (id string, err error) {
	if token == "" {
		return "", errNoToken
	}
	b, err := encoding.DecodeString(token)
	if err != nil || len(b) != 8+16+macSize {
		return "", errToken
	}
	body, mac := b[:24], b[24:]
	if !hmac.Equal(mac, sum(s.form, []byte(form), body)[:macSize]) {
		return "", errToken
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(body)))
	switch old := now.Sub(made); {
	case old < -skew:
		return "", errToken
	case old > age.tokenLife:
		return "", errOldToken
	case old < 0:
		// Made by a process whose clock is ahead of ours: nobody can say how fast
		// it was, and nobody but us can make such a token.
	case old < age.minTime:
		return hex.EncodeToString(body[8:]), errFast
	}
	return hex.EncodeToString(body[8:]), nil
}

// receiptToken is the part of a receipt's address that only whoever sent the
// form knows.
func (s signer) receiptToken(form string, id desk.ReceiptID) string {
	body := form + "." + string(id)
	return encoding.EncodeToString([]byte(body)) + "." + encoding.EncodeToString(sum(s.receipt, []byte(body))[:macSize])
}

func (s signer) readReceipt(token string) (form string, id desk.ReceiptID, ok bool) {
	first, second, _ := strings.Cut(token, ".")
	body, err := encoding.DecodeString(first)
	mac, err2 := encoding.DecodeString(second)
	if err != nil || err2 != nil || len(token) > 300 || !hmac.Equal(mac, sum(s.receipt, body)[:macSize]) {
		return "", "", false
	}
	form, receipt, _ := strings.Cut(string(body), ".")
	return form, desk.ReceiptID(receipt), desk.IsID(receipt)
}

// keptFile names a file that is a blob already, so that a form that comes back
// with a mistake in it need not bring its files again. It is worth nothing for
// another form or once it is as old as a token may be.
type keptFile struct {
	Field string          `json:"f"`
	Form  string          `json:"o"`
	File  desk.Attachment `json:"a"`
	Until int64           `json:"u"` // Unix seconds
}

func (s signer) keep(k keptFile) string {
	body, err := json.Marshal(k)
	if err != nil {
		return "" // plain data of our own
	}
	return encoding.EncodeToString(body) + "." + encoding.EncodeToString(sum(s.file, body)[:macSize])
}

func (s signer) readKept(form, token string, now time.Time) (keptFile, bool) {
	first, second, _ := strings.Cut(token, ".")
	body, err := encoding.DecodeString(first)
	mac, err2 := encoding.DecodeString(second)
	var k keptFile
	if err != nil || err2 != nil || len(token) > 4000 || !hmac.Equal(mac, sum(s.file, body)[:macSize]) || json.Unmarshal(body, &k) != nil {
		return keptFile{}, false
	}
	return k, k.Form == form && now.Unix() <= k.Until && k.File.Blob.Valid()
}
