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
