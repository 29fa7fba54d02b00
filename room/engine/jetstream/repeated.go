package jetstream

import (
	"errors"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/published"
)

// findKey looks for the key of a message among those that this node knows.
func (e *Engine) findKey(room string, m engine.Message, now time.Time) (pos engine.Position, known bool, err error) {
	if pos, known, err = e.keys.Find(room, m, now); known {
		return pos, known, err
	}
	return e.unsaved.Find(room, m, now)
}

// addKey notes the key of a message at a position. If the stream was made anew meanwhile, and the keys were forgotten before that, they
// are forgotten once more: the position is one of the former stream.
func (e *Engine) addKey(keys *published.Keys, room string, m engine.Message, pos engine.Position) {
	keys.Add(room, m, pos, e.now())
	if is := e.class(room).incarnation.Load(); is != nil && *is != cuts.Incarnation(pos.Epoch) {
		keys.Forget()
	}
}

// noteUnsaved returns done with the addition that a key which the store does not get is noted for a process that takes over
// from this one.
func (e *Engine) noteUnsaved(room string, m engine.Message, done func(engine.Position, error)) func(engine.Position, error) {
	e.unsavedKeys.Add(1)
	e.faults.Warn("a key is known only on this node, because there are too many in the last minute: max_keys", "room", room, "payer", m.Payer.String())
	return func(pos engine.Position, err error) {
		if err == nil {
			e.addKey(e.unsaved, room, m, pos)
		}
		done(pos, err)
	}
}

// repeated is called when the store knows the id of a message, which this node does not: it was published at seq, on another node or
// before a restart, in this incarnation of the stream. A job compares the two messages. It calls lost with the reason if the stored one
// cannot be read by anybody: its node may have ended before it confirmed the key, and the sender was told nothing.
func (e *Engine) repeated(c *class, room string, m engine.Message, incarnation string, seq uint64, done func(engine.Position, error),
	lost func(why error)) {
	pos, err := e.positionIn(incarnation, c, room, seq)
	if err != nil {
		done(pos, err)
		return
	}
	there := func() {
		e.addKey(e.keys, room, m, pos)
		done(pos, engine.ErrRepeated)
	}
	e.jobs.Go(func() {
		one, err := e.sureAt(c, seq)
		if errors.Is(err, logread.ErrNone) {
			there() // it was removed
			return
		}
		if err != nil {
			done(engine.Position{}, fault.Of(err))
			return
		}
		env, err := envelope.Decode(one.Data)
		if errors.Is(err, envelope.ErrVersion) {
			done(engine.Position{}, unknown(err))
			return
		}
		// The round is noted before the key is taken, as when a message is sealed.
		s := sealing{round: e.unused.view.ID(), unsure: env.Sealed != nil && !e.unused.view.May(seal.KeyID(env.Sealed))}
		same := false
		if err == nil {
			same, s.key, err = e.codec.IsSame(room, &env, &m)
		}
		unreadable := func(why error) {
			erased := false
			if env.HasAuthor {
				if erased, err = e.erased.Since(e.ctx, env.From.User, time.Unix(0, env.Time)); err != nil {
					done(engine.Position{}, fault.Of(err)) // an erased user must not get a new key for an old message
					return
				}
			}
			if erased {
				there() // nobody can tell whether it was the same
				return
			}
			lost(why)
		}
		switch {
		case errors.Is(err, seal.ErrErased) || codec.IsDamaged(err):
			unreadable(err)
		case err != nil:
			done(engine.Position{}, fault.Of(err))
		case !same:
			done(engine.Position{}, engine.ErrKeyReused)
		default:
			e.confirm(env.From.User, s, done, there, func() { unreadable(errKeyGone) })
		}
	})
}

// errKeyGone: the store does not keep the key of a stored message, or the key is being removed.
var errKeyGone = errors.New("jetstream: the key of the author is gone")
