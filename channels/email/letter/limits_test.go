package letter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func read(t *testing.T, raw string, limits Limits) *Letter {
	t.Helper()
	begin := time.Now()
	l, err := Read(context.Background(), strings.NewReader(raw), limits, nil)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	sound(t, l)
	return l
}

func damaged(l *Letter, part string) bool {
	for _, d := range l.Damage {
		if strings.Contains(d, part) {
			return true
		}
	}
	return false
}

// nest makes multiparts inside multiparts with a text in the innermost.
func nest(depth int) string {
	var b strings.Builder
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("\r\ninnermost\r\n")
	for i := depth - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "--b%d--\r\n", i)
	}
	return b.String()
}

func TestDepth(t *testing.T) {
	if l := read(t, nest(20), DefaultLimits()); l.Text != "innermost" || len(l.Damage) > 0 {
		t.Errorf("20 deep: %q %v", l.Text, l.Damage)
	}
	l := read(t, nest(8000), DefaultLimits())
	if !damaged(l, "deeper than 20") || len(l.Attachments) != 1 || l.Attachments[0].Size < 200<<10 {
		t.Errorf("8000 deep: %v %v", l.Damage, l.Attachments)
	}
}

func TestParts(t *testing.T) {
	l := read(t, "Content-Type: multipart/mixed; boundary=b\r\n\r\n"+strings.Repeat("--b\r\n\r\n", 100_000)+"--b--\r\n", DefaultLimits())
	if !damaged(l, "more than 500 parts") || len(l.Attachments) != 1 {
		t.Errorf("%v, %d attachments", l.Damage, len(l.Attachments))
	}
}

func TestHeaderTooLarge(t *testing.T) {
	big := strings.Repeat("X-Filler: "+strings.Repeat("x", 900)+"\r\n", 2500)
	l := read(t, "Subject: first\r\n"+big+"From: late@example.org\r\n\r\nbody\r\n", DefaultLimits())
	if l.Subject != "first" || l.Text != "body" || !damaged(l, "a header is larger") {
		t.Errorf("%q %q %v", l.Subject, l.Text, l.Damage)
	}
	l = read(t, "Subject: "+strings.Repeat("long ", 500_000)+"\r\n\r\nbody\r\n", DefaultLimits())
	if !strings.HasPrefix(l.Subject, "long long") || len(l.Subject) > maxSubject || l.Text != "body" {
		t.Errorf("%d %q", len(l.Subject), l.Text)
	}
	l = read(t, strings.Repeat("no header and no blank line\r\n", 100_000), DefaultLimits())
	if !strings.HasPrefix(l.Text, "no header") {
		t.Errorf("%.60q %v", l.Text, l.Damage)
	}
}

func TestTextTooLarge(t *testing.T) {
	whole := strings.Repeat("a line of text\n", 1000)
	l := read(t, "Subject: x\n\n"+whole, Limits{TextBytes: 1000})
	if len(l.Text) > 1000 || len(l.Attachments) != 1 || l.Attachments[0].Size != int64(len(whole)) || !damaged(l, "only the first") {
		t.Errorf("%d bytes of text, %+v, %v", len(l.Text), l.Attachments, l.Damage)
	}
	l = read(t, "Content-Type: application/zip\n\n"+whole, Limits{PartBytes: 1000})
	if len(l.Attachments) != 1 || l.Attachments[0].Size != 1000 || !damaged(l, "cut at 1000") {
		t.Errorf("%+v, %v", l.Attachments, l.Damage)
	}
}

