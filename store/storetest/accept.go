package storetest

import (
	"strings"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

func receiptsComeBack(h *house) {
	a, b := h.draft("a"), h.draft("b")
	a.Thread = desk.Thread{Key: "thread", Address: []byte(`{"to":"x"}`)}
	a.Raw = desk.BlobRef{Digest: strings.Repeat("a", 64), Size: 12}
	a.References = []string{"r1", "r2"}
	a.Attachments = []desk.Attachment{{Name: "f.txt", ContentType: "text/plain"}}
	a.Ask = &desk.Ask{Priority: desk.High, CustomFields: map[string]any{"n": 1.5, "list": []any{"x"}}}
	rs := h.accept(a, b)
	got, err := h.s.Receipts(h.ctx, []desk.ReceiptID{rs[1].ID, "unknown", rs[0].ID})
	h.must(err)
	if len(got) != 2 || got[0].ID != rs[0].ID {
		h.Fatalf("got %v", got)
	}
	h.equal("draft", *got[0].Draft.Ask, *a.Ask)
	got[0].Draft.Ask, a.Ask = nil, nil
	h.equal("draft", *got[0].Draft, *a)
	got[0].Draft, rs[0].Draft = nil, nil
	h.equal("receipt", got[0], rs[0])
	_, err = h.s.Receipt(h.ctx, "unknown")
	h.refused(err, desk.ErrNotFound)
	states, err := h.s.States(h.ctx, []desk.ReceiptID{rs[0].ID, "unknown"})
	h.must(err)
	h.equal("states", states, map[desk.ReceiptID]desk.State{rs[0].ID: desk.Accepted})
}

func sameMessageInOneCall(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("a"))
	if rs[0].ID != rs[2].ID || rs[0].ID == rs[1].ID {
		h.Fatalf("IDs %s %s %s", rs[0].ID, rs[1].ID, rs[2].ID)
	}
	again := h.accept(h.draft("c"), h.draft("b"), h.draft("a"))
	if again[1].ID != rs[1].ID || again[2].ID != rs[0].ID {
		h.Fatalf("again: %v", again)
	}
	list, err := h.s.ReceiptList(h.ctx, desk.ReceiptFilter{})
	h.must(err)
	h.equal("rows", len(list), 3)
}

func sameMessageFromMany(h *house) {
	var mu sync.Mutex
	got := map[string]map[desk.ReceiptID]bool{}
	h.atOnce(8, func(i int) error {
		var rs []desk.Receipt
		for j := range 20 { // in another order each
			rs = append(rs, desk.NewReceipt(h.draft(string(rune('a'+(i*7+j*3)%20))), h.now))
		}
		ids, err := h.s.Accept(h.ctx, nil, rs)
		mu.Lock()
		defer mu.Unlock()
		for k, id := range ids {
			if got[rs[k].ExternalID] == nil {
				got[rs[k].ExternalID] = map[desk.ReceiptID]bool{}
			}
			got[rs[k].ExternalID][id] = true
		}
		return err
	})
	for ext, ids := range got {
		if len(ids) != 1 {
			h.Errorf("%s has receipts %v", ext, ids)
		}
		for id := range ids {
			h.equal("external ID", h.receipt(id).ExternalID, ext)
		}
	}
	h.equal("messages", len(got), 20)
}

func reusedID(h *house) {
	a, b := h.draft("a"), h.draft("a")
	b.Fingerprint = "another"
	c := h.draft("a")
	c.Source = "another"
	rs := h.accept(a, b, c)
	if rs[0].ID == rs[1].ID || rs[0].ID == rs[2].ID || rs[1].ID == rs[2].ID {
		h.Fatalf("IDs %s %s %s", rs[0].ID, rs[1].ID, rs[2].ID)
	}
}

func longExternalID(h *house) {
	long := strings.Repeat("<long@id>ü", 20_000)
	a, b := h.draft(long+"1"), h.draft(long+"2")
	a.Fingerprint, b.Fingerprint = "f", "f"
	a.Thread.Key, a.References = long, []string{long + "3"}
	rs := h.accept(a, b)
	if rs[0].ID == rs[1].ID {
		h.Fatal("two long IDs are one")
	}
	again := h.accept(a)
	h.equal("again", again[0].ID, rs[0].ID)
	f := h.from(h.opens(rs[0], long, long+"3"), long+"@example.com")
	id := h.filed(f)[0].Ticket
	h.equal("owner", h.owner(long), id)
	h.equal("owner", h.owner(long+"4"), "")
	seen, err := h.view().Seen(h.ctx, scope, long+"1")
	h.must(err)
	h.equal("seen", len(seen), 1)
	r, err := h.view().Requester(h.ctx, "email", long+"@example.com")
	h.must(err)
	h.equal("requester", r.Customer.ID, f.Customer.ID)
	h.equal("the draft keeps it whole", h.receipt(rs[0].ID).Draft.ExternalID, long+"1")
}

func newestReceipt(h *house) {
	a, b := h.draft("a"), h.draft("a")
	b.Fingerprint = "another"
	h.accept(a)
	h.now = h.now.Add(time.Second)
	want := h.accept(b)[0].ID
	r, ok, err := h.s.ReceiptOf(h.ctx, "mail", "a")
	h.must(err)
	if !ok || r.ID != want {
		h.Fatalf("got %v %s, want %s", ok, r.ID, want)
	}
	if _, ok, err := h.s.ReceiptOf(h.ctx, "mail", "b"); ok || err != nil {
		h.Fatal(ok, err)
	}
}

func keptOnce(h *house) {
	raw, other := desk.Keep([]byte("{\"a\": \"\x00\xff\"}")), desk.Keep(nil)
	a, b, c := h.draft("a"), h.draft("b"), h.draft("a")
	a.Raw, a.Kept = raw.Ref, []desk.Kept{raw, raw}
	b.Raw, b.Kept = raw.Ref, []desk.Kept{raw, other}
	repeat := desk.Keep([]byte("the same message in other bytes"))
	c.Kept = []desk.Kept{repeat}
	h.accept(a, b, c)
	h.accept(c)
	for _, k := range []desk.Kept{raw, other} {
		got, ok, err := h.s.Kept(h.ctx, k.Ref.Digest)
		h.must(err)
		if !ok || string(got) != string(k.Bytes) {
			h.Errorf("kept %q, %v, want %q", got, ok, k.Bytes)
		}
	}
	for _, digest := range []string{repeat.Ref.Digest, "", "no digest"} {
		if got, ok, err := h.s.Kept(h.ctx, digest); ok || err != nil {
			h.Errorf("%s: kept %q, %v; nobody needs it", digest, got, err)
		}
	}
}

func keptRace(h *house) {
	h.atOnce(8, func(i int) error {
		for round := range 5 {
			var rs []desk.Receipt
			for j := range 10 { // the same bytes by other messages, in another order each
				d := h.draft(string(rune('a'+i)) + string(rune('a'+round)) + string(rune('a'+j)))
				d.Kept = []desk.Kept{desk.Keep([]byte{byte((i*3 + j*7) % 10)}), desk.Keep([]byte{byte((i*7 + j*3) % 10)})}
				rs = append(rs, desk.NewReceipt(d, h.now))
			}
			if _, err := h.s.Accept(h.ctx, nil, rs); err != nil {
				return err
			}
		}
		return nil
	})
	for j := range 10 {
		_, ok, err := h.s.Kept(h.ctx, desk.Keep([]byte{byte(j)}).Ref.Digest)
		h.must(err)
		h.equal("kept", ok, true)
	}
}
