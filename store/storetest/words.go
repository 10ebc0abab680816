package storetest

import (
	"encoding/json"
	"fmt"
	"strings"

	"switchboard/pipeline/desk"
)

// wordsOnce accepts messages whose words stand in the raw request, in some
// spelling or not at all, and reads them in every way there is.
func wordsOnce(h *house) {
	asJSON := func(text string) string {
		b, err := json.Marshal(map[string]string{"text": text})
		h.must(err)
		return string(b)
	}
	long := func(s string) string { return strings.Repeat(s, 600/len(s)) }
	tricky := long("Grüße: \"it\" <b>broke</b> & 🙂\n\\ ")
	type message struct{ raw, text string }
	all := []message{
		{asJSON(long("plain words ")), long("plain words ")},
		{asJSON(tricky), tricky},
		{`{"text":"` + long(`caf\u00e9 \ud83d\ude42\/`) + `"}`, strings.NewReplacer(`\u00e9`, "é", `\ud83d\ude42`, "🙂", `\/`, "/").Replace(long(`caf\u00e9 \ud83d\ude42\/`))},
		{"Subject: x\r\n\r\n" + strings.ReplaceAll(long("Dear all,\n\nno.\n"), "\n", "\r\n"), long("Dear all,\n\nno.\n")},
		{asJSON(long("other words ")), long("plain words ")},
		{asJSON("short"), "short"},
		{"\xff\x00" + long("beside what is no text "), long("beside what is no text ")},
		{long("bad \xff words "), long("bad \xff words ")},
		{"", long("without a request ")},
		{asJSON(tricky), tricky}, // the same request once more, as another message
	}
	var drafts []*desk.Draft
	for i, m := range all {
		d := h.draft(fmt.Sprint("words ", i))
		d.Text = m.text
		if m.raw != "" {
			k := desk.Keep([]byte(m.raw))
			d.Raw, d.Kept = k.Ref, []desk.Kept{k, desk.Keep([]byte(m.text))}
		}
		if i%3 == 0 {
			d.Ask = &desk.Ask{Title: "asked", CustomFields: map[string]any{"n": "x"}}
		}
		if i == 1 {
			d.Act, d.Target = desk.ActEdit, "words 0"
		}
		drafts = append(drafts, d)
	}
	blob := h.draft("in a blob")
	blob.Text, blob.Raw = long("in a blob "), desk.Keep([]byte(long("in a blob "))).Ref
	drafts = append(drafts, blob)
	rs := h.accept(drafts...)
	ids := make([]desk.ReceiptID, len(rs))
	for i := range rs {
		ids[i] = rs[i].ID
	}
	same := func(how string, got desk.Receipt) {
		h.Helper()
		for i := range rs {
			if rs[i].ID != got.ID {
				continue
			}
			if got.Draft == nil {
				h.Fatalf("%s: %d came back without a draft", how, i)
			}
			want := *drafts[i]
			want.Kept, want.Text = nil, strings.ToValidUTF8(want.Text, "\ufffd")
			is := *got.Draft
			h.equal(fmt.Sprintf("%s: %d: asked", how, i), is.Ask != nil, want.Ask != nil)
			is.Ask, want.Ask = nil, nil
			h.equal(fmt.Sprintf("%s: %d", how, i), is, want)
			return
		}
		h.Fatalf("%s: %s was not accepted", how, got.ID)
	}
	list, err := h.s.Receipts(h.ctx, ids)
	h.must(err)
	h.equal("receipts", len(list), len(rs))
	for _, r := range list {
		same("many", r)
	}
	list, err = h.s.Receipts(h.ctx, ids[1:2])
	h.must(err)
	same("many, of one", list[0])
	list, err = h.s.ReceiptList(h.ctx, desk.ReceiptFilter{State: desk.Accepted})
	h.must(err)
	h.equal("list", len(list), len(rs))
	for _, r := range list {
		same("list", r)
	}
	for i, id := range ids {
		same("one", h.receipt(id))
		r, ok, err := h.s.ReceiptOf(h.ctx, "mail", drafts[i].ExternalID)
		h.must(err)
		h.equal("by external ID", ok, true)
		same("by external ID", r)
	}
	// Read anew, the draft has its words itself.
	drafts[2].Text, drafts[2].Subject = long("read anew "), "other"
	h.must(h.s.Redraft(h.ctx, ids[2], drafts[2]))
	same("read anew", h.receipt(ids[2]))
	// What failed and is opened again has its words still.
	h.must(h.s.Fail(h.ctx, ids[0], "no", h.now))
	again, err := h.s.Reopen(h.ctx, desk.ReceiptFilter{State: desk.Failed}, h.now)
	h.must(err)
	h.equal("opened again", len(again), 1)
	same("opened again", h.receipt(ids[0]))
}