// Inputs that cost other parsers seconds.
func TestTraps(t *testing.T) {
	const n = 200 << 10
	for name, raw := range map[string]string{
		"open comments":     "From: " + strings.Repeat("(", n) + "\r\n\r\nx",
		"escaped quotes":    "From: " + strings.Repeat(`"\`, n/2) + "\r\n\r\nx",
		"open brackets":     "From: " + strings.Repeat("<", n) + "\r\n\r\nx",
		"commas":            "To: " + strings.Repeat("a,", n/2) + "\r\n\r\nx",
		"at signs":          "To: " + strings.Repeat("a @ ", n/4) + "\r\n\r\nx",
		"encoded words":     "Subject: " + strings.Repeat("=?a?q?", n/6) + "\r\n\r\nx",
		"touching words":    "Subject: " + strings.Repeat("=?utf-8?q?a?=", n/13) + "\r\n\r\nx",
		"ids":               "References: " + strings.Repeat("<a@b>", n/5) + "\r\n\r\nx",
		"parameters":        "Content-Type: text/plain" + strings.Repeat(";a*0=b", n/6) + "\r\n\r\nx",
		"open tags":         "Content-Type: text/html\r\n\r\n" + strings.Repeat("<div>", n),
		"open formatting":   "Content-Type: text/html\r\n\r\n" + strings.Repeat("<b><a href=x><i>", n/16) + "x",
		"tables":            "Content-Type: text/html\r\n\r\n" + strings.Repeat("<table><tr><td>", n/15) + "x",
		"paragraphs":        "Content-Type: text/html\r\n\r\n" + strings.Repeat("<p><b>x", n/7),
		"lists":             "Content-Type: text/html\r\n\r\n" + strings.Repeat("<ul><li>x", n/9),
		"indented lines":    "Content-Type: text/html\r\n\r\n" + strings.Repeat("<blockquote>", 39) + strings.Repeat("x<br>", n/5),
		"attributes":        "Content-Type: text/html\r\n\r\n<p " + strings.Repeat("a=b ", n/4) + ">x",
		"angle brackets":    "Content-Type: text/html\r\n\r\n" + strings.Repeat("<", n),
		"entities":          "Content-Type: text/html\r\n\r\n" + strings.Repeat("&amp", n/4),
		"quotes":            "Content-Type: text/html\r\n\r\n" + strings.Repeat("<blockquote>x", n/13),
		"bad header lines":  "Subject: x\r\n" + strings.Repeat("bad\r\n", n/5) + "X-End: y\r\n\r\nx",
		"folded lines":      "Subject: x\r\n" + strings.Repeat(" y\r\n", n/4) + "\r\nx",
		"flowed":            "Content-Type: text/plain; format=flowed\r\n\r\n" + strings.Repeat("a \r\n", n/4),
		"one line":          "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.Repeat("=", n),
		"high bytes":        "Subject: x\r\n\r\n" + strings.Repeat("\xff\xe4a", n/3),
		"failing addresses": "Return-Path: <>\r\nSubject: failure notice\r\nFrom: mailer-daemon@a\r\n\r\n" + strings.Repeat("a@b.c\r\n", n/7),
		"boundary-like":     "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + strings.Repeat("--b-x\r\n", n/7),
	} {
		t.Run(name, func(t *testing.T) { read(t, raw, DefaultLimits()) })
	}
}

func TestDeepHTMLKeepsItsText(t *testing.T) {
	l := read(t, "Content-Type: text/html\r\n\r\n"+strings.Repeat("<div>", 2000)+"deep &amp; down", DefaultLimits())
	if l.Text != "deep & down" || !damaged(l, "without layout") {
		t.Errorf("%q %v", l.Text, l.Damage)
	}
}

// TestMultiplyingHTML: formatting left open is opened anew in every paragraph, by
// the parser's rules; a small mail must not fill the memory of the process.
func TestMultiplyingHTML(t *testing.T) {
	var body strings.Builder
	body.WriteString("<p>")
	for i := range 250 {
		fmt.Fprintf(&body, "<b id=x%d>\n", i)
	}
	body.WriteString(strings.Repeat("<p>word\n", 3000))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l := read(t, "Content-Type: text/html\n\n"+body.String(), DefaultLimits())
	runtime.ReadMemStats(&after)
	if n := strings.Count(l.Text, "word"); n != 3000 || !damaged(l, "without layout") {
		t.Errorf("%d words, %v", n, l.Damage)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
		t.Errorf("%d bytes of HTML took %d MB", body.Len(), took>>20)
	}
}

// TestManyHTMLBodiesBesideMuchText: what the plain text says is read once, not
// anew for each of the bodies it is compared with.
func TestManyHTMLBodiesBesideMuchText(t *testing.T) {
	var mail strings.Builder
	mail.WriteString("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n")
	for i := range 40_000 {
		fmt.Fprintf(&mail, "w%d ", i)
	}
	mail.WriteString("\n")
	for i := range 200 {
		fmt.Fprintf(&mail, "--b\nContent-Type: text/html\n\n<p>other%d words here\n", i)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l := read(t, mail.String(), DefaultLimits())
	runtime.ReadMemStats(&after)
	if !strings.Contains(l.Text, "w39999") || !strings.Contains(l.Text, "other199 words") {
		t.Errorf("%d bytes of text, %v", len(l.Text), l.Damage)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 100<<20 {
		t.Errorf("%d bytes of mail took %d MB", mail.Len(), took>>20)
	}
}

func TestErrorsAreOnlyOfTheOutside(t *testing.T) {
	broken := errors.New("line is dead")
	mail := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: image/png\r\n\r\n"
	_, err := Read(context.Background(), io.MultiReader(strings.NewReader(mail), iotest.ErrReader(broken)), DefaultLimits(), nil)
	if !errors.Is(err, broken) {
		t.Errorf("reader: %v", err)
	}
	_, err = Read(context.Background(), io.MultiReader(strings.NewReader("Subject: x\r\nFro"), iotest.ErrReader(io.ErrUnexpectedEOF)), DefaultLimits(), nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
	full := errors.New("disk is full")
	_, err = Read(context.Background(), strings.NewReader(mail+"x\r\n--b--"), DefaultLimits(), func(context.Context, string, string, io.Reader) (string, int64, error) { return "", 0, full })
	if !errors.Is(err, full) {
		t.Errorf("sink: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = Read(ctx, strings.NewReader(mail), DefaultLimits(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("context: %v", err)
	}
	if _, err = Read(context.Background(), strings.NewReader(""), Limits{}, nil); err != nil {
		t.Errorf("empty mail: %v", err)
	}
}

// However the bytes arrive, the letter is the same.
func TestSmallReads(t *testing.T) {
	for _, raw := range [][]byte{ordinaryMail(), largeMail(20 << 10), []byte(nest(5)), tnefMail(sampleTNEF())} {
		whole, err := Read(context.Background(), bytes.NewReader(raw), DefaultLimits(), nil)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := Read(context.Background(), iotest.OneByteReader(bytes.NewReader(raw)), DefaultLimits(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if jsonString(whole) != jsonString(slow) {
			t.Errorf("read slowly:\n%s\nat once:\n%s", jsonString(slow), jsonString(whole))
		}
	}
}

// Letters read at the same time do not mix.
func TestConcurrent(t *testing.T) {
	want := map[string]string{}
	mails := map[string][]byte{"a": ordinaryMail(), "b": largeMail(50 << 10), "c": []byte(nest(3)), "d": tnefMail(sampleTNEF())}
	for name, raw := range mails {
		l, err := Read(context.Background(), bytes.NewReader(raw), DefaultLimits(), nil)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = jsonString(l)
	}
	bad := make(chan string, 100)
	done := make(chan bool)
	for name, raw := range mails {
		go func() {
			for range 20 {
				l, err := Read(context.Background(), bytes.NewReader(raw), DefaultLimits(), nil)
				if err != nil || jsonString(l) != want[name] {
					bad <- name
				}
			}
			done <- true
		}()
	}
	for range mails {
		<-done
	}
	close(bad)
	for name := range bad {
		t.Errorf("mail %s came out otherwise", name)
	}
}
