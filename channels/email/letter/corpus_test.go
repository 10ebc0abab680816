package letter

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
)

// A corpusCase is one line of a cases file; see the README of the corpus.
type corpusCase struct {
	ID     string          `json:"id"`
	Path   string          `json:"path"`
	Kind   string          `json:"kind"`
	Field  string          `json:"field"`
	Input  string          `json:"input"`
	SHA256 string          `json:"input_sha256"`
	Skip   []string        `json:"skip"`
	Expect json.RawMessage `json:"expect"`
	raw    []byte
}

func (c corpusCase) skips(field string) bool { return slices.Contains(c.Skip, field) }

// corpusDir finds the test corpus, or skips; in CI it must be there.
func corpusDir(t testing.TB) string {
	dir := os.Getenv("SWITCHBOARD_CORPUS")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for root != "/" {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "corpus")
	}
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the test corpus is missing: %v", err)
		}
		t.Skipf("no test corpus (set SWITCHBOARD_CORPUS): %v", err)
	}
	return dir
}

func corpusCases(t testing.TB, file string) []corpusCase {
	dir := corpusDir(t)
	f, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []corpusCase
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var c corpusCase
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if c.Path != "" {
			if c.raw, err = os.ReadFile(filepath.Join(dir, c.Path)); err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(c.raw); hex.EncodeToString(sum[:]) != c.SHA256 {
				t.Fatalf("%s: the input was changed on checkout", c.ID)
			}
		} else {
			c.raw = []byte(c.Input)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		t.Fatalf("%s holds no cases", file)
	}
	return out
}

// tally counts what passed and compares with the floor.
func tally(t *testing.T, set string, passed, total, floor int, failures []string) {
	t.Helper()
	t.Logf("%s: %d of %d", set, passed, total)
	if testing.Verbose() {
		for _, f := range failures {
			t.Log(f)
		}
	}
	if passed < floor {
		t.Errorf("%s: %d of %d pass, the floor is %d", set, passed, total, floor)
	}
}

// timed reads a mail and checks what every case asks.
func timed(t *testing.T, c corpusCase) *Letter {
	t.Helper()
	raw := c.raw
	if c.Kind == "tnef" {
		raw = append([]byte("Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: binary\r\n\r\n"), raw...)
	}
	begin := time.Now()
	l, err := Read(context.Background(), bytes.NewReader(raw), DefaultLimits(), nil)
	if err != nil {
		t.Fatalf("%s: %v", c.ID, err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("%s took %v", c.ID, took)
	}
	sound(t, l)
	return l
}

func foldHeader(s string) string {
	return strings.Join(strings.Fields(norm.NFC.String(s)), " ")
}

func bodyLines(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\u00a0", " ")
	var out []string
	for _, line := range strings.Split(s, "\n") {
		if line = strings.TrimRight(line, " \t\r"); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func lowerDomain(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i] + strings.ToLower(s[i:])
	}
	return s
}

func sameAddresses(got, want []Address, names bool) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i].Addr != lowerDomain(want[i].Addr) || names && foldHeader(got[i].Name) != foldHeader(want[i].Name) {
			return false
		}
	}
	return true
}

