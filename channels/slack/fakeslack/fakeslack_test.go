package fakeslack

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) *Fake {
	t.Helper()
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	f.AddUser(User{ID: "U1", Name: "Ada"})
	f.AddChannel(Channel{ID: "C1", Name: "help"})
	return f
}

// app is a program Slack sends to: it keeps requests and answers as told.
func app(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(int(n.Add(1)), w, r) }))
	t.Cleanup(s.Close)
	return s.URL
}

func client(t *testing.T, f *Fake, token string) *slackgo.Client {
	h := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	t.Cleanup(h.CloseIdleConnections)
	return slackgo.New(token, slackgo.OptionAPIURL(f.APIURL()), slackgo.OptionHTTPClient(h))
}

// TestRequestsAreSigned: what it sends passes the check of Slack's Go library,
// and it sends again three times, saying which try it is and why.
func TestRequestsAreSigned(t *testing.T) {
	f := start(t, Options{Retry: []time.Duration{0, 0, 0}, Patience: 5 * time.Second})
	var mu sync.Mutex // a try that timed out may still be in its handler
	var tries []string
	url := app(t, func(n int, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		v, err := slackgo.NewSecretsVerifier(r.Header, f.Options().SigningSecret)
		if err == nil {
			_, _ = v.Write(body)
			err = v.Ensure()
		}
		if err != nil {
			t.Errorf("signature: %v", err)
		}
		if n == 1 {
			_, _ = w.Write([]byte("challenge00000001"))
			return
		}
		mu.Lock()
		tries = append(tries, r.Header.Get("X-Slack-Retry-Num")+r.Header.Get("X-Slack-Retry-Reason"))
		mu.Unlock()
		if n == 3 {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(500)
	})
	if err := f.Connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	_, d := f.Say(t.Context(), Message{Channel: "C1", User: "U1", Text: "hi"})
	mu.Lock()
	defer mu.Unlock()
	if d.OK || len(d.Attempts) != 4 || strings.Join(tries, " ") != " 1http_error 2http_timeout 3http_error" {
		t.Errorf("%+v %q", d.Attempts, tries)
	}
}

func TestConnectWantsTheChallenge(t *testing.T) {
	f := start(t, Options{})
	url := app(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
	if err := f.Connect(t.Context(), url); !errors.Is(err, ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestTheWebAPIIsStrict(t *testing.T) {
	now := time.Now()
	f := start(t, Options{Now: func() time.Time { return now }})
	f.AddChannel(Channel{ID: "C2", Alone: true})
	f.AddChannel(Channel{ID: "C3", Archived: true})
	good, ctx := client(t, f, f.Options().BotToken), t.Context()
	text := slackgo.MsgOptionText("x", false)
	refused := func(want string, err error) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, _, err := client(t, f, "xoxb-wrong").PostMessageContext(ctx, "C1", text)
	refused("invalid_auth", err)
	_, _, err = good.PostMessageContext(ctx, "C9", text)
	refused("channel_not_found", err)
	_, _, err = good.PostMessageContext(ctx, "C2", text)
	refused("not_in_channel", err)
	_, _, err = good.PostMessageContext(ctx, "C3", text)
	refused("is_archived", err)
	_, _, err = good.PostMessageContext(ctx, "C1", slackgo.MsgOptionText(" ", false))
	refused("no_text", err)
	_, ts, err := good.PostMessageContext(ctx, "C1", text)
	if err != nil {
		t.Fatal(err)
	}
	var limited *slackgo.RateLimitedError
	if _, _, err = good.PostMessageContext(ctx, "C1", text); !errors.As(err, &limited) || limited.RetryAfter != time.Second {
		t.Errorf("twice in a second: %v", err)
	}
	now = now.Add(time.Second)
	if _, _, err = good.PostMessageContext(ctx, "C1", text, slackgo.MsgOptionTS(ts)); err != nil {
		t.Error(err)
	}
	msgs, _, _, err := good.GetConversationRepliesContext(ctx, &slackgo.GetConversationRepliesParameters{ChannelID: "C1", Timestamp: ts})
	if err != nil || len(msgs) != 2 || msgs[1].ThreadTimestamp != ts {
		t.Errorf("%d replies, %v", len(msgs), err)
	}
	_, err = good.OpenViewContext(ctx, "none", slackgo.ModalViewRequest{Type: slackgo.VTModal})
	refused("invalid_trigger_id", err)
	f.mu.Lock()
	trigger := f.trigger()
	f.mu.Unlock()
	now = now.Add(4 * time.Second)
	_, err = good.OpenViewContext(ctx, trigger, slackgo.ModalViewRequest{Type: slackgo.VTModal})
	refused("expired_trigger_id", err)
	if n := len(f.Calls("chat.postMessage")); n != 8 {
		t.Errorf("%d calls recorded", n)
	}
}

// TestFilesNeedTheToken: without it the browser's sign-in page comes, with 200.
func TestFilesNeedTheToken(t *testing.T) {
	f := start(t, Options{})
	x := f.AddFile(File{Name: "a.txt", Bytes: []byte("abc"), Mimetype: "text/plain"})
	h := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	defer h.CloseIdleConnections()
	resp, err := h.Get(f.base + "/files-pri/T-" + x.ID + "/a.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || !strings.Contains(string(b), "Sign in") {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
	var out strings.Builder
	if err := client(t, f, f.Options().BotToken).GetFileContext(t.Context(), f.base+"/files-pri/T-"+x.ID+"/a.txt", &out); err != nil || out.String() != "abc" {
		t.Errorf("%q %v", out.String(), err)
	}
}

func TestAwait(t *testing.T) {
	f := start(t, Options{})
	c := client(t, f, f.Options().BotToken)
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		done <- f.Await(ctx, func() bool { return len(f.Posts()) == 1 })
	}()
	if _, _, err := c.PostMessageContext(t.Context(), "C1", slackgo.MsgOptionText("x", false)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
