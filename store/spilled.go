package store

import (
	"bytes"
	"encoding/binary"
)

// spilled is a record that the audit sorts outside memory: a key, a number and
// two IDs.
type spilled struct {
	key   [32]byte
	n     int64
	kind  byte
	id    [26]byte
	other [26]byte
}

const spilledSize = 32 + 26 + 26 + 8 + 1

// record is how it is kept: ordered by key, then by the IDs.
func (r *spilled) record() []byte {
	b := make([]byte, spilledSize)
	copy(b, r.key[:])
	copy(b[32:], r.other[:])
	copy(b[58:], r.id[:])
	binary.BigEndian.PutUint64(b[84:], uint64(r.n))
	b[92] = r.kind
	return b
}

func readSpilled(b []byte) (r spilled) {
	copy(r.key[:], b)
	copy(r.other[:], b[32:])
	copy(r.id[:], b[58:])
	r.n = int64(binary.BigEndian.Uint64(b[84:]))
	r.kind = b[92]
	return r
}

// sortedSpilled gives the records of a spill in order, and false at their end.
func sortedSpilled(s *spill) (next func() (spilled, bool, error), err error) {
	sorted, err := s.sorted()
	if err != nil {
		return nil, err
	}
	return func() (spilled, bool, error) {
		b, err := sorted()
		if err != nil || b == nil {
			return spilled{}, false, err
		}
		return readSpilled(b), true, nil
	}, nil
}

// sealed reads a 26 byte ID.
func sealed(id string) (out [26]byte) {
	copy(out[:], id)
	return out
}

func opened(id [26]byte) string { return string(bytes.TrimRight(id[:], "\x00")) }
