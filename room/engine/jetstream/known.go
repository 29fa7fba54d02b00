package jetstream

import (
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/ids"
)

// Known implements engine.Log. If this node does not know the key, the store is asked: by a message with
// the id that the store refuses, after it has looked for the id. A replicated store refuses it before its
// servers agree on it. A message that they refuse only after that, as one that expects another id before
// it, stops the stream for good (nats-server 2.15.3).
func (e *Engine) Known(room string, m engine.Message, done func(engine.Position, error)) {
	e.begin(&m, done, func(m engine.Message, done func(engine.Position, error)) { e.inClass(room, m, done, (*Engine).known) })
}

// known is Known in an open class.
func (e *Engine) known(c *class, room string, m engine.Message, done func(engine.Position, error)) {
	now := e.now()
	if pos, known, err := e.findKey(room, m, now); known {
		done(pos, err)
		return
	}
	m.Data, m.Original = slices.Clone(m.Data), slices.Clone(m.Original)
	e.askFor(c, room, m, ids.Of(room, m.Key), done)
}

// askFor asks the store whether it knows the id of a message.
func (e *Engine) askFor(c *class, room string, m engine.Message, id ids.ID, done func(engine.Position, error)) {
	header := id.Header()
	header.Set(jetstream.MsgRollup, neverRollup)
	incarnation := c.known.Last().Incarnation
	e.acks.Publish(acks.Message{Subject: c.Room(room), Header: header, Done: func(a acks.Ack, err error) {
		var refused *acks.Refusal
		switch {
		case errors.As(err, &refused) && refused.IsRollup():
			done(engine.Position{}, nil)
		case err != nil:
			done(engine.Position{}, fault.Of(err))
		default:
			e.repeated(c, room, m, incarnation, a.Seq, done, func(error) { e.askFor(c, room, m, id.After(a.Seq), done) })
		}
	}})
}

// neverRollup asks for a rollup that no stream does: those of webim permit none, and no kind of rollup has
// this name.
const neverRollup = "none"
