package workers

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
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
		Fleet{Client: client, Every: 200 * time.Millisecond}.Run(ctx, func() Process {
			select {
			case shown <- struct{}{}:
			default: // nobody looks any more
			}
			return Process{ID: "run", Roles: []string{"web"}}
		})
	}()
	for range 3 {
		<-shown
	}
	for end := time.Now().Add(hang); len(names()) < 2 && time.Now().Before(end); { // each showing has as long as there is between two
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

// TestFleetOnEveryRedis: the list works on every kind of Redis, by real servers.
func TestFleetOnEveryRedis(t *testing.T) {
	for name, options := range map[string]func(testing.TB) broker.Options{
		"single": brokertest.Redis, "sentinel": brokertest.Sentinel, "cluster": brokertest.Cluster, "embedded": brokertest.Embedded,
	} {
		t.Run(name, func(t *testing.T) {
			b, err := broker.Open(t.Context(), options(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			f := Fleet{Client: b.Client(), Every: hang}
			for _, id := range []string{"a", "b", "c"} {
				if err := f.Show(t.Context(), Process{ID: id, Host: id}); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Leave(t.Context(), "c"); err != nil {
				t.Fatal(err)
			}
			if all, err := f.List(t.Context()); err != nil || len(all) != 2 || all[0].ID != "a" || all[1].ID != "b" {
				t.Fatalf("the list has %+v, %v", all, err)
			}
			dies := Fleet{Client: b.Client(), Every: 100 * time.Millisecond} // a; b does not
			if err := dies.Show(t.Context(), Process{ID: "a", Host: "a"}); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(hang); ; {
				if err := f.Show(t.Context(), Process{ID: "b", Host: "b"}); err != nil {
					t.Fatal(err)
				}
				all, err := f.List(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(all) == 1 && all[0].ID == "b" {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("the list has %+v", all)
				}
			}
		})
	}
}
