package desk

import "testing"

func TestAlone(t *testing.T) {
	for _, c := range []struct {
		source, scope, id string
		plain, want       bool
	}{
		{"shop", "CHAT", "shop:1", true, true}, {"shop", "CHAT", "shop:1", false, false}, {"shop", "CHAT", "shopping:1", true, false},
		{"shop", "CHAT", "1", true, false}, {"shop", "shop", "1", true, true}, {"team", "SLACK", "C1:17.5", true, false}, {"", "CHAT", ":1", true, true},
	} {
		d := Draft{Source: c.source, Scope: c.scope, ExternalID: c.id, Thread: Thread{Plain: c.plain}}
		if got := d.Alone(); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