func TestCorpusMIME(t *testing.T) {
	// Of the nine that fail six are TNEF: text files that the corpus expects with
	// LF for CRLF, an OLE object with its interface ID, a winmail.dat kept whole.
	const floor = 316
	var passed, total int
	var failures []string
	fields := map[string][2]int{}
	for _, c := range corpusCases(t, "mime/cases.jsonl") {
		total++
		l := timed(t, c)
		var want struct {
			Subject     *string    `json:"subject"`
			From        *[]Address `json:"from"`
			To          *[]Address `json:"to"`
			Cc          *[]Address `json:"cc"`
			ReplyTo     *[]Address `json:"reply_to"`
			Date        *time.Time `json:"date"`
			MessageID   *string    `json:"message_id"`
			Text        *string    `json:"text"`
			Attachments []struct {
				Name   *string `json:"name"`
				SHA256 string  `json:"sha256"`
			} `json:"attachments"`
		}
		if err := json.Unmarshal(c.Expect, &want); err != nil {
			t.Fatal(err)
		}
		good := true
		check := func(field string, ok bool, got, wanted any) {
			if c.skips(field) {
				return
			}
			n := fields[field]
			n[1]++
			if ok {
				n[0]++
			} else {
				good = false
				g, _ := json.Marshal(got)
				w, _ := json.Marshal(wanted)
				failures = append(failures, c.ID+" "+field+": got "+shorten(string(g), 500)+" want "+shorten(string(w), 500))
			}
			fields[field] = n
		}
		if want.Subject != nil {
			check("subject", foldHeader(l.Subject) == foldHeader(*want.Subject), l.Subject, *want.Subject)
		}
		for _, a := range []struct {
			field string
			got   []Address
			want  *[]Address
		}{{"from", l.From, want.From}, {"to", l.To, want.To}, {"cc", l.Cc, want.Cc}, {"reply_to", l.ReplyTo, want.ReplyTo}} {
			if a.want != nil {
				check(a.field, sameAddresses(a.got, *a.want, true), a.got, *a.want)
			}
		}
		if want.Date != nil {
			check("date", l.Date.Equal(*want.Date), l.Date, *want.Date)
		}
		if want.MessageID != nil {
			check("message_id", l.MessageID == *want.MessageID, l.MessageID, *want.MessageID)
		}
		if want.Text != nil {
			check("text", bodyLines(l.Text) == bodyLines(*want.Text), l.Text, *want.Text)
		}
		for _, a := range want.Attachments {
			check("attachments", slices.ContainsFunc(l.Attachments, func(have Attachment) bool {
				return have.SHA256 == a.SHA256 && (c.Kind == "tnef" || a.Name == nil || *a.Name == have.Name)
			}), l.Attachments, a)
		}
		if good {
			passed++
		}
	}
	for _, field := range []string{"subject", "from", "to", "cc", "reply_to", "date", "message_id", "text", "attachments"} {
		t.Logf("  %s: %d of %d", field, fields[field][0], fields[field][1])
	}
	tally(t, "mime", passed, total, floor, failures)
}

func TestCorpusHeaders(t *testing.T) {
	floors := map[string]int{"address": 43, "content_type": 84, "date": 35, "id": 8, "unstructured": 21}
	for field, floor := range floors {
		t.Run(field, func(t *testing.T) {
			var passed, total int
			var failures []string
			for _, c := range corpusCases(t, "headers/"+field+".jsonl") {
				var want struct {
					Addresses []Address         `json:"addresses"`
					URLs      []string          `json:"urls"`
					Date      *time.Time        `json:"date"`
					IDs       []string          `json:"ids"`
					Text      string            `json:"text"`
					Type      *string           `json:"type"`
					Subtype   *string           `json:"subtype"`
					Params    map[string]string `json:"params"`
				}
				if err := json.Unmarshal(c.Expect, &want); err != nil {
					t.Fatal(err)
				}
				if want.URLs != nil {
					continue // List-* fields are kept as text
				}
				total++
				good := true
				value := strings.ReplaceAll(strings.ReplaceAll(c.Input, "\r\n", "\n"), "\n", " ")
				var got any
				switch field {
				case "address":
					addrs := parseAddresses(value, maxAddresses)
					got, good = addrs, sameAddresses(addrs, want.Addresses, !c.skips("name"))
				case "date":
					d := parseDate(value)
					got, good = d, want.Date == nil && d.IsZero() || want.Date != nil && d.Equal(*want.Date)
				case "id":
					ids := scanIDs(value, maxIDs)
					got, good = ids, slices.Equal(ids, want.IDs) || len(ids)+len(want.IDs) == 0
				case "unstructured":
					s := decodeText(value)
					got, good = s, foldHeader(s) == foldHeader(want.Text)
				case "content_type":
					m := parseMedia(value)
					got = m.params
					kind := ""
					if want.Type != nil {
						if kind = *want.Type; want.Subtype != nil {
							kind += "/" + *want.Subtype
						}
					}
					good = m.kind == kind
					if want.Type != nil {
						names := map[string]string{}
						for _, p := range m.params {
							if p.value != "" || want.Params[p.name] != "" {
								names[p.name] = p.value
							}
						}
						for name, value := range want.Params {
							good = good && foldHeader(names[name]) == foldHeader(value)
						}
						good = good && len(names) == len(want.Params)
					}
				}
				if good {
					passed++
				} else {
					failures = append(failures, c.ID+": got "+jsonString(got)+" want "+string(c.Expect)+" for "+jsonString(c.Input))
				}
			}
			tally(t, field, passed, total, floor, failures)
		})
	}
}

