package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// envelope is the memory in which one connection's long statements become
// messages. pgx lets the buffer of a message grow as values come and forgets one
// that grew beyond 1024 bytes: for a filing group it would allocate, clear and copy
// three times what it sends. An envelope is handed to pgx in the form of a message
// that adds nothing and returns a longer buffer ([pgproto3.Frontend.Send]).
//
// It never leaves its connection, whose statements come one after the other: a
// buffer that pgx did not forget, because the statement was not sent, is at worst
// handed to it again.
type envelope struct {
	buf  []byte
	need int // bytes of the statement that comes next
}

// Statements whose lists have leastEnvelope to keepEnvelope bytes get an envelope;
// the buffer of a longer one is pgx's own.
const (
	leastEnvelope = 4 << 10
	keepEnvelope  = 2 << 20
)

// Frontend is part of [pgproto3.FrontendMessage].
func (*envelope) Frontend() {}

// Decode is part of [pgproto3.FrontendMessage]. Nothing is ever received.
func (*envelope) Decode([]byte) error { return nil }

// Encode returns what is in dst in a buffer with room for the statement.
func (e *envelope) Encode(dst []byte) ([]byte, error) {
	want := len(dst) + e.need
	switch {
	case cap(dst) >= want, want > keepEnvelope:
		return dst, nil
	case cap(e.buf) < want:
		e.buf = make([]byte, 0, min(want+want/4, keepEnvelope)) // the next one may be a little longer
	}
	return append(e.buf[:0], dst...), nil
}

// envelopes are told of each statement before pgx writes it ([pgx.QueryTracer]).
type envelopes struct{}

// messageRest is what a statement's message has besides its lists: its names, the
// formats and lengths of its values, and the short ones.
const messageRest = 2 << 10

// TraceQueryStart makes room for a statement whose lists were laid out by
// [spacious].
func (envelopes) TraceQueryStart(ctx context.Context, c *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	for _, arg := range data.Args {
		if l, ok := arg.(interface{ laidOut() int }); ok {
			if n := l.laidOut(); n >= leastEnvelope {
				enveloped(c, n+messageRest)
			}
			break
		}
	}
	return ctx
}

// TraceQueryEnd is part of [pgx.QueryTracer].
func (envelopes) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

const envelopeOf = "switchboard.envelope" // in the custom data of a connection

func enveloped(c *pgx.Conn, need int) {
	of := c.PgConn().CustomData()
	e, _ := of[envelopeOf].(*envelope)
	if e == nil {
		e = &envelope{}
		of[envelopeOf] = e
	}
	e.need = need
	c.PgConn().Frontend().Send(e)
}
