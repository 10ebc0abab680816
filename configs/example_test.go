package configs

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// What channels.Block asks for.
var _ interface{ Decode(into any) error } = Block{}

func env(pairs ...string) Lookup {
	return func(name string) (string, bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func example(t *testing.T) *Config {
	t.Helper()
	c, err := Load("example.yaml", env("SUPPORT_MAIL_PASSWORD", "s3cret", "FIELD_MAIL_PASSWORD", "s3cret2",
		"SLACK_SIGNING_SECRET", "s3cret3", "SLACK_BOT_TOKEN", "xoxb-1", "TEAMS_APP_PASSWORD", "s3cret4", "FORM_CAPTCHA_SECRET", "s3cret5",
		"SHOP_HOOK_SECRET", "s3cret6", "SHOP_CALLBACK_SECRET", "s3cret7",
		"ADA_PASSWORD_HASH", "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExampleLoads(t *testing.T) {
	p := example(t).Policy()
	if len(p.Rules) != 4 || len(p.Routes) != 2 || len(p.SLAs) != 2 || len(p.Calendars) != 2 || len(p.Sources) != 7 {
		t.Errorf("the policy lacks something: %d rules, %d routes, %d SLAs, %d calendars, %d sources",
			len(p.Rules), len(p.Routes), len(p.SLAs), len(p.Calendars), len(p.Sources))
	}
	if !p.Own(desk.Email, "Help@example.com") {
		t.Error("help@example.com is not known as our own address")
	}
}

// TestExampleShowsDefaults: what the example says of a setting is what the
// installation without a file has.
func TestExampleShowsDefaults(t *testing.T) {
	got, want := example(t), Default()
	for _, part := range []string{"Server", "Database", "Redis", "Blobs", "Log", "Limits", "Intake", "Threading", "Statuses", "Types", "DefaultTeam"} {
		g := reflect.ValueOf(*got).FieldByName(part).Interface()
		w := reflect.ValueOf(*want).FieldByName(part).Interface()
		if part == "Redis" { // an empty list and none are the same
			g = Redis{Mode: got.Redis.Mode}
			if len(got.Redis.Addrs) != 0 {
				t.Error("the example has Redis addresses")
			}
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s: the example has %+v, the default is %+v", part, g, w)
		}
	}
}

// TestExampleShowsEveryKey walks the schema and finds each key in the example.
func TestExampleShowsEveryKey(t *testing.T) {
	data, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := &report{src: newSource("example.yaml", string(data))}
	root := parse(r, data)
	if err := r.err(); err != nil {
		t.Fatal(err)
	}
	shown := map[reflect.Type]map[string]bool{}
	gather(reflect.TypeFor[Config](), []*node{root}, shown)
	if len(shown) < 20 {
		t.Fatalf("only %d types were walked", len(shown))
	}
	for typ, keys := range shown {
		for key, there := range keys {
			if !there {
				t.Errorf("the key %s of %s is not in example.yaml", key, typ)
			}
		}
	}
}

// gather notes for every struct of the schema which of its keys the nodes have.
func gather(t reflect.Type, nodes []*node, shown map[reflect.Type]map[string]bool) {
	switch t.Kind() {
	case reflect.Slice:
		var items []*node
		for _, n := range nodes {
			items = append(items, n.items...)
		}
		gather(t.Elem(), items, shown)
		return
	case reflect.Struct:
	default:
		return
	}
	if !strings.HasPrefix(t.PkgPath(), "switchboard/") || reflect.PointerTo(t).Implements(textual) {
		return
	}
	keys := shown[t]
	if keys == nil {
		keys = map[string]bool{}
		shown[t] = keys
	}
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("yaml")
		if !f.IsExported() || key == "-" || key == "" {
			continue
		}
		var values []*node
		for _, n := range nodes {
			if e := n.entry(key); e != nil {
				values = append(values, e.value)
			}
		}
		keys[key] = keys[key] || len(values) > 0
		gather(f.Type, values, shown)
	}
}

// TestExampleExplains: each setting's first appearance has a comment.
func TestExampleExplains(t *testing.T) {
	data, _ := os.ReadFile("example.yaml")
	part := ""
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		if !strings.HasPrefix(line, " ") {
			part = key
		}
		switch part {
		case "server", "database", "redis", "blobs", "log", "limits", "intake", "threading":
			if strings.HasPrefix(line, " ") && !strings.Contains(line, " # ") {
				t.Errorf("example.yaml:%d: %s has no comment", i+1, key)
			}
		}
	}
}
