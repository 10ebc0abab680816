package bench

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/mail"
	"regexp"
	"strings"
	"testing"
)

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// read parses a request as a server would.
func read(t *testing.T, raw []byte) (*http.Request, []byte) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

func TestHookTraffic(t *testing.T) {
	secret := newSecret()
	const n = 2000
	load, err := hookTraffic("shop", secret, "x", 1, n)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	talks, ids, owners, size := map[string]bool{}, map[string]bool{}, map[string]string{}, 0
	for _, raw := range load.requests {
		r, body := read(t, raw)
		size += len(body)
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("Webhook-Signature") != want {
			t.Fatalf("signature %q, want %q", r.Header.Get("Webhook-Signature"), want)
		}
		var m hookMessage
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		if ids[m.ID] || m.Text == "" || len(m.Text) > textBytes {
			t.Fatalf("message %+v", m)
		}
		if owner, ok := owners[m.Conversation]; ok && owner != m.From.ID {
			t.Fatalf("conversation %s belongs to %s and %s", m.Conversation, owner, m.From.ID)
		}
		ids[m.ID], talks[m.Conversation], owners[m.Conversation] = true, true, m.From.ID
	}
	if len(talks) != load.threads {
		t.Errorf("%d conversations, said to be %d", len(talks), load.threads)
	}
	// A quarter of those after the first quarter are replies.
	if replies := float64(n - load.threads); math.Abs(replies-n*3/4/4) > n/20 {
		t.Errorf("%v replies among %d", replies, n)
	}
	if mean := size / n; mean < 1800 || mean > 2200 {
		t.Errorf("mean body %d bytes", mean)
	}
}

func TestLetters(t *testing.T) {
	l := writeLetters(1000, 7, false)
	if l.threads != 751 || len(l.mails) != 1000 {
		t.Fatalf("%d threads in %d mails", l.threads, len(l.mails))
	}
	if l.mean() < 10_500 || l.mean() > 13_500 {
		t.Errorf("mean size %d bytes", l.mean())
	}
	again := writeLetters(1000, 7, false)
	seen, answers, files, same := map[string]bool{}, 0, 0, 0
	for i, raw := range l.mails {
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("mail %d: %v", i, err)
		}
		for line := range bytes.Lines(raw) {
			if !bytes.HasSuffix(line, []byte("\r\n")) || len(line) > 998 {
				t.Fatalf("mail %d: line %q", i, line)
			}
		}
		if parent := m.Header.Get("In-Reply-To"); parent != "" {
			answers++
			if !seen[parent] {
				t.Fatalf("mail %d answers %s, which comes later or never", i, parent)
			}
		}
		if strings.HasPrefix(m.Header.Get("Content-Type"), "multipart/mixed") {
			files++
		}
		if seen[m.Header.Get("Message-ID")] {
			t.Fatalf("mail %d: the same Message-ID twice", i)
		}
		seen[m.Header.Get("Message-ID")] = true
		if other, err := mail.ReadMessage(bytes.NewReader(again.mails[i])); err == nil && other.Header.Get("Message-ID") == m.Header.Get("Message-ID") {
			same++
		}
	}
	if answers != 249 || files < 70 || files > 130 || same != 1000 {
		t.Errorf("answers %d, files %d, the same again %d", answers, files, same)
	}

	early := 0
	seen = map[string]bool{}
	for _, raw := range writeLetters(1000, 7, true).mails {
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if parent := m.Header.Get("In-Reply-To"); parent != "" && !seen[parent] {
			early++
		}
		seen[m.Header.Get("Message-ID")] = true
	}
	if early < 60 {
		t.Errorf("shuffled, only %d answers come before what they answer", early)
	}
}

func TestFewLetters(t *testing.T) {
	for _, n := range []int{1, 2, 20, 21, 50} {
		if l := writeLetters(n, 1, true); len(l.mails) != n || l.threads < 1 || l.threads > n {
			t.Errorf("%d: %d mails, %d threads", n, len(l.mails), l.threads)
		}
	}
}
