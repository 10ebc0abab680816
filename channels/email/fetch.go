package email

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"switchboard/pipeline/desk"
)

// mail is one mail on its way from the server to the Sink.
type mail struct {
	uid    imap.UID
	size   int64     // RFC822.SIZE, -1 if unknown
	at     time.Time // INTERNALDATE, zero if unknown
	data   []byte    // its bytes, or those of its header
	raw    desk.BlobRef
	damage []string
	// instead says, to a person, why there is no text, for a mail of which not
	// all is read. stays: it is not here whole, so it must not be moved away.
	instead string
	stays   bool
	began   time.Time // when its batch was asked for
}

// short notes that fewer bytes came than were announced, twice, so that it was
// no accident.
func (m *mail) short(n int64) {
	if n < m.size {
		m.damage = append(m.damage, fmt.Sprintf("the mail server announced %d bytes and delivered %d", m.size, n))
		m.stays = n == 0
	}
}

// fetch plans and fetches the mails, in UID order, and sends them batch by
// batch. Only what the server's final OK has covered is sent.
func (f *folder) fetch(ctx context.Context, s *session, uids []imap.UID, out chan<- []*mail) error {
	for len(uids) > 0 {
		n := min(planMany, len(uids))
		mails, err := f.plan(ctx, s, uids[:n])
		if err != nil {
			return err
		}
		uids = uids[n:]
		for len(mails) > 0 {
			n := f.batch(mails)
			batch := mails[:n]
			mails = mails[n:]
			began := time.Now()
			if n == 1 && f.alone(batch[0]) {
				batch, err = f.fetchLarge(ctx, s, batch[0])
			} else {
				batch, err = f.fetchSmall(ctx, s, batch)
			}
			if err != nil {
				return err
			}
			f.shrink = max(0, f.shrink-1)
			for _, m := range batch {
				m.began = began
				delete(f.trouble, m.uid)
				delete(f.huge, m.uid)
			}
			if len(batch) == 0 {
				continue
			}
			select {
			case out <- batch:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// alone reports whether a mail is fetched by windows: it is large, of unknown
// size, or has ended connections before.
func (f *folder) alone(m *mail) bool {
	return m.size < 0 || m.size > smallBytes || f.huge[m.uid] || f.trouble[m.uid].fails >= rescueAfter
}

// batch counts the mails of the next batch.
func (f *folder) batch(mails []*mail) int {
	if f.alone(mails[0]) {
		return 1
	}
	most := max(1, f.a.settings.Batch>>(2*f.shrink))
	var size int64
	for i, m := range mails {
		if size += m.size; i == most || i > 0 && (size > batchBytes || f.alone(m)) {
			return i
		}
	}
	return len(mails)
}

// plan asks for sizes and dates. Some server will one day send a date that the
// library cannot read, which ends the connection: then this stretch is asked
// again without dates, and at last without sizes.
func (f *folder) plan(ctx context.Context, s *session, uids []imap.UID) ([]*mail, error) {
	mails := make([]*mail, len(uids))
	byUID := make(map[imap.UID]*mail, len(uids))
	for i, uid := range uids {
		mails[i] = &mail{uid: uid, size: -1}
		byUID[uid] = mails[i]
	}
	fails := f.planFail[uids[0]]
	if fails >= 4 {
		return mails, nil
	}
	options := &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: fails < 2}
	err := s.fetch(ctx, s.a.settings.Timeouts.Command, imap.UIDSetNum(uids...), options, func(msg *imapclient.FetchMessageData) error {
		var uid imap.UID
		size, at := int64(-1), time.Time{}
		for item := msg.Next(); item != nil; item = msg.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataUID:
				uid = item.UID
			case imapclient.FetchItemDataRFC822Size:
				size = item.Size
			case imapclient.FetchItemDataInternalDate:
				at = item.Time
			}
		}
		if m := byUID[uid]; m != nil {
			m.size, m.at = size, at
		}
		return nil
	})
	if err != nil {
		f.planFail[uids[0]]++
		return nil, fmt.Errorf("sizes from uid %d: %w", uids[0], err)
	}
	delete(f.planFail, uids[0])
	return mails, nil
}

// fetchSmall fetches a batch in one command, and again alone what was missing
// or of another size than announced.
func (f *folder) fetchSmall(ctx context.Context, s *session, batch []*mail) ([]*mail, error) {
	set := make([]imap.UID, len(batch))
	for i, m := range batch {
		set[i] = m.uid
	}
	bodies, err := f.bodies(ctx, s, imap.UIDSetNum(set...))
	if err != nil {
		f.blame(batch, bodies)
		return nil, err
	}
	whole := batch[:0:len(batch)]
	for _, m := range batch {
		data, ok := bodies[m.uid]
		if !ok || int64(len(data)) != m.size && !f.liar {
			data, ok, err = f.again(ctx, s, m, data, ok)
			if err != nil {
				f.stumbled(m.uid)
				return nil, err
			}
			if !ok {
				continue
			}
		}
		m.data = data
		m.short(int64(len(data)))
		whole = append(whole, m)
	}
	return whole, nil
}

// again fetches one mail that was not in the answer, or not as announced. It is
// not ok when the mail is gone from the folder.
func (f *folder) again(ctx context.Context, s *session, m *mail, first []byte, had bool) (data []byte, ok bool, err error) {
	bodies, err := f.bodies(ctx, s, imap.UIDSetNum(m.uid))
	if err != nil {
		return nil, false, err
	}
	data, ok = bodies[m.uid]
	if !ok {
		if data, ok, err = f.bySequence(ctx, s, m.uid); err != nil {
			return nil, false, err
		}
	}
	switch {
	case ok && (int64(len(data)) == m.size || had && len(data) == len(first)):
		if int64(len(data)) != m.size {
			f.liar = true
			f.log.Warn("email: the server's sizes are wrong", "uid", m.uid, "announced", m.size, "got", len(data))
		}
		return data, true, nil
	case ok:
		return nil, false, fmt.Errorf("uid %d: announced with %d bytes, came with %d", m.uid, m.size, len(data))
	}
	there, err := s.present(ctx, []imap.UID{m.uid})
	if err != nil {
		return nil, false, err
	}
	if there[m.uid] {
		return nil, false, fmt.Errorf("uid %d: it is in the folder, but the server does not send it", m.uid)
	}
	f.log.Info("email: a mail was removed from the folder before it was read", "uid", m.uid)
	return nil, false, nil
}

// bySequence fetches a mail by its place in the folder: the library drops an
// answer to UID FETCH in which the mail stands before the UID.
func (f *folder) bySequence(ctx context.Context, s *session, uid imap.UID) ([]byte, bool, error) {
	var seq uint32
	err := s.guard(ctx, s.a.settings.Timeouts.Command, "search", func(func()) error {
		data, err := s.client.Search(&imap.SearchCriteria{UID: []imap.UIDSet{imap.UIDSetNum(uid)}}, nil).Wait()
		if err != nil {
			return err
		}
		if set, _ := data.All.(imap.SeqSet); len(set) == 1 && set[0].Start == set[0].Stop {
			seq = set[0].Start
		}
		return nil
	})
	if err != nil || seq == 0 {
		return nil, false, err
	}
	bodies, err := f.bodies(ctx, s, imap.SeqSetNum(seq))
	data, ok := bodies[uid]
	return data, ok, err
}

// bodies fetches whole mails into memory. Only with a nil error were they all
// complete: a connection that dies inside a literal looks, to the reader of the
// literal, like its end.
func (f *folder) bodies(ctx context.Context, s *session, set imap.NumSet) (map[imap.UID][]byte, error) {
	got := make(map[imap.UID][]byte)
	var total int64
	options := &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}
	err := s.fetch(ctx, s.a.settings.Timeouts.Body, set, options, func(msg *imapclient.FetchMessageData) error {
		var uid imap.UID
		var data []byte
		found := false
		for item := msg.Next(); item != nil; item = msg.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataUID:
				uid = item.UID
			case imapclient.FetchItemDataBodySection:
				if item.Literal == nil || item.Section.Specifier != imap.PartSpecifierNone || len(item.Section.Part) > 0 {
					continue
				}
				size := item.Literal.Size()
				if total += size; size > 2*smallBytes || total > 2*batchBytes {
					f.huge[uid] = true
					return fmt.Errorf("uid %d: %d bytes came, far more than announced", uid, size)
				}
				data = make([]byte, size)
				if n, err := io.ReadFull(item.Literal, data); err != nil {
					return fmt.Errorf("uid %d: %w after %d of %d bytes", uid, errCut, n, size)
				}
				found = true
			}
		}
		if found && uid != 0 {
			got[uid] = data
		}
		return nil
	})
	if err != nil {
		return got, fmt.Errorf("fetch: %w", err)
	}
	return got, nil
}

