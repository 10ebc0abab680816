package desk

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// The short form, as it stands in the books of everybody.
func TestActorsInTheBooks(t *testing.T) {
	for _, c := range []struct {
		actor Actor
		want  string
	}{
		{Actor{ByCustomer, "i", "n"}, `[0,"i","n"]`},
		{Actor{ByAgent, "i", ""}, `[1,"i"]`},
		{Actor{ByKey, "", "n"}, `[2,"","n"]`},
		{Actor{BySystem, "", ""}, `[3]`},
		{Actor{"", "i", ""}, `{"kind":"","id":"i"}`},
		{Actor{"GHOST", "i", "n"}, `{"kind":"GHOST","id":"i","name":"n"}`},
	} {
		text := string(c.actor.AppendRow([]byte("x")))
		got, err := ReadActor(text[1:])
		if text != "x"+c.want || got != c.actor || err != nil {
			t.Errorf("%+v is %s, want x%s, and read as %+v, %v", c.actor, text, c.want, got, err)
		}
	}
}

// actorComesBack demands that the reader brings back what it reads of the form
// before.
func actorComesBack(t *testing.T, a Actor) {
	t.Helper()
	text := string(a.AppendRow(nil))
	got, err := ReadActor(text)
	want, wantErr := byLibrary[Actor](string(appendLongActor(nil, a)))
	if got != want || err != nil || wantErr != nil {
		t.Fatalf("%s\nread %+v, %v\nwant %+v, %v", text, got, err, want, wantErr)
	}
}

// Whoever acts comes back.
func TestActorsComeBack(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for range 3000 {
		var a Actor
		wild(random, reflect.ValueOf(&a).Elem())
		actorComesBack(t, a)
		a.Kind = actorKinds[random.IntN(len(actorKinds))]
		actorComesBack(t, a)
	}
}

var oddActors = []string{`[`, `[]`, `[4]`, `[-1]`, `[0,]`, `[0,1]`, `[0,null]`, `[0,"a","b","c"]`, `[0,"a"`, `[0,"a"]x`, `[0 ,"a"]`, `["CUSTOMER"]`, `[00]`, "[0,\"\xff\"]"}

// What is not in the short form is refused.
func TestOddActorsAreRefused(t *testing.T) {
	for _, text := range oddActors {
		if got, err := ReadActor(text); err == nil {
			t.Errorf("%s was read as %+v", text, got)
		}
	}
}

// FuzzReadActor reads anything: what it takes for the short form is written and
// read again without a change.
func FuzzReadActor(f *testing.F) {
	for _, text := range append(oddActors, `[0,"01KJQ6PSG05WZPQN2DCZCBMM40","Ann"]`, `[3]`, `{"kind":"GHOST","id":"i"}`) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ReadActor(text)
		if err != nil {
			return
		}
		if !strings.HasPrefix(text, "[") {
			if want, err := byLibrary[Actor](text); a != want || err != nil {
				t.Fatalf("%s\nread %+v\nwant %+v, %v", text, a, want, err)
			}
		}
		actorComesBack(t, a)
		if again := string(a.AppendRow(nil)); strings.HasPrefix(text, "[") && !strings.HasPrefix(again, "[") {
			t.Fatalf("%s was read, and is written %s", text, again)
		}
	})
}
