package bench

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"
)

// traffic makes the requests of one reading ahead of time, signed and ready to
// be written to a connection, so that the generator costs little while the
// clock runs.
type traffic struct {
	requests [][]byte
	threads  int // conversations begun: tickets there must be in the end
}

// customers is how many people write.
const customers = 5000

// textBytes is the length of a message's text.
const textBytes = 1500

// subjects are what people write about; rules and routes of the config look for
// some of their words.
var subjects = []string{
	"Question about my invoice", "The parcel has not arrived", "Cannot log in since this morning", "Refund for a broken device",
	"How do I change the address?", "Website is slow", "Outage in the shop", "Contract and terms", "Firmware update failed",
	"Password reset does not work", "Two payments for one order", "Feature idea for the app", "Delivery to another country",
	"Please cancel my subscription", "Bug on the settings page", "Where is my order?",
}

// words fill the texts.
var words = strings.Fields("the order was placed on Monday and we have not heard anything since then could you please look into it " +
	"our team needs the device before the end of this week because the old one stopped working after the last update we tried " +
	"to restart everything twice but the same message appears again when somebody opens the page from the office network " +
	"kind regards thank you for your help customer number account screen phone signal battery charger cable box label street")

type hookMessage struct {
	ID           string     `json:"id"`
	Conversation string     `json:"conversation"`
	At           int64      `json:"at"`
	From         hookPerson `json:"from"`
	Subject      string     `json:"subject"`
	Text         string     `json:"text"`
	Page         string     `json:"page"`
	Agent        string     `json:"userAgent"`
	Tags         []string   `json:"tags"`
	Nonce        string     `json:"nonce"`
}

type hookPerson struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// writer makes messages. The same seed makes the same messages.
type writer struct {
	random *mathrand.Rand
	prefix string
	began  []hookMessage // the last message of each place, for replies
	lag    int
}

// newWriter makes a writer whose replies refer to messages lag earlier; prefix
// makes the IDs its own and holds no "-".
func newWriter(prefix string, seed uint64, lag int) *writer {
	return &writer{random: mathrand.New(mathrand.NewPCG(seed, 1)), prefix: prefix, lag: max(lag, 1)}
}

// next makes a message; reply says that it belongs to an earlier conversation. A
// quarter do.
func (w *writer) next(now time.Time) (m hookMessage, reply bool) {
	n := len(w.began)
	who := w.random.IntN(customers)
	m = hookMessage{
		ID: fmt.Sprintf("%s-%d", w.prefix, n), Conversation: fmt.Sprintf("%s-talk-%d", w.prefix, n), At: now.UnixMilli(),
		From:    hookPerson{ID: fmt.Sprintf("customer-%d", who), Name: fmt.Sprintf("Customer %d", who), Email: fmt.Sprintf("customer%d@example.com", who)},
		Subject: subjects[w.random.IntN(len(subjects))], Text: w.text(textBytes), Page: fmt.Sprintf("https://shop.example.com/help/%d", w.random.IntN(1000)),
		Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Tags: []string{"web", "chat"}, Nonce: fmt.Sprintf("%016x", w.random.Uint64()),
	}
	if n >= w.lag && w.random.IntN(4) == 0 {
		earlier := w.began[n-w.lag]
		m.Conversation, m.From, m.Subject, reply = earlier.Conversation, earlier.From, "Re: "+strings.TrimPrefix(earlier.Subject, "Re: "), true
	}
	w.began = append(w.began, hookMessage{Conversation: m.Conversation, From: m.From, Subject: m.Subject})
	return m, reply
}

func (w *writer) text(length int) string {
	var b strings.Builder
	for b.Len() < length {
		b.WriteString(words[w.random.IntN(len(words))])
		if w.random.IntN(12) == 0 {
			b.WriteByte('.')
		}
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String()[:length])
}

// hookTraffic is n webhook requests to a chat source, signed as "Standard
// Webhooks" 1.0 says with a secret of the form whsec_BASE64.
func hookTraffic(source, secret, prefix string, seed uint64, n int) (*traffic, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, fmt.Errorf("bench: secret: %w", err)
	}
	w, t := newWriter(prefix, seed, min(2000, n/4)), &traffic{}
	for range n {
		now := time.Now()
		m, reply := w.next(now)
		if !reply {
			t.threads++
		}
		body, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		stamp := fmt.Sprint(now.Unix())
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", m.ID, stamp, body)
		var b bytes.Buffer
		fmt.Fprintf(&b, "POST /hooks/chat/%s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nWebhook-Id: %s\r\nWebhook-Timestamp: %s\r\n"+
			"Webhook-Signature: v1,%s\r\nContent-Length: %d\r\n\r\n%s", source, m.ID, stamp, base64.StdEncoding.EncodeToString(mac.Sum(nil)), len(body), body)
		t.requests = append(t.requests, b.Bytes())
	}
	return t, nil
}

// apiTraffic is n creates of tickets over the REST API.
func apiTraffic(key, prefix string, seed uint64, n int) (*traffic, error) {
	w, t := newWriter(prefix, seed, n), &traffic{threads: n}
	for range n {
		m, _ := w.next(time.Now())
		body, err := json.Marshal(map[string]any{"title": m.Subject, "description": m.Text, "type": "QUESTION", "tags": []string{"api"},
			"requester": map[string]string{"email": m.From.Email, "name": m.From.Name}})
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "POST /v1/tickets HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"+
			"Idempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s", key, m.ID, len(body), body)
		t.requests = append(t.requests, b.Bytes())
	}
	return t, nil
}

// newSecret is a webhook secret as senders give them out.
func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}
