package desk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strings"
)

// receiptWords matches what [ReceiptToken] makes, in any case.
var receiptWords = regexp.MustCompile(`(?i)\[([0-9a-z]{26})\.([a-z2-7]{16})\]`)

var receiptBase = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ReceiptToken makes words for a subject line that name a receipt and that only
// we can have made: "[RECEIPT.MAC]", with 80 bits of HMAC-SHA256 (RFC 2104).
// Whoever was shown them may continue the conversation from another channel.
func ReceiptToken(secret []byte, id ReceiptID) string {
	return "[" + strings.ToUpper(string(id)) + "." + receiptMAC(secret, id) + "]"
}

// FindReceipt finds the receipt that a subject names by its token. It is true
// only for one made with the same secret; an empty secret finds nothing.
func FindReceipt(secret []byte, subject string) (ReceiptID, bool) {
	if len(secret) == 0 {
		return "", false
	}
	for _, m := range receiptWords.FindAllStringSubmatch(subject, 8) {
		id := ReceiptID(strings.ToUpper(m[1]))
		if IsID(string(id)) && hmac.Equal([]byte(strings.ToLower(m[2])), []byte(receiptMAC(secret, id))) {
			return id, true
		}
	}
	return "", false
}

func receiptMAC(secret []byte, id ReceiptID) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("receipt\x00" + strings.ToUpper(string(id))))
	return receiptBase.EncodeToString(h.Sum(nil)[:10])
}