func jsonString(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestCorpusBounce(t *testing.T) {
	const floorVerdict, floorRecipients, floorStatus = 398, 364, 265
	var verdicts, total, addrs, addrTotal, statuses, statusTotal int
	var failures []string
	for _, c := range corpusCases(t, "bounce/cases.jsonl") {
		total++
		l := timed(t, c)
		var want struct {
			IsBounce   bool   `json:"is_bounce"`
			IsAuto     *bool  `json:"is_auto_reply"`
			Kind       string `json:"auto_kind"`
			Recipients []struct {
				Addr   *string `json:"addr"`
				Status string  `json:"status"`
			} `json:"recipients"`
		}
		if err := json.Unmarshal(c.Expect, &want); err != nil {
			t.Fatal(err)
		}
		a := l.Auto
		good := c.skips("is_bounce") || (a.Kind == AutoBounce) == want.IsBounce
		if want.IsAuto != nil && !c.skips("is_auto_reply") {
			good = good && (a.Kind == AutoReply) == *want.IsAuto
		}
		if want.Kind != "" && !c.skips("auto_kind") {
			kinds := map[string]string{"vacation": AutoReply, "feedback": AutoFeedback, "delivered": AutoDelivered, "delay": AutoDelay}
			good = good && a.Kind == kinds[want.Kind]
		}
		if good {
			verdicts++
		} else {
			failures = append(failures, c.ID+": "+jsonString(a)+" want "+shorten(string(c.Expect), 160)+" subject "+l.Subject)
		}
		if want.IsBounce {
			var have, asked []string
			for _, r := range want.Recipients {
				if r.Addr != nil {
					asked = append(asked, strings.ToLower(*r.Addr))
				}
			}
			for _, r := range a.Recipients {
				have = append(have, strings.ToLower(r.Addr))
			}
			sort.Strings(have)
			sort.Strings(asked)
			addrTotal++
			if len(asked) == len(want.Recipients) && slices.Equal(slices.Compact(have), slices.Compact(asked)) ||
				len(asked) < len(want.Recipients) && len(have) == len(want.Recipients) {
				addrs++
			} else {
				failures = append(failures, c.ID+" recipients: "+jsonString(have)+" want "+jsonString(asked))
			}
			for i, r := range want.Recipients {
				if r.Status == "" || c.skips("recipients["+string(rune('0'+i%10))+"].status") || i > 9 {
					continue
				}
				statusTotal++
				if slices.ContainsFunc(a.Recipients, func(h Recipient) bool {
					return h.Status == r.Status && (r.Addr == nil || strings.EqualFold(h.Addr, *r.Addr))
				}) {
					statuses++
				}
			}
		}
	}
	tally(t, "bounce verdicts", verdicts, total, floorVerdict, failures)
	tally(t, "bounce recipients", addrs, addrTotal, floorRecipients, nil)
	tally(t, "bounce statuses", statuses, statusTotal, floorStatus, nil)
}

// Mails of people must not be taken for bounces.
func TestCorpusPeopleAreNoBounces(t *testing.T) {
	const bounces = 22 // mails of these sets that are, by reading them
	var wrong []string
	total := 0
	for _, file := range []string{"mime/cases.jsonl", "reply/cases.jsonl", "forward/cases.jsonl"} {
		for _, c := range corpusCases(t, file) {
			if c.Kind != "eml" {
				continue
			}
			total++
			if l := timed(t, c); l.Auto.Kind == AutoBounce || l.Auto.Kind == AutoDelay {
				wrong = append(wrong, c.ID+": "+l.Auto.Reason+" | "+l.Subject)
			}
		}
	}
	t.Logf("%d of %d mails taken for bounces", len(wrong), total)
	if len(wrong) > bounces {
		t.Errorf("%d mails are taken for bounces, %d are:\n%s", len(wrong), bounces, strings.Join(wrong, "\n"))
	}
}
