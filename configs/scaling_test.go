package configs

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// Every key and every metric that docs/scaling.md names is one.
func TestScalingNamesWhatThereIs(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join("..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	page, metrics := read("scaling.md"), read("metrics.md")
	keys := regexp.MustCompile("`([a-z][A-Za-z]*)\\.([A-Za-z.]+)`").FindAllStringSubmatch(page, -1)
	if len(keys) < 20 {
		t.Errorf("only %d keys were found", len(keys))
	}
	for _, k := range keys {
		if !hasKey(reflect.TypeFor[Config](), append(k[1:2], strings.Split(k[2], ".")...)) {
			t.Errorf("%s.%s is no key of the config", k[1], k[2])
		}
	}
	names := regexp.MustCompile(`switchboard_[a-z_]+`).FindAllString(page, -1)
	if len(names) < 5 {
		t.Errorf("only %d metrics were found", len(names))
	}
	for _, name := range names {
		if !strings.Contains(metrics, "`"+name+"`") {
			t.Errorf("metrics.md does not know %s", name)
		}
	}
	if hasKey(reflect.TypeFor[Config](), []string{"intake", "nothing"}) {
		t.Error("a key was found that is none")
	}
}

// hasKey follows a path of keys through the schema.
func hasKey(t reflect.Type, path []string) bool {
	if len(path) == 0 {
		return true
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == path[0] {
			return hasKey(f.Type, path[1:])
		}
	}
	return false
}
