package storetest

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

func keyLife(h *house) {
	key := func(name string, hash byte) desk.Key {
		return desk.Key{ID: desk.NewID[desk.KeyID](h.now), Name: name, Role: desk.RoleAgent, Prefix: "sb_", Hash: bytes.Repeat([]byte{hash, 0}, 16), CreatedAt: h.now}
	}
	one := key("ci", 1)
	h.must(h.s.AddKey(h.ctx, one))
	h.refused(h.s.AddKey(h.ctx, key("ci", 2)), desk.ErrConflict)
	h.refused(h.s.AddKey(h.ctx, key("other", 1)), desk.ErrConflict)
	got, err := h.s.KeyByHash(h.ctx, one.Hash)
	h.must(err)
	h.equal("key", got, one)
	_, err = h.s.KeyByHash(h.ctx, []byte("unknown"))
	h.refused(err, desk.ErrNotFound)

	at := h.now.Add(time.Hour)
	h.must(h.s.RevokeKey(h.ctx, "ci", at))
	h.refused(h.s.RevokeKey(h.ctx, "ci", at), desk.ErrNotFound)
	got, err = h.s.KeyByHash(h.ctx, one.Hash)
	h.must(err)
	if got.RevokedAt == nil || *got.RevokedAt != at {
		h.Fatalf("revoked: %+v", got)
	}
	h.now = h.now.Add(time.Minute)
	two := key("ci", 3) // the name is free again
	h.must(h.s.AddKey(h.ctx, two))
	h.must(h.s.RevokeKey(h.ctx, string(two.ID), at))
	list, err := h.s.Keys(h.ctx)
	h.must(err)
	if len(list) != 2 || list[0].ID != one.ID || list[1].ID != two.ID {
		h.Fatalf("keys %+v", list)
	}
}

func settingRace(h *house) {
	var mu sync.Mutex
	got := map[string]int{}
	h.atOnce(8, func(i int) error {
		v, err := h.s.Setting(h.ctx, "secret", func() ([]byte, error) { return []byte{byte(i), 0, 0xff}, nil })
		mu.Lock()
		defer mu.Unlock()
		got[string(v)]++
		return err
	})
	h.equal("values", len(got), 1)
	v, err := h.s.Setting(h.ctx, "secret", func() ([]byte, error) { return nil, errors.New("called again") })
	h.must(err)
	h.equal("later", got[string(v)], 8)
	stop := errors.New("no entropy")
	_, err = h.s.Setting(h.ctx, "other", func() ([]byte, error) { return nil, stop })
	h.refused(err, stop)
	v, err = h.s.Setting(h.ctx, "other", func() ([]byte, error) { return []byte("x"), nil })
	h.must(err)
	h.equal("after a failure", string(v), "x")
}
