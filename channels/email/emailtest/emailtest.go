// Package emailtest gives a test a real mail server of its own, and ways to
// break the line to it.
//
// In goes a test; out comes a *DovecotServer (the server most mailboxes run on, with
// CONDSTORE, STARTTLS, OAuth and files on disk), a *MemoryServer (go-imap's own server
// inside the process: fast, everywhere, fewer extensions) or a *Proxy in front of
// either, which cuts connections after so many bytes, swallows them, slows them.
// Mailbox is what both servers have in common, so that one test can run on both.
//
// It promises that all is stopped and removed when the test ends, and that mails
// delivered one after the other get rising UIDs in that order. Without Dovecot
// its tests are skipped in one line, or fail when
// SWITCHBOARD_REQUIRE_SERVICES=1. Methods end the test when they fail; they may
// be called from several goroutines unless they say otherwise.
//
// It knows nothing of our email channel. Standards: RFC 9051 and RFC 3501 (IMAP),
// RFC 7628 (OAUTHBEARER), the Maildir page of cr.yp.to. Tests only.
package emailtest

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// Mailbox is a mail server that a test can fill.
type Mailbox interface {
	// Addr is host:port of IMAP in the clear; STARTTLS is offered, LOGIN is
	// allowed without.
	Addr() string

	// TLSAddr is host:port of IMAP over TLS from the first byte.
	TLSAddr() string

	// CertPool trusts the server's certificate, which is made out to 127.0.0.1 and
	// localhost; TLSConfig is a client's configuration with it.
	CertPool() *x509.CertPool
	TLSConfig() *tls.Config

	// AddUser adds an account, with an INBOX, before anybody logs in as it.
	AddUser(name, password string)

	// Deliver puts a raw mail into a folder as a mail server does on arrival:
	// \Recent, unseen, INTERNALDATE now. A folder that is missing is made.
	Deliver(user, folder string, raw []byte)

	// DeliverMany is Deliver for each of the mails, in order.
	DeliverMany(user, folder string, raws ...[]byte)

	// Append puts a raw mail into a folder with the INTERNALDATE given, in whole
	// seconds.
	Append(user, folder string, date time.Time, raw []byte)
}

var (
	_ Mailbox = (*DovecotServer)(nil)
	_ Mailbox = (*MemoryServer)(nil)
)
