package chat

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// row is a case of the corpus.
type row struct {
	ID, Kind, Scheme, Secret, URL string
	Body                          *string
	BodyBase64                    string `json:"body_base64"`
	InputSHA256                   string `json:"input_sha256"`
	Now                           int64
	Headers                       map[string]string
	Expect                        struct {
		Valid       *bool
		IsSpam      *bool `json:"is_spam"`
		From, To    []struct{ Addr string }
		Subject     *string
		Text        *string
		Date        string
		Messages    int
		Attachments []struct {
			Name, SHA256 string
			Size         int64
		}
	}
}

func (r *row) bytes(t *testing.T) []byte {
	b := []byte(nil)
	if r.Body != nil {
		b = []byte(*r.Body)
	} else {
		var err error
		if b, err = base64.StdEncoding.DecodeString(r.BodyBase64); err != nil {
			t.Fatal(err)
		}
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != r.InputSHA256 {
		t.Fatal("the case is not what it was")
	}
	return b
}

func rows(t *testing.T, file string) []row {
	dir := os.Getenv("SWITCHBOARD_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	f, err := os.Open(filepath.Join(dir, "webhook", file))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the corpus is missing: %v", err)
		}
		t.Skipf("no corpus at %s: set SWITCHBOARD_CORPUS", dir)
	}
	defer f.Close()
	var out []row
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestCorpusSignatures: every row must be right.
func TestCorpusSignatures(t *testing.T) {
	names := map[string]string{"slack-v0": "slack", "standard-webhooks-v1": "standard-webhooks"}
	all := rows(t, "signatures.jsonl")
	if len(all) < 25 {
		t.Fatalf("only %d rows", len(all))
	}
	for _, r := range all {
		t.Run(r.ID, func(t *testing.T) {
			s := signature{Scheme: names[r.Scheme], Secret: r.Secret, Window: 5 * time.Minute}
			if err := s.compile(""); err != nil {
				t.Fatal(err)
			}
			in := &request{header: http.Header{}, body: r.bytes(t)}
			for k, v := range r.Headers {
				in.header.Set(k, v)
			}
			if err := s.verify(time.Unix(r.Now, 0), in); (err == nil) != *r.Expect.Valid {
				t.Errorf("%v, want valid %v", err, *r.Expect.Valid)
			}
		})
	}
}

// TestCorpusProviders posts the request of every mail service to a source with
// its preset and compares the draft.
func TestCorpusProviders(t *testing.T) {
	const floor = 30
	right := 0
	for _, r := range rows(t, "providers.jsonl") {
		t.Run(r.ID, func(t *testing.T) {
			if provider(t, &r); !t.Failed() {
				right++
			}
		})
	}
	if right < floor {
		t.Errorf("%d rows are right, want at least %d", right, floor)
	}
}

