package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"switchboard/configs"
	"switchboard/pipeline/desk"
)

var exampleFile = filepath.Join("..", "..", "configs", "example.yaml")

// anything is an environment in which every variable is set.
func anything(string) (string, bool) { return "s3cret", true }

// TestExample: the documented config is good to the channels too, and every
// kind there is has a source in it.
func TestExample(t *testing.T) {
	c, err := configs.Load(exampleFile, anything)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkBlocks(c); err != nil {
		t.Error(err)
	}
	shown := map[desk.Channel]bool{}
	for _, s := range c.Sources {
		shown[s.Channel] = shown[s.Channel] || s.Block.Written()
	}
	for _, k := range kinds {
		if !shown[k.Channel] {
			t.Errorf("the channel %s has no source with settings in %s", k.Name, exampleFile)
		}
		if k.Check == nil || k.Open == nil || k.Doc == "" {
			t.Errorf("the kind %s lacks a Check, an Open or a Doc", k.Name)
		}
	}
}

// TestExampleSpoilt: what is wrong with a source's settings is found through
// its kind, a line each, with its place.
func TestExampleSpoilt(t *testing.T) {
	c, err := configs.Load(exampleFile, func(name string) (string, bool) {
		if name == "ADA_PASSWORD_HASH" { // not a channel's: the loader itself refuses an empty one
			return "x", true
		}
		return "", true
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := problems(checkBlocks(c))
	place := regexp.MustCompile(`example\.yaml:\d+:\d+: `)
	want := []string{"SUPPORT_MAIL_PASSWORD", "FIELD_MAIL_PASSWORD", "SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN", "TEAMS_APP_PASSWORD", "FORM_CAPTCHA_SECRET", "SHOP_HOOK_SECRET"}
	for _, name := range want {
		if !slices.ContainsFunc(lines, func(l string) bool { return place.MatchString(l) && strings.HasSuffix(l, name+" is empty") }) {
			t.Errorf("nothing says that %s is empty: %q", name, lines)
		}
	}
	if len(lines) < len(want) {
		t.Errorf("%q", lines)
	}
}
