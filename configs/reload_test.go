package configs

import (
	"errors"
	"iter"
	"os"
	"path/filepath"
	"reflect"
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
	if err := r.Reload(nil); err == nil || r.Config() != old {
		t.Fatalf("a broken file changed the config, or was taken: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(nil); err == nil || r.Config() != old {
		t.Fatalf("a missing file changed the config, or was taken: %v", err)
	}
	write("teams: [{id: two}]\n")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := r.Reload(nil); err != nil {
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

// What was checked is what is taken over, whatever becomes of the file meanwhile;
// what a check refuses changes nothing.
func TestReloaderChecksWhatItTakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write := func(yaml string) {
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("teams: [{id: one}]\n")
	r, err := NewReloader(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	write("teams: [{id: two}]\n")
	bad := errors.New("bad")
	if err := r.Reload(func(*Config) error { return bad }); err != bad || r.Policy().DefaultTeam != "one" {
		t.Errorf("refused: %v, and the team is %q", err, r.Policy().DefaultTeam)
	}
	var checked *Config
	err = r.Reload(func(c *Config) error {
		checked = c
		write("teams: [{id: three}]\n")
		return nil
	})
	if err != nil || r.Config() != checked || r.Policy().DefaultTeam != "two" {
		t.Errorf("%v, and the team is %q", err, r.Policy().DefaultTeam)
	}
}

// Every part of a config that is no policy is named when it differs: nothing is
// silently left for the next start.
func TestNeedsRestartNamesEveryPart(t *testing.T) {
	policy := []string{"threading", "statuses", "types", "fields", "serviceLevels", "publicDomains", "calendars",
		"agents", "teams", "defaultTeam", "slas", "rules", "routes"}
	before := Default()
	for sf := range fieldsIn(before) {
		after := Default()
		v := reflect.ValueOf(after).Elem().FieldByName(sf.Name)
		switch key := sf.Tag.Get("yaml"); {
		case key == "sources":
			v.Set(reflect.ValueOf([]Source{{Name: "x"}}))
		case v.Kind() == reflect.Struct:
			differ(v)
		}
		got := NeedsRestart(before, after)
		want := []string{sf.Tag.Get("yaml")}
		if slices.Contains(policy, want[0]) {
			want = nil
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s differs: %v, want %v", sf.Name, got, want)
		}
	}
}

// The adapters of a running process stay as they were opened until the next start,
// and their messages are judged by what they were opened with.
func TestReloadKeepsTheSourcesThatRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write := func(yaml string) {
		if err := os.WriteFile(path, []byte("teams: [{id: one}, {id: two}]\n"+yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sources:\n- {name: goes, channel: chat, team: two, separate: true, chat: {a: 1}}\n- {name: stays, channel: chat, team: one, addresses: [x], chat: {a: 1}}\n")
	r, err := NewReloader(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	goes, stays := r.Policy().Sources["goes"], r.Policy().Sources["stays"]
	write("sources:\n- {name: stays, channel: chat, team: two, queue: bulk, separate: true, chat: {a: 2}}\n- {name: comes, channel: chat, chat: {a: 1}}\n")
	stays.Team, stays.Queue = "two", "bulk"
	for range 2 {
		if err := r.Reload(nil); err != nil {
			t.Fatal(err)
		}
		got := r.Policy().Sources
		if _, comes := got["comes"]; !reflect.DeepEqual(got["goes"], goes) || !reflect.DeepEqual(got["stays"], stays) || !comes || len(got) != 4 {
			t.Errorf("the sources are %+v", got)
		}
	}
	// Its team may be gone with it.
	if err := os.WriteFile(path, []byte("teams: [{id: one}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(nil); err != nil {
		t.Fatal(err)
	}
	goes.Team = ""
	if got := r.Policy().Sources["goes"]; !reflect.DeepEqual(got, goes) {
		t.Errorf("without its team the source is %+v", got)
	}
}

// fieldsIn are the parts of a config that a file has.
func fieldsIn(c *Config) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		t := reflect.TypeOf(*c)
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && !yield(f) {
				return
			}
		}
	}
}

// differ changes the first plain value in a struct.
func differ(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.String:
			f.SetString(f.String() + "x")
			return
		case f.CanInt():
			f.SetInt(f.Int() + 1)
			return
		}
	}
}

func TestReloaderWithoutFile(t *testing.T) {
	r, err := NewReloader("", nil)
	if err != nil {
		t.Fatal(err)
	}
	old := r.Config()
	if err := r.Reload(nil); err != nil || r.Config() != old {
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

// A source that a file has no more runs until the restart: until then its mail goes where
// it went, unless that team is gone.
func TestReloadKeepsSourcesThatRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write := func(yaml string) {
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("teams: [{id: one}, {id: two}]\nsources: [{ name: old, channel: email, team: two, queue: urgent, addresses: [help@desk.example] }]\n")
	r, err := NewReloader(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	began := r.Config()
	want := r.Policy().Sources["old"]
	for range 2 {
		write("teams: [{id: one}, {id: two}]\nsources: [{ name: new, channel: email, team: two }]\n")
		if err := r.Reload(nil); err != nil {
			t.Fatal(err)
		}
		if got := r.Policy().Sources["old"]; !reflect.DeepEqual(got, want) || r.Policy().Sources["new"].Team != "two" || !r.Policy().Own(want.Channel, "help@desk.example") {
			t.Errorf("after the reload it is %+v, was %+v", got, want)
		}
	}
	write("teams: [{id: one}]\n")
	if err := r.Reload(nil); err != nil {
		t.Fatal(err)
	}
	if got := r.Policy().Sources["old"]; got.Team != "" || got.Queue != want.Queue {
		t.Errorf("without its team it is %+v", got)
	}
	if r.First() != began || len(NeedsRestart(r.First(), r.Config())) != 1 {
		t.Errorf("began with %p, was %p; %v", r.First(), began, NeedsRestart(r.First(), r.Config()))
	}
}

// A source's secret that was written anew into its file waits for a restart too, though
// the config is as it was.
func TestNeedsRestartForANewSecret(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "imap")
	for _, f := range [][2]string{{secret, "one\n"}, {filepath.Join(dir, "c.yaml"),
		"sources: [{ name: support, channel: email, email: { host: h, user: u, password: 'file:imap', smtp: { password: '${P}' } } }]\n"}} {
		if err := os.WriteFile(f[0], []byte(f[1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := NewReloader(filepath.Join(dir, "c.yaml"), env("P", "file:imap"))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		held string
		want []string
	}{{"one", nil}, {"two", []string{"sources"}}, {"one", nil}} {
		if err := os.WriteFile(secret, []byte(step.held), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.Reload(nil); err != nil {
			t.Fatal(err)
		}
		if got := NeedsRestart(r.First(), r.Config()); !slices.Equal(got, step.want) {
			t.Errorf("with %q in it: %v, want %v", step.held, got, step.want)
		}
	}
}
