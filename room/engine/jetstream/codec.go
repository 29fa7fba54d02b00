package jetstream

import (
	"errors"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/seal"
)

// errKey: the author's key is not in memory. A job can fetch it.
var errKey = errors.New("jetstream: the author's key has to be fetched")

// encode returns the bytes to store for a message.
func encode(m *engine.Message, now time.Time, back uint64, depth uint8) *envelope.Envelope {
	env := &envelope.Envelope{Op: m.Op, Skip: m.Skip, Time: now.UnixNano(), CompactKey: m.CompactKey, Tags: m.Tags, Back: back, Depth: depth, Data: m.Data}
	if m.From != nil {
		env.HasAuthor, env.From = true, *m.From
	}
	return env
}

// decode returns a stored publication, and the tip that it makes. The publication may use data. If the
// author's key is missing, the error is errKey, unless wait is true: then decode fetches it.
func (e *Engine) decode(room string, seq uint64, data []byte, wait bool) (p engine.Publication, at tip, err error) {
	env, err := envelope.Decode(data)
	if err != nil {
		return p, tip{offset: seq}, err
	}
	at = tip{offset: seq, back: env.Back, depth: env.Depth}
	if at.back >= seq {
		at.back = 0 // never written by us; a reader would go round in circles
	}
	erased := false
	if env.Sealed != nil {
		if erased, err = e.reveal(room, &env, wait); err != nil {
			return p, at, err
		}
	}
	p = engine.Publication{Offset: seq, Time: time.Unix(0, env.Time)}
	p.Op, p.Data, p.Tags, p.CompactKey, p.Skip = env.Op, env.Data, env.Tags, env.CompactKey, env.Skip
	if env.HasAuthor {
		p.From = &env.From
	}
	switch {
	case p.Skip:
		p = engine.Publication{Message: engine.Message{Skip: true}, Offset: p.Offset, Time: p.Time}
	case erased:
		p = p.Redact()
	}
	return p, at, nil
}

// isDamaged reports whether a stored message can never be decoded.
func isDamaged(err error) bool {
	return errors.Is(err, envelope.ErrMalformed) || errors.Is(err, seal.ErrDamaged)
}

// tipOf returns the tip that a stored message makes.
func tipOf(seq uint64, data []byte) tip {
	env, err := envelope.Decode(data)
	if err != nil || env.Back >= seq {
		return tip{offset: seq}
	}
	return tip{offset: seq, back: env.Back, depth: env.Depth}
}
