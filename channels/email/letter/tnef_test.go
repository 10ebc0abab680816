package letter

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"
)

// A tnefWriter makes winmail.dat files for tests.
type tnefWriter struct{ bytes.Buffer }

func (t *tnefWriter) attribute(level byte, id uint32, data []byte) {
	t.WriteByte(level)
	binary.Write(t, binary.LittleEndian, id)
	binary.Write(t, binary.LittleEndian, uint32(len(data)))
	t.Write(data)
	var sum uint16
	for _, c := range data {
		sum += uint16(c)
	}
	binary.Write(t, binary.LittleEndian, sum)
}

func mapiString(id uint16, s string) []byte {
	units := utf16.Encode([]rune(s + "\x00"))
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, []uint16{0x1F, id})
	binary.Write(&b, binary.LittleEndian, []uint32{1, uint32(2 * len(units))})
	binary.Write(&b, binary.LittleEndian, units)
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
	return b.Bytes()
}

func mapiList(props ...[]byte) []byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, uint32(len(props)))
	for _, p := range props {
		b.Write(p)
	}
	return b.Bytes()
}

// sampleTNEF holds a body and a file whose long name comes after its data.
func sampleTNEF() []byte {
	var t tnefWriter
	binary.Write(&t, binary.LittleEndian, uint32(tnefSignature))
	binary.Write(&t, binary.LittleEndian, uint16(1))
	t.attribute(1, attOEMCodepage, binary.LittleEndian.AppendUint64(nil, 1252))
	t.attribute(1, attBody, []byte("Gr\xfc\xdfe aus Outlook\r\n\x00"))
	t.attribute(2, attRendData, make([]byte, 14))
	t.attribute(2, attTitle, []byte("PREISL~1.TXT\x00"))
	t.attribute(2, attData, []byte("eins zwei drei"))
	t.attribute(2, attAttachment, mapiList(mapiString(propLongName, "Preisliste für Märkte.txt"), mapiString(propMimeTag, "text/plain")))
	return t.Bytes()
}

func tnefMail(tnef []byte) []byte {
	return []byte("From: a@example.org\r\nSubject: x\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(tnef) + "\r\n")
}

func TestTNEF(t *testing.T) {
	kept := map[string]string{}
	put := func(_ context.Context, name, _ string, r io.Reader) (string, int64, error) {
		b, err := io.ReadAll(r)
		kept[name] = string(b)
		return "ref-" + name, int64(len(b)), err
	}
	l, err := Read(context.Background(), bytes.NewReader(tnefMail(sampleTNEF())), DefaultLimits(), put)
	if err != nil {
		t.Fatal(err)
	}
	if l.Text != "Grüße aus Outlook" {
		t.Errorf("Text = %q", l.Text)
	}
	if len(l.Attachments) != 1 || l.Attachments[0].Name != "Preisliste für Märkte.txt" || l.Attachments[0].ContentType != "text/plain" || l.Attachments[0].Size != 14 {
		t.Errorf("Attachments = %+v", l.Attachments)
	}
	if kept["PREISL~1.TXT"] != "eins zwei drei" {
		t.Errorf("kept %q", kept)
	}
}

// Cut at any byte, a winmail.dat yields what came before.
func TestTNEFCut(t *testing.T) {
	whole := sampleTNEF()
	for n := range whole {
		l, err := Read(context.Background(), bytes.NewReader(tnefMail(whole[:n])), DefaultLimits(), nil)
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		sound(t, l)
		if n > 120 && !strings.Contains(l.Text, "Outlook") {
			t.Fatalf("cut at %d: the body is lost: %+v", n, l)
		}
	}
}

// TestManyTNEFsBesideMuchText: the text of a mail is compared with that of a few
// files, not anew with that of hundreds.
func TestManyTNEFsBesideMuchText(t *testing.T) {
	var text, mail strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&text, "w%d ", i)
	}
	mail.WriteString("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + text.String() + "\n")
	part := base64.StdEncoding.EncodeToString(sampleTNEF())
	for range 200 {
		mail.WriteString("--b\nContent-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\n" + part + "\n")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l := read(t, mail.String(), DefaultLimits())
	runtime.ReadMemStats(&after)
	if !strings.Contains(l.Text, "w39999") || !strings.Contains(l.Text, "aus Outlook") || len(l.Attachments) != 200 {
		t.Errorf("%d bytes of text, %d files", len(l.Text), len(l.Attachments))
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
		t.Errorf("%d bytes of mail took %d MB", mail.Len(), took>>20)
	}
}

func TestRTF(t *testing.T) {
	raw := `{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator x;}\pard Gr\'fc\'dfe \u8364? 5\par zwei\tab drei\{\}}`
	if got, want := rtfText([]byte(raw)), "Grüße € 5\nzwei\tdrei{}"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
	// A character beyond 16 bits is two, each signed (Rich Text Format 1.9.1, "Unicode RTF").
	if got, want := rtfText([]byte(`{\rtf1 a\u-10179?\u-8704? b\u-10179?c\u-10179?\u8364?}`)), "a😀 b\uFFFDc\uFFFD€"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
	// The example of [MS-OXRTFCP] 4.1.1.
	packed := []byte{0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 'L', 'Z', 'F', 'u', 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00, 0x0a, 0x00, 'r', 'c', 'p', 'g', '1', '2', '5', 0x42, '2', 0x0a, 0xf3, ' ', 'h', 'e', 'l', 0x09, 0x00, ' ', 'b', 'w', 0x05, 0xb0, 'l', 'd', '}', 0x0a, 0x80, 0x0f, 0xa0}
	if got, want := string(unpackRTF(packed)), "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"; got != want {
		t.Errorf("unpacked %q want %q", got, want)
	}
}
