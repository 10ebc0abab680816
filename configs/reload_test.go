package configs

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func TestReloader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write := func(yaml string) {
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := NewReloader(path, nil); err == nil {
		t.Fatal("a missing file was taken")
	}
	write("teams: [{id: one}]\n")
	r, err := NewReloader(path, nil)
	if err != nil || r.Policy().DefaultTeam != "one" {
		t.Fatalf("%v, %+v", err, r)
	}
	old := r.Config()
	write("teams: [{id: two}]\ndefaultTeam: three\n")
	if err := r.Reload(); err == nil || r.Config() != old {
		t.Fatalf("a broken file changed the config, or was taken: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); err == nil || r.Config() != old {
		t.Fatalf("a missing file changed the config, or was taken: %v", err)
	}
	write("teams: [{id: two}]\n")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := r.Reload(); err != nil {
				t.Error(err)
			}
			if got := r.Policy().DefaultTeam; got != "two" {
				t.Errorf("after the reload the team is %q", got)
			}
		})
	}
	all.Wait()
	if old.Policy().DefaultTeam != "one" {
		t.Error("the old policy was changed")
	}
}

func TestReloaderWithoutFile(t *testing.T) {
	r, err := NewReloader("", nil)
	if err != nil {
		t.Fatal(err)
	}
	old := r.Config()
	if err := r.Reload(); err != nil || r.Config() != old {
		t.Errorf("a reload of nothing changed something: %v", err)
	}
}

func TestNeedsRestart(t *testing.T) {
	a := parsed(t, "sources: [{name: s, channel: chat, team: support, chat: {a: 1}}]\n")
	for yaml, want := range map[string][]string{
		"sources: [{name: s, channel: chat, chat: {a: 1}}]\nrules: [{name: r, then: {priority: LOW}}]\n": nil,
		"sources: [{name: s, channel: chat, chat: {a: 2}}]\n":                                            {"sources"},
		"server: {addr: '127.0.0.1:1'}\nredis: {mode: embedded}\n":                                       {"server", "redis", "sources"},
	} {
		if got := NeedsRestart(a, parsed(t, yaml)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", yaml, got, want)
		}
	}
}
