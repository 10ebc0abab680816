package desk

import (
	"strings"
	"testing"
)

func TestReceiptToken(t *testing.T) {
	secret := []byte("secret")
	id := NewID[ReceiptID](monday)
	token := ReceiptToken(secret, id)
	for _, subject := range []string{token, "Re: Contact us " + token, strings.ToLower("AW: " + token + " x"), "[nonsense] " + token} {
		if got, ok := FindReceipt(secret, subject); !ok || got != id {
			t.Errorf("%q: %q, %v", subject, got, ok)
		}
	}
	forged := strings.Replace(token, ".", ".a", 1)
	for _, subject := range []string{"", string(id), forged[:len(forged)-2] + "]", strings.Replace(token, string(id), string(NewID[ReceiptID](monday)), 1)} {
		if got, ok := FindReceipt(secret, subject); ok {
			t.Errorf("%q: found %q", subject, got)
		}
	}
	if _, ok := FindReceipt([]byte("other"), token); ok {
		t.Error("another installation's token was believed")
	}
	if _, ok := FindReceipt(nil, ReceiptToken(nil, id)); ok {
		t.Error("an empty secret verifies something")
	}
}
