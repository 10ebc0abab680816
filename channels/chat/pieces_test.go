package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// TestPieces: what comes after the first message of a reply waits for a service
// that is busy or away, and the first is not sent again.
func TestPieces(t *testing.T) {
	long := strings.Repeat("U", 3000) + "\n\n" + strings.Repeat("O", 3000) + "\n\n" + strings.Repeat("I", 3000)
	for via, more := range map[string]obj{
		"telegram":   {"chat": "4711"},
		"whatsapp":   {"phone": "1", "to": "2"},
		"twilio-sms": {"from": "+1", "to": "+2"},
		"discord":    {"channel": "77"},
	} {
		t.Run(via, func(t *testing.T) {
			var mu sync.Mutex
			var bodies, nonces []string
			var answers []int
			plan := func(next ...int) { mu.Lock(); defer mu.Unlock(); answers = next }
			plan(200, 429, 503, 200)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				mu.Lock()
				defer mu.Unlock()
				status := http.StatusOK
				if len(answers) > 0 {
					status, answers = answers[0], answers[1:]
				}
				if status == 0 {
					panic(http.ErrAbortHandler)
				}
				if status == http.StatusOK {
					bodies = append(bodies, string(b))
					var named struct{ Nonce string }
					_ = json.Unmarshal(b, &named)
					nonces = append(nonces, named.Nonce)
				}
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, `{"id":"%[1]d","sid":"%[1]d","messages":[{"id":"%[1]d"}],"result":{"message_id":%[1]d}}`, len(bodies))
			}))
			defer server.Close()
			w := newTown(t, tokenBlock+"send: {via: "+via+", url: '"+server.URL+"', token: tok, user: AC1}\n")
			var waited []time.Duration
			said := w.talker()
			said.sleep = func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil }
			r := replyTo(t, long, more)
			if via == "telegram" {
				ref, err := w.h.Put(t.Context(), strings.NewReader("file bytes"))
				if err != nil {
					t.Fatal(err)
				}
				r.Message.Attachments = []desk.Attachment{{Name: "a.txt", ContentType: "text/plain", Blob: ref}}
			}
			proof, err := w.sender().Send(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			taken, nonces := slices.Clone(bodies), slices.Clone(nonces)
			mu.Unlock()
			if !strings.HasSuffix(proof.ExternalID, "1") || len(taken) < 3 || !slices.Equal(waited, []time.Duration{7 * time.Second, 7 * time.Second}) {
				t.Errorf("%s after %d pieces, waited %v", proof.ExternalID, len(taken), waited)
			}
			for _, letter := range []string{"U", "O", "I"} {
				if n := strings.Count(strings.Join(taken, ""), letter); n != 3000 {
					t.Errorf("%d times %s instead of 3000", n, letter)
				}
			}
			if via == "discord" && (len(slices.Compact(slices.Sorted(slices.Values(nonces)))) != len(nonces) || slices.Contains(nonces, "") || len(slices.MaxFunc(nonces, func(a, b string) int { return len(a) - len(b) })) > 25) {
				t.Errorf("nonces %v", nonces)
			}
			// No longer than its time, and never when it may have arrived.
			var later *channels.Later
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			waited = nil
			plan(200, 429)
			if _, err := w.sender().Send(ctx, r); !errors.As(err, &later) || len(waited) > 0 {
				t.Errorf("a wait longer than its time: %v, waited %v", err, waited)
			}
			plan(200, 0)
			if _, err := w.sender().Send(t.Context(), r); !errors.Is(err, channels.ErrCutOff) || len(waited) > 0 {
				t.Errorf("cut off: %v, waited %v", err, waited)
			}
			plan(429)
			if _, err := w.sender().Send(t.Context(), r); !errors.As(err, &later) || len(waited) > 0 {
				t.Errorf("the first: %v, waited %v", err, waited)
			}
		})
	}
}

// TestTelegramTakes: a file that cannot go keeps the words from leaving.
func TestTelegramTakes(t *testing.T) {
	f := newFake(t)
	w := newTown(t, telegramBlock(f))
	r := replyTo(t, "see this", obj{"chat": "4711"})
	r.Message.Attachments = []desk.Attachment{{Name: "a.txt", Blob: desk.BlobRef{Digest: "gone", Size: 3}}}
	if _, err := w.sender().Send(t.Context(), r); err == nil || desk.IsPermanent(err) {
		t.Errorf("a file that is away: %v", err)
	}
	r.Message.Attachments = []desk.Attachment{{Name: "a.txt", Blob: desk.BlobRef{Digest: "large", Size: telegramFileBytes + 1}}}
	if _, err := w.sender().Send(t.Context(), r); !desk.IsPermanent(err) {
		t.Errorf("a file that is too large: %v", err)
	}
	if n := len(f.Sent()); n != 0 {
		t.Errorf("%d messages left", n)
	}
}
