package store

import "switchboard/pipeline/desk"

// Recorded is what [Store.Receipts] would give back for a receipt that was just
// written, made without the database; it shares nothing with r that anybody may
// change. False: only the ledger knows.
func (s *Store) Recorded(r *desk.Receipt) (desk.Receipt, bool) {
	if r.Draft == nil || len(r.Trail) > 0 {
		return desk.Receipt{}, false
	}
	draft, err := r.Draft.Recorded()
	if err != nil {
		return desk.Receipt{}, false
	}
	out := *r
	out.ExternalID, out.Fingerprint, out.ThreadKey, out.Reason = key(r.ExternalID), key(r.Fingerprint), key(r.ThreadKey), desk.Clean(r.Reason)
	out.SourceTime, out.AcceptedAt, out.SettledAt = micro(r.SourceTime), micro(r.AcceptedAt), timeOf(microp(r.SettledAt))
	draft.FillFrom(&out, r.Draft.BesideOf(&out))
	out.Draft, out.Trail = draft, nil
	return out, true
}
