package email

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"switchboard/pipeline/desk"
)

// Tokens are how an answer names its ticket without our having to believe a
// stranger: a message ID or a reply address that carries a ticket ID and an
// HMAC-SHA256 (RFC 2104) over it, made with the installation's secret. They are
// base 32, so that a mail server which lower-cases or upper-cases a local part
// breaks nothing. Verification takes the same time whatever the guess.
//
//	<t.TICKET.MESSAGE.MAC@domain>     ULID, ULID, 120 bits
//	support+t.TICKETMAC@domain        ULID, 80 bits; at most 64 octets (RFC 5321 4.5.3.1.1)
const (
	idPrefix  = "t."
	tagPrefix = "+t."

	idMAC  = 15 // bytes
	tagMAC = 10

	ulidLen       = 26
	maxLocalOctet = 64
)

var base = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// MessageID makes the Message-ID, without angle brackets, of a message we send
// on a ticket.
func MessageID(secret []byte, ticket desk.TicketID, message desk.MessageID, domain string) string {
	t, m := strings.ToLower(string(ticket)), strings.ToLower(string(message))
	return idPrefix + t + "." + m + "." + mac(secret, idMAC, "message-id", t, m) + "@" + domain
}

// VerifyMessageID reads a message ID, with or without angle brackets. It is
// true only for one that [MessageID] made with the same secret; an empty secret
// verifies nothing.
func VerifyMessageID(secret []byte, id string) (desk.TicketID, desk.MessageID, bool) {
	local, _, ok := strings.Cut(strings.Trim(id, "<> "), "@")
	if !ok || len(secret) == 0 {
		return "", "", false
	}
	local, ok = strings.CutPrefix(strings.ToLower(local), idPrefix)
	if !ok {
		return "", "", false
	}
	parts := strings.Split(local, ".")
	if len(parts) != 3 || !desk.IsID(parts[0]) || !desk.IsID(parts[1]) {
		return "", "", false
	}
	if !hmac.Equal([]byte(parts[2]), []byte(mac(secret, idMAC, "message-id", parts[0], parts[1]))) {
		return "", "", false
	}
	return desk.TicketID(strings.ToUpper(parts[0])), desk.MessageID(strings.ToUpper(parts[1])), true
}

// ReplyAddress puts a ticket's token into an address of ours: answers to it
// name the ticket. It returns address unchanged when the token does not fit its
// local part or the ticket has no ULID.
func ReplyAddress(secret []byte, address string, ticket desk.TicketID) string {
	local, domain, ok := cutAddress(address)
	t := strings.ToLower(string(ticket))
	if !ok || len(t) != ulidLen || !desk.IsID(t) {
		return address
	}
	local += tagPrefix + t + mac(secret, tagMAC, "reply-address", t)
	if len(local) > maxLocalOctet {
		return address
	}
	return local + "@" + domain
}

// VerifyReplyAddress reads an address. It is true only for one whose token
// [ReplyAddress] made with the same secret, whatever stands before the token; an
// empty secret verifies nothing.
func VerifyReplyAddress(secret []byte, address string) (desk.TicketID, bool) {
	local, _, ok := cutAddress(strings.ToLower(address))
	i := strings.LastIndex(local, tagPrefix)
	if !ok || i < 0 || len(secret) == 0 {
		return "", false
	}
	token := local[i+len(tagPrefix):]
	if len(token) != ulidLen+base.EncodedLen(tagMAC) || !desk.IsID(token[:ulidLen]) {
		return "", false
	}
	if !hmac.Equal([]byte(token[ulidLen:]), []byte(mac(secret, tagMAC, "reply-address", token[:ulidLen]))) {
		return "", false
	}
	return desk.TicketID(strings.ToUpper(token[:ulidLen])), true
}

// mac digests a purpose and its parts, so that a token made for one purpose is
// none for another.
func mac(secret []byte, size int, purpose string, parts ...string) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("switchboard email " + purpose))
	for _, p := range parts {
		h.Write([]byte{0})
		h.Write([]byte(p))
	}
	return base.EncodeToString(h.Sum(nil)[:size])
}

// cutAddress cuts at the last @ (a quoted local part may hold others).
func cutAddress(address string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(address, '@')
	if i <= 0 || i == len(address)-1 {
		return "", "", false
	}
	return address[:i], address[i+1:], true
}
