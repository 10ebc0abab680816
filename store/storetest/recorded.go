package storetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// recordedIsReadBack compares, for drafts with everything in them that changes by
// being written, what is known without the database with what it gives back.
func recordedIsReadBack(h *house) {
	zone := time.FixedZone("", 5*3600+1800)
	nasty := map[string]func(*desk.Draft){
		"plain":         func(*desk.Draft) {},
		"empty lists":   func(d *desk.Draft) { d.To, d.References, d.Headers = []desk.Party{}, []string{}, map[string]string{} },
		"long keys":     func(d *desk.Draft) { d.ExternalID, d.Thread.Key = strings.Repeat("é", 900), strings.Repeat("k", 513) },
		"long group":    func(d *desk.Draft) { d.Group, d.Thread.Key = strings.Repeat("g", 2000), "t" },
		"zones":         func(d *desk.Draft) { d.SentAt, d.ReceivedAt = h.now.In(zone), h.now.Add(time.Nanosecond).In(zone) },
		"nanoseconds":   func(d *desk.Draft) { d.ReceivedAt = h.now.Add(1234567 * time.Nanosecond) },
		"the clock":     func(d *desk.Draft) { d.SentAt, d.ReceivedAt = time.Now(), time.Now() },
		"before Unix":   func(d *desk.Draft) { d.ReceivedAt = time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC) },
		"no UTF-8":      func(d *desk.Draft) { d.Text, d.Subject = "a\xff\xc3b", "\xed\xa0\x80" },
		"escapes":       func(d *desk.Draft) { d.Text = "\x00\x01\"\\\b\f\n\r\t\u2028\u2029\ufffd</script>😀" },
		"address":       func(d *desk.Draft) { d.Thread.Address = json.RawMessage("{ \"a\" : [1, \"\\u00e9 ]\"] }\n") },
		"empty address": func(d *desk.Draft) { d.Thread.Address = json.RawMessage{} },
		"null address":  func(d *desk.Draft) { d.Thread.Address = json.RawMessage("null") },
		"headers":       func(d *desk.Draft) { d.Headers = map[string]string{"a": "b", "": "", "x\xff": "y\xff"} },
		"half a raw":    func(d *desk.Draft) { d.Raw, d.HTML = desk.BlobRef{Size: 7}, desk.BlobRef{Size: 9} },
		"profile":       func(d *desk.Draft) { d.Profile = &desk.Profile{} },
		"kept": func(d *desk.Draft) {
			k := desk.Keep([]byte("{\"text\":\"of this draft\"}"))
			d.Kept, d.Raw, d.Text = []desk.Kept{k}, k.Ref, "of this draft"
		},
		"attachments": func(d *desk.Draft) {
			d.Attachments = []desk.Attachment{{Name: "f", Inline: true, Blob: desk.BlobRef{Digest: strings.Repeat("b", 64), Size: 3}}, {}}
		},
		"asked": func(d *desk.Draft) {
			due := h.now.In(zone)
			d.Ask = &desk.Ask{DueDate: &due, Tags: []string{}, CustomFields: map[string]any{"n": 1, "big": int64(1) << 60, "nil": nil, "list": []string{"x"}}}
		},
		"everything": func(d *desk.Draft) {
			d.Signed, d.Cc = []desk.SignedRef{{Ticket: "t", Receipt: "r", Via: "v"}}, []desk.Party{{Name: "n"}}
			d.Act, d.Target, d.Window, d.Damage, d.Auto, d.Trace = desk.ActEdit, "x", time.Minute, []string{"d", ""}, desk.Auto{Kind: desk.AutoList}, "00-1-2-01"
		},
	}
	var rs []desk.Receipt
	var ids []desk.ReceiptID
	for n, name := range slices.Sorted(maps.Keys(nasty)) {
		d := h.draft(fmt.Sprint("recorded ", n))
		nasty[name](d)
		r := desk.NewReceipt(d, h.now.Add(time.Duration(n)*time.Millisecond+777*time.Nanosecond).In(zone))
		rs, ids = append(rs, r), append(ids, r.ID)
	}
	_, err := h.s.Accept(h.ctx, nil, rs)
	h.must(err)
	got, err := h.s.Receipts(h.ctx, ids)
	h.must(err)
	h.equal("rows", len(got), len(rs))
	for n := range rs {
		recorded, ok := h.s.Recorded(&rs[n])
		if !ok {
			h.Errorf("%s: only the ledger knows", rs[n].ExternalID)
			continue
		}
		at := slices.IndexFunc(got, func(r desk.Receipt) bool { return r.ID == rs[n].ID })
		if !reflect.DeepEqual(recorded, got[at]) {
			h.Errorf("without the ledger %+v %+v\nread back          %+v %+v", recorded, recorded.Draft, got[at], got[at].Draft)
		}
		whole, err := rs[n].Draft.Recorded()
		h.must(err)
		is := *got[at].Draft
		for t, of := range map[*time.Time]time.Time{&is.ReceivedAt: whole.ReceivedAt, &is.SentAt: whole.SentAt} {
			if t.IsZero() == of.IsZero() && t.Truncate(time.Microsecond).Equal(of.Truncate(time.Microsecond)) && t.Format("Z07:00:00") == of.Format("Z07:00:00") {
				*t = of // the books may keep no more than that
			}
		}
		if !reflect.DeepEqual(is, *whole) {
			h.Errorf("read back %+v\nwritten   %+v", is, *whole)
		}
	}
	if _, ok := h.s.Recorded(&desk.Receipt{Draft: &desk.Draft{SentAt: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}}); ok {
		h.Error("what no ledger row can be made of is known without the ledger")
	}
}
