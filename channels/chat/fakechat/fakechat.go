// Package fakechat is six chat services on this machine, strict where they are
// strict: one that calls a webhook signed by Standard Webhooks and takes signed
// callbacks, Telegram's Bot API, WhatsApp's Cloud API, and what Crisp, Chatwoot
// and Intercom have for answers. Tests and the demo use it.
//
// What goes in: what customers say ([Fake.Post], [Fake.Telegram],
// [Fake.WhatsApp]) and the desk's requests. What comes out: signed requests to
// the desk, as the services send them; a record of what the desk sent
// ([Fake.Sent]).
//
// What it promises: it listens on loopback only. It refuses what the services
// refuse: a wrong token, a bad, old or missing signature, a text that is too
// long, tags Telegram does not know, a file nobody has. Everything is safe for
// concurrent use; Close ends every goroutine.
//
// What it may not know: anything of ours. It speaks to the desk over HTTP alone.
//
// Standards: "Standard Webhooks" 1.0, Telegram's "Bot API", WhatsApp's "Cloud
// API". To add a service: a file with its routes and its way of calling the desk.
package fakechat

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Secrets the services share with the desk.
const (
	HookSecret     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // of what we send
	CallbackSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" // of what the desk sends
	TelegramSecret = "telegram-secret"
	TelegramToken  = "4242:AAtoken"
	AppSecret      = "whatsapp-app-secret"
	AccessToken    = "whatsapp-access"
	VerifyToken    = "whatsapp-verify"
	Phone          = "106540352242922" // our WhatsApp number's ID
)

// Sent is one message the desk sent.
type Sent struct {
	Via      string // callback, telegram, whatsapp, crisp, chatwoot or intercom
	To       string // thread, chat or phone
	Topic    string // Telegram's message_thread_id
	Answers  string // the message it answers
	Text     string // as it came, in the service's notation
	ID       string // what the service called it
	Key      string // webhook-id of a callback
	Files    map[string][]byte
	Callback map[string]any
	Edited   bool // Text is not the first
	Removed  bool
}

// Fault is how the service answers instead.
type Fault struct {
	Status int           // 0: the connection is cut after the request was read
	After  time.Duration // Retry-After of a 429
}

// Fake is the running services.
type Fake struct {
	base   string
	server *http.Server
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	changed chan struct{}
	sent    []Sent
	faults  []Fault
	files   map[string][]byte
	keys    map[string]string
	serial  int
}

// New starts the services. A nil clock is the real one.
func New(now func() time.Time) (*Fake, error) {
	if now == nil {
		now = time.Now
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fakechat: %w", err)
	}
	f := &Fake{base: "http://" + l.Addr().String(), client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}, now: now,
		changed: make(chan struct{}), files: map[string][]byte{}, keys: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callback", f.failing(f.callback))
	mux.HandleFunc("POST /telegram/{bot}/{method}", f.failing(f.bot))
	mux.HandleFunc("GET /telegram/{bot}/getFile", f.getFile)
	mux.HandleFunc("GET /telegram/file/{bot}/{name...}", f.download)
	mux.HandleFunc("POST /whatsapp/{phone}/messages", f.failing(f.cloud))
	mux.HandleFunc("GET /whatsapp/{id}", f.media)
	f.desks(mux)
	f.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = f.server.Serve(l) }() // ends with Close
	return f, nil
}

// Close ends the services.
func (f *Fake) Close() {
	_ = f.server.Close()
	f.client.CloseIdleConnections()
}

// CallbackURL, TelegramURL and WhatsAppURL are for send.url.
func (f *Fake) CallbackURL() string { return f.base + "/callback" }

// TelegramURL is the address of the Bot API.
func (f *Fake) TelegramURL() string { return f.base + "/telegram" }

// WhatsAppURL is the address of the Cloud API.
func (f *Fake) WhatsAppURL() string { return f.base + "/whatsapp" }

// Fail lets the next requests to send fail, in order.
func (f *Fake) Fail(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

// Sent lists what the desk sent, oldest first.
func (f *Fake) Sent() []Sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Sent(nil), f.sent...)
}

