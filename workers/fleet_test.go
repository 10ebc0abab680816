package workers

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// TestFleet: who shows himself is on the list, who leaves is off at once, and who
// dies a few seconds later.
func TestFleet(t *testing.T) {
	mini := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	defer client.Close()
	f := Fleet{Client: client, Every: time.Second}
	names := func() (out []string) {
		t.Helper()
		all, err := f.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			out = append(out, p.ID)
		}
		return out
	}
	want := func(ids ...string) {
		t.Helper()
		got := names()
		if len(got) != len(ids) {
			t.Fatalf("the list has %q, want %q", got, ids)
		}
		for i := range ids {
			if got[i] != ids[i] {
				t.Fatalf("the list has %q, want %q", got, ids)
			}
		}
	}
	want()
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, p := range []Process{{ID: "w2", Roles: []string{"work"}, Host: "b", Since: at}, {ID: "w1", Roles: []string{"work"}, Host: "a", Since: at},
		{ID: "l", Roles: []string{"listen"}, Flows: map[string]Flow{"mail": {Accepted: 2.5, LastAt: at}}}} {
		if err := f.Show(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	want("l", "w1", "w2")
	if all, _ := f.List(t.Context()); all[0].Flows["mail"].Accepted != 2.5 || !all[0].Flows["mail"].LastAt.Equal(at) {
		t.Errorf("a card comes back as %+v", all[0])
	}
	if err := f.Leave(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	want("l", "w2")
	mini.FastForward(3 * time.Second)
	if err := f.Show(t.Context(), Process{ID: "l", Roles: []string{"listen"}}); err != nil {
		t.Fatal(err)
	}
	mini.FastForward(2 * time.Second)
	want("l")
	if n, _ := client.SCard(t.Context(), fleetSet).Result(); n != 1 {
		t.Errorf("%d IDs are kept", n)
	}

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	shown := make(chan struct{}, 100)
	go func() {
		defer close(done)
		Fleet{Client: client, Every: 10 * time.Millisecond}.Run(ctx, func() Process { shown <- struct{}{}; return Process{ID: "run", Roles: []string{"web"}} })
	}()
	for range 3 {
		<-shown
	}
	want("l", "run")
	stop()
	<-done
	want("l")
	mini.Close()
	if _, err := f.List(t.Context()); err == nil {
		t.Error("a dead Redis has a list")
	}
}
