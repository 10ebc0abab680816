package webform

import (
	"reflect"
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	num := func(min, max string) *field {
		f := &field{kind: kindNumber, min: min, max: max}
		f.low, _ = parseNumber(min)
		f.high, _ = parseNumber(max)
		return f
	}
	text := &field{kind: kindText, maxLength: 5}
	for _, c := range []struct {
		f    *field
		sent []string
		want answer
		bad  string
	}{
		{text, nil, nil, ""},
		{text, []string{"  \t "}, nil, ""},
		{text, []string{" müde\x00 ", "ignored"}, "müde", ""},
		{text, []string{"a\r\nb"}, "a  b", ""},
		{text, []string{"üüüüü"}, "üüüüü", ""},
		{text, []string{"üüüüüü"}, nil, "long"},
		{text, []string{"a\xffb"}, "a\uFFFDb", ""},
		{&field{kind: kindLongText, maxLength: 50}, []string{"a\r\n\r\nb\rc\x07\td"}, "a\n\nb\nc\td", ""},
		{&field{kind: kindEmail}, []string{"Ann@Example.COM"}, "Ann@example.com", ""},
		{&field{kind: kindEmail}, []string{"Ann <ann@example.com>"}, nil, "email"},
		{&field{kind: kindEmail}, []string{"ann@example.com\nBcc: all@example.com"}, nil, "email"},
		{&field{kind: kindEmail}, []string{"a@b@c"}, nil, "email"},
		{&field{kind: kindEmail}, []string{"ann@"}, nil, "email"},
		{&field{kind: kindEmail}, []string{strings.Repeat("a", 65) + "@example.com"}, nil, "email"},
		{&field{kind: kindEmail}, []string{"ann@" + strings.Repeat("a", 300)}, nil, "email"},
		{&field{kind: kindPhone}, []string{"+49 (0)30 12-34/5"}, "+49 (0)30 12-34/5", ""},
		{&field{kind: kindPhone}, []string{"call me"}, nil, "phone"},
		{&field{kind: kindPhone}, []string{"123"}, nil, "phone"},
		{num("", ""), []string{"-1.5e3"}, -1500.0, ""},
		{num("", ""), []string{"1,5"}, nil, "number"},
		{num("", ""), []string{"NaN"}, nil, "number"},
		{num("", ""), []string{"0x10"}, nil, "number"},
		{num("", ""), []string{"1e999"}, nil, "number"},
		{num("1", "10"), []string{"0.5"}, nil, "min"},
		{num("1", "10"), []string{"11"}, nil, "max"},
		{num("1", "10"), []string{"10"}, 10.0, ""},
		{&field{kind: kindDate}, []string{"2024-02-29"}, "2024-02-29", ""},
		{&field{kind: kindDate}, []string{"2023-02-29"}, nil, "date"},
		{&field{kind: kindDate}, []string{"0000-01-01"}, nil, "date"},
		{&field{kind: kindDate, min: "2024-01-01"}, []string{"2023-12-31"}, nil, "date min"},
		{&field{kind: kindDate, max: "2024-01-01"}, []string{"2024-01-02"}, nil, "date max"},
		{&field{kind: kindChoice, options: []option{{value: "a"}}}, []string{"a"}, "a", ""},
		{&field{kind: kindChoice, options: []option{{value: "a"}}}, []string{"b"}, nil, "choice"},
		{&field{kind: kindChoices, options: []option{{value: "a"}, {value: "b"}}}, []string{"b", "a", "b", ""}, []any{"a", "b"}, ""},
		{&field{kind: kindChoices, options: []option{{value: "a"}}}, []string{"a", "x"}, nil, "choice"},
		{&field{kind: kindChoices, options: []option{{value: "a"}}}, nil, nil, ""},
		{&field{kind: kindCheckbox}, nil, false, ""},
		{&field{kind: kindCheckbox, required: true}, []string{"false"}, nil, ""},
		{&field{kind: kindCheckbox}, []string{"on"}, true, ""},
	} {
		got, wrong := c.f.check(c.sent)
		key := ""
		if wrong != nil {
			key = wrong.key
		}
		if !reflect.DeepEqual(got, c.want) || key != c.bad {
			t.Errorf("%s %.60q: %#v %q, want %#v %q", c.f.kind, c.sent, got, key, c.want, c.bad)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		`C:\fakepath\a.png`:               "a.png",
		"../../etc/passwd":                "passwd",
		"...":                             "file",
		"":                                "file",
		"a\x00b\r\n.txt":                  "ab.txt",
		"exe\u202Egnp.txt":                "exegnp.txt",
		".htaccess":                       "htaccess",
		"a<b>|c?.txt. ":                   "a_b__c_.txt",
		"Müde Füße 東京.pdf":                "Müde Füße 東京.pdf",
		"x\xff.png":                       "x\uFFFD.png",
		strings.Repeat("ü", 100) + ".png": strings.Repeat("ü", 73) + ".png",
		strings.Repeat("a", 200) + "." + strings.Repeat("b", 50): strings.Repeat("a", 150),
	} {
		if got := cleanName(in); got != want || len(got) > maxName {
			t.Errorf("%q becomes %q (%d bytes), want %q", in, got, len(got), want)
		}
	}
}

func TestFileTypes(t *testing.T) {
	png, pdf, zip := "\x89PNG\r\n\x1a\n....", "%PDF-1.7\n", "PK\x03\x04........"
	def := func(names ...string) (l fileTypes) {
		for _, n := range names {
			l = append(l, typesNamed(n)...)
		}
		return l.unique()
	}
	usual := def(defaultTypes...)
	for _, c := range []struct {
		types      fileTypes
		name, head string
		want       string
	}{
		{usual, "a.PNG", png, "image/png"},
		{usual, "a.png", pdf, ""},
		{usual, "a.png", "MZ\x90\x00", ""},
		{usual, "a.png", "<html><script>", ""},
		{usual, "a.jpg", png, ""},
		{usual, "a", png, ""},
		{usual, "a.exe", "MZ\x90\x00", ""},
		{usual, "a.svg", "<svg onload=alert(1)>", ""},
		{usual, "a.html", "<html>", ""},
		{usual, "a.pdf", pdf, "application/pdf"},
		{usual, "a.docx", zip, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{usual, "a.docx", pdf, ""},
		{usual, "a.log", "<html> was the answer", "text/plain"},
		{usual, "a.csv", "a;b\n", "text/csv"},
		{usual, "a.txt", "\x00\x01\x02", ""},
		{usual, "a.heic", "\x00\x00\x00\x18ftypheic....", "image/heic"},
		{usual, "a.json", "{}", ""},
		{def(".jpg"), "a.jpeg", "\xff\xd8\xff", ""},
		{def(".jpg"), "a.jpg", "\xff\xd8\xff", "image/jpeg"},
		{def("*/*"), "a.exe", "MZ\x90\x00", "application/octet-stream"},
		{def("*/*"), "a.png", "<html>", "text/html"},
	} {
		got, ok := c.types.media(c.name, []byte(c.head))
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s %q: %q %v, want %q", c.name, c.head, got, ok, c.want)
		}
	}
	if got := def("*/*").exts(); got != nil {
		t.Errorf("anything is %v", got)
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain - text. #1":  "plain - text. #1",
		"**bold** _x_ a_b":  `\*\*bold\*\* \_x\_ a_b`,
		"[a](javascript:b)": `\[a\](javascript:b)`,
		"<b>&amp;`c`|~d~\\": `\<b\>\&amp;` + "\\`c\\`" + `\|\~d\~\\`,
		"müde_Füße":         "müde_Füße",
	} {
		if got := escape(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
