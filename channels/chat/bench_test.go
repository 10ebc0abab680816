package chat

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// nowhere is a ledger that keeps nothing.
type nowhere struct{ house }

func (*nowhere) Submit(context.Context, *desk.Cursor, ...*desk.Draft) ([]desk.ReceiptID, error) {
	return []desk.ReceiptID{"01ARZ3NDEKTSV4RRFFQ69G5FAV"}, nil
}

// mute is an answer nobody reads.
type mute struct {
	header http.Header
	status int
}

func (m *mute) Header() http.Header         { return m.header }
func (m *mute) Write(b []byte) (int, error) { return len(b), nil }
func (m *mute) WriteHeader(status int)      { m.status = status }

// BenchmarkTake is one signed message of 1.5 KB of text through the door, all
// but the ledger.
func BenchmarkTake(b *testing.B) {
	h := &nowhere{}
	now := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	opened, err := open(channels.Config{Source: desk.Source{Name: "shop", Channel: desk.Chat, Team: "support"}, Sink: h, Blobs: h, Limits: channels.Limits{KeepBytes: 64 << 10, TextBytes: 1 << 20},
		Now: func() time.Time { return now }, Block: block(`
signature: { scheme: standard-webhooks, secret: ` + secret + `, window: 30m }
mapping:
  id: body.id
  thread: body.conversation
  from: body.from.id
  fromName: body.from.name
  email: body.from.email
  subject: body.subject
  text: body.text
  sentAt: body.at
`)})
	if err != nil {
		b.Fatal(err)
	}
	a := opened.(*adapter)
	body := fmt.Sprintf(`{"id":"b-1","conversation":"b-talk-1","at":%d,"from":{"id":"customer-7","name":"Customer 7","email":"customer7@example.com"},`+
		`"subject":"Question about my invoice","text":%q,"page":"https://shop.example.com/help/7","userAgent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0)","tags":["web","chat"],"nonce":"0123456789abcdef"}`,
		now.UnixMilli(), strings.Repeat("the order was placed on Monday and nothing came. ", 30))
	stamp := fmt.Sprint(now.Unix())
	key, _ := webhookKey(secret)
	sig := "v1," + base64.StdEncoding.EncodeToString(sum("sha256", string(key), "b-1.", stamp, ".", body))
	at, _ := url.Parse("/hooks/chat/shop")
	header := http.Header{"Content-Type": {"application/json"}, "Webhook-Id": {"b-1"}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {sig}, "Content-Length": {fmt.Sprint(len(body))}}
	b.ReportAllocs()
	for b.Loop() {
		w := &mute{header: http.Header{}}
		a.take(w, &http.Request{Method: "POST", URL: at, Header: header, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader([]byte(body)))})
		if w.status != 200 {
			b.Fatal(w.status)
		}
	}
}