// Await waits until the desk sent n messages.
func (f *Fake) Await(ctx context.Context, n int) ([]Sent, error) {
	for {
		f.mu.Lock()
		sent, changed := append([]Sent(nil), f.sent...), f.changed
		f.mu.Unlock()
		if len(sent) >= n {
			return sent, nil
		}
		select {
		case <-ctx.Done():
			return sent, fmt.Errorf("fakechat: %d of %d messages: %w", len(sent), n, ctx.Err())
		case <-changed:
		}
	}
}

// AddFile makes a file that customers send; the services know it by the id.
func (f *Fake) AddFile(id string, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[id] = b
}

func (f *Fake) file(id string) ([]byte, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.files[id]
	return b, ok
}

func (f *Fake) took(s Sent) Sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serial++
	s.ID = s.ID + strconv.Itoa(9000+f.serial)
	f.sent = append(f.sent, s)
	close(f.changed)
	f.changed = make(chan struct{})
	return s
}

// failing applies the faults.
func (f *Fake) failing(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		var fault *Fault
		if len(f.faults) > 0 {
			fault = &f.faults[0]
			f.faults = f.faults[1:]
		}
		f.mu.Unlock()
		switch {
		case fault == nil:
			next(w, r)
		case fault.Status == 0:
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		default:
			if fault.After > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int(fault.After/time.Second)))
			}
			refuse(w, fault.Status, "told to fail")
		}
	}
}

func refuse(w http.ResponseWriter, status int, why string) {
	tell(w, status, map[string]any{"ok": false, "error_code": status, "description": why, "error": map[string]any{"message": why}})
}

func tell(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// StandardSignature signs as "Standard Webhooks" 1.0 says.
func StandardSignature(secret, id string, at time.Time, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// HubSignature is X-Hub-Signature-256 of a body.
func HubSignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Post calls the desk's webhook with v as JSON, signed by Standard Webhooks.
func (f *Fake) Post(ctx context.Context, hook, id string, v any) (status int, answer string, err error) {
	body, err := json.Marshal(v)
	if err != nil {
		return 0, "", err
	}
	now := f.now()
	return f.call(ctx, hook, body, map[string]string{"Webhook-Id": id, "Webhook-Timestamp": strconv.FormatInt(now.Unix(), 10),
		"Webhook-Signature": StandardSignature(HookSecret, id, now, body)})
}

func (f *Fake) call(ctx context.Context, hook string, body []byte, header map[string]string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, hook, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return 0, "", fmt.Errorf("fakechat: call the desk: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(b), err
}

// callback takes a reply of the desk, once for each webhook-id.
func (f *Fake) callback(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 10<<20))
	if err != nil {
		refuse(w, http.StatusBadRequest, "cut off")
		return
	}
	id := r.Header.Get("Webhook-Id")
	n, err := strconv.ParseInt(r.Header.Get("Webhook-Timestamp"), 10, 64)
	at := time.Unix(n, 0)
	if age := f.now().Sub(at); err != nil || id == "" || age > 5*time.Minute || age < -5*time.Minute ||
		!hmac.Equal([]byte(r.Header.Get("Webhook-Signature")), []byte(StandardSignature(CallbackSecret, id, at, body))) {
		refuse(w, http.StatusUnauthorized, "the signature is wrong")
		return
	}
	var v map[string]any
	if json.Unmarshal(body, &v) != nil || v["type"] != "message.reply" || v["thread"] == "" {
		refuse(w, http.StatusUnprocessableEntity, "not a reply")
		return
	}
	f.mu.Lock()
	first := f.keys[id]
	f.mu.Unlock()
	if first == "" {
		text, _ := v["text"].(string)
		to, _ := v["thread"].(string)
		answers, _ := v["inReplyTo"].(string)
		first = f.took(Sent{Via: "callback", To: to, Answers: answers, Text: text, ID: "cb", Key: id, Callback: v}).ID
		f.mu.Lock()
		f.keys[id] = first
		f.mu.Unlock()
	}
	tell(w, http.StatusOK, map[string]any{"id": first})
}