// errCut is a literal whose reader failed or ended early. It must not be read
// again while the library's own goroutine may read on behind it.
var errCut = errors.New("connection cut")

// blame counts a failure against the first mail that did not come.
func (f *folder) blame(batch []*mail, got map[imap.UID][]byte) {
	f.shrink = min(f.shrink+1, 4)
	for _, m := range batch {
		if _, ok := got[m.uid]; !ok {
			f.stumbled(m.uid)
			return
		}
	}
}

// fetch runs one FETCH and reads its answer to the end whatever happens, as the
// library demands. After an error of each the connection is cut first, so that
// the end comes at once; and after errCut the library's goroutine, which has
// gone on to read what it can no longer get, is waited for: to read its answer
// to the end means to try that literal again, and two goroutines must not read
// from one buffer.
func (s *session) fetch(ctx context.Context, limit time.Duration, set imap.NumSet, options *imap.FetchOptions, each func(*imapclient.FetchMessageData) error) error {
	return s.guard(ctx, limit, "fetch", func(touch func()) error {
		cmd := s.client.Fetch(set, options)
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			if err := each(msg); err != nil {
				s.cut()
				if errors.Is(err, errCut) {
					<-s.client.Closed()
				}
				cmd.Close()
				return err
			}
			touch()
		}
		return cmd.Close()
	})
}