func provider(t *testing.T, r *row) {
	body, kind := r.bytes(t), strings.TrimPrefix(r.Kind, "provider_")
	now := time.Now()
	block := "preset: " + kind + "\nattachments: {hosts: [files.invalid]}\n"
	signed := true
	switch kind {
	case "mailgun":
		block += "signature: {secret: " + r.Secret + "}\n"
	case "simple":
		block = "signature: {scheme: mailgun, secret: " + r.Secret + "}\nmapping: {mail: body.message}\ntrustEmail: true\n"
	case "mandrill":
		block += "url: " + strings.Replace(r.URL, "http://", "https://", 1) + "\nsignature: {secret: " + r.Secret + "}\n"
	default:
		block += "signature: {user: u, secret: p}\n"
		signed = false
	}
	if fields, err := formOf(r.Headers["Content-Type"], body); err == nil && fields.Get("timestamp") != "" {
		n, err := strconv.ParseInt(fields.Get("timestamp"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		now = time.Unix(n+10, 0)
	}
	if kind == "mailgun" && r.Expect.Valid == nil { // recorded without a good one
		fields, err := url.ParseQuery(string(body))
		if err != nil {
			t.Fatal(err)
		}
		good := hex.EncodeToString(sum("sha256", r.Secret, fields.Get("timestamp"), fields.Get("token")))
		body = []byte(strings.Replace(string(body), fields.Get("signature"), good, 1))
	}
	w := newTown(t, block)
	w.a.Now = func() time.Time { return now }
	if kind == "mandrill" { // the recorded address is http, which a config may not be
		w.a.settings.Signature.url = r.URL
	}
	in := httptest.NewRequest(http.MethodPost, "/hooks/chat/shop", strings.NewReader(string(body)))
	for k, v := range r.Headers {
		in.Header.Set(k, v)
	}
	if !signed {
		in.SetBasicAuth("u", "p")
	}
	if kind == "mandrill" && r.Expect.Valid == nil { // recorded without a good one
		fields, err := url.ParseQuery(string(body))
		if err != nil {
			t.Fatal(err)
		}
		in.Header.Set("X-Mandrill-Signature", base64.StdEncoding.EncodeToString(sum("sha1", r.Secret, r.URL, sortedFields(fields, false))))
	}
	out := httptest.NewRecorder()
	w.mux.ServeHTTP(out, in)
	want := r.Expect
	if want.Valid != nil && !*want.Valid {
		if out.Code != http.StatusUnauthorized || len(w.h.drafts()) != 0 {
			t.Fatalf("%d, %d drafts; want 401", out.Code, len(w.h.drafts()))
		}
		return
	}
	if out.Code != http.StatusOK {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	drafts := w.h.drafts()
	var said answer
	if err := json.Unmarshal(out.Body.Bytes(), &said); err != nil { // the two mails of one row are the same mail twice
		t.Fatal(err)
	}
	if want.Messages > 0 && said.Accepted != want.Messages {
		t.Fatalf("%d taken, want %d", said.Accepted, want.Messages)
	}
	d := drafts[0]
	if len(want.From) > 0 && d.From.Handle != want.From[0].Addr {
		t.Errorf("from %q", d.From.Handle)
	}
	for _, x := range want.To {
		if !slices.ContainsFunc(d.To, func(p desk.Party) bool { return p.Handle == x.Addr }) {
			t.Errorf("to %v, want %v", d.To, x.Addr)
		}
	}
	if want.Subject != nil && d.Subject != *want.Subject {
		t.Errorf("subject %q", d.Subject)
	}
	if want.Text != nil && !slices.Equal(bodyLines(d.Text), bodyLines(*want.Text)) {
		t.Errorf("text %q, want %q", d.Text, *want.Text)
	}
	if want.Date != "" && d.SentAt.UTC().Format(time.RFC3339) != want.Date {
		t.Errorf("date %v, want %v", d.SentAt.UTC(), want.Date)
	}
	if want.IsSpam != nil && (d.Headers["x-spam-flag"] == "YES") != *want.IsSpam {
		t.Errorf("spam %v", d.Headers)
	}
	for _, x := range want.Attachments {
		if !slices.ContainsFunc(d.Attachments, func(a desk.Attachment) bool {
			return a.Name == x.Name && sameFile(w.h.bytes(t, a.Blob), x.SHA256)
		}) {
			t.Errorf("no file %+v in %+v", x, d.Attachments)
		}
	}
	if !d.Raw.Valid() || d.ExternalID == "" || d.Thread.Key == "" {
		t.Errorf("not complete: %+v", d)
	}
	if _, err := w.h.Open(context.Background(), d.Raw); err != nil {
		t.Error(err)
	}
}

// bodyLines are the lines to compare: trimmed at their ends, without empty ones.
func bodyLines(s string) []string {
	var out []string
	for line := range strings.Lines(strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "\u00a0", " ")) {
		if line = strings.TrimRight(line, " \t\n"); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// sameFile compares by digest. The requests were recorded with line ends other
// than those the expectations count with.
func sameFile(b, want string) bool {
	lf := strings.ReplaceAll(b, "\r\n", "\n")
	for _, x := range []string{b, lf, lf + "\n", strings.ReplaceAll(lf, "\n", "\r\n")} {
		if digest := sha256.Sum256([]byte(x)); hex.EncodeToString(digest[:]) == want {
			return true
		}
	}
	return false
}
