package bench

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"switchboard/workers/broker/program"
	"switchboard/workers/broker/program/programtest"
)

// TestServeMailbox: the server for machines without Dovecot shows every mail.
func TestServeMailbox(t *testing.T) {
	dir := t.TempDir()
	for i, mail := range writeLetters(30, 1, false).mails {
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))), mail, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &postOffice{mailbox: mailbox{Port: program.FreePort(), User: "u", Password: "p w"}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeMailbox(ctx, p.addr(), dir, p.User, p.Password) }()
	for deadline := time.Now().Add(2 * time.Minute); p.greets(ctx) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not greet")
		}
	}
	if err := p.look(30); err != nil {
		t.Error(err)
	}
	if err := p.look(31); err == nil {
		t.Error("it shows 31 mails of 30")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestDovecot: the private Dovecot shows every mail, and is gone when stopped.
func TestDovecot(t *testing.T) {
	programtest.Need(t, "dovecot", "dovecot-imapd")
	p, err := openPostOffice(t.Context(), Common{}, programtest.Folder(t), writeLetters(30, 1, false).mails)
	if err != nil {
		t.Fatal(err)
	}
	p.stop()
	if err := p.look(30); err == nil {
		t.Error("it still answers")
	}
}
