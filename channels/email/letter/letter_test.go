package letter

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// sound checks what Read promises of every string of a letter.
func sound(t testing.TB, l *Letter) {
	t.Helper()
	if l == nil {
		t.Fatal("no letter")
	}
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			if s := v.String(); !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
				t.Errorf("%s is not clean: %q", path, s)
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeOf(l.Date) {
				return
			}
			for i := 0; i < v.NumField(); i++ {
				walk(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case reflect.Slice:
			for i := 0; i < v.Len(); i++ {
				walk(path, v.Index(i))
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				walk(path, k)
				walk(path+"."+k.String(), v.MapIndex(k))
			}
		}
	}
	walk("Letter", reflect.ValueOf(*l))
	if strings.Contains(l.Text, "\r") {
		t.Error("Text holds a carriage return")
	}
	for _, a := range l.Attachments {
		if a.Name == "" || len(a.SHA256) != 64 {
			t.Errorf("attachment without name or digest: %+v", a)
		}
	}
}

// A date in its zone may be one that no JSON can hold in UTC.
func TestDateBeyondTheCalendar(t *testing.T) {
	for _, s := range []string{"Fri, 31 Dec 9999 23:59:59 -1200", "9999-12-31T23:59:59-12:00"} {
		if got := parseDate(s); !got.IsZero() {
			t.Errorf("%s is %v, in UTC %v", s, got, got.UTC())
		}
	}
	if got := parseDate("Fri, 31 Dec 9999 23:59:59 +1200"); got.IsZero() {
		t.Error("a date within it is none")
	}
}

// People write about automatic replies, too; what is taken for one is dropped.
func TestQuestionsAboutAutomaticReplies(t *testing.T) {
	for subject, want := range map[string]string{
		"Automatic reply does not work":              "",
		"Auto-reply broken since Monday":             "",
		"Auto reply broken":                          "",
		"Out of office feature: how do I turn it on": AutoReply, // too close to call
		"Abwesenheitsnotiz lässt sich nicht ändern":  "",
		"Automatic reply: Help":                      AutoReply,
		"Automatic reply":                            AutoReply,
		"Out of Office Reply: Help":                  AutoReply,
		"Out of Office":                              AutoReply,
		"Abwesenheitsnotiz: Hilfe":                   AutoReply,
		"Abwesenheitsnotiz":                          AutoReply,
		"OOO - back on Monday":                       AutoReply,
		"Réponse automatique : Aide":                 AutoReply,
		"自動返信: お問い合わせ":                               AutoReply,
	} {
		if l := read(t, "From: a@b.example\nSubject: "+subject+"\n\nx\n", DefaultLimits()); l.Auto.Kind != want {
			t.Errorf("%q is %q (%s), want %q", subject, l.Auto.Kind, l.Auto.Reason, want)
		}
	}
	answer := "From: a@b.example\nSubject: Out of office until Monday\nIn-Reply-To: <x@y.example>\n\nx\n"
	if l := read(t, answer, DefaultLimits()); l.Auto.Kind != AutoReply {
		t.Errorf("an answer: %+v", l.Auto)
	}
}

// A person's question about a bounce, quoted in it, is no bounce: those are dropped.
func TestQuestionsAboutBounces(t *testing.T) {
	mail := "From: ann@b.example\nSubject: Mail delivery failed to my client, please help\n\nHi, when I write to Bob I get this:\n550 5.1.1 User unknown\nAnn\n"
	if l := read(t, mail, DefaultLimits()); l.Auto.Kind != "" {
		t.Errorf("%+v", l.Auto)
	}
	for _, sign := range []string{"Return-Path: <>\n" + mail, strings.Replace(mail, "ann@", "MAILER-DAEMON@", 1)} {
		if l := read(t, sign, DefaultLimits()); l.Auto.Kind != AutoBounce {
			t.Errorf("%s\n%+v", sign, l.Auto)
		}
	}
}
